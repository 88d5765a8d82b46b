# SPDX-License-Identifier: Apache-2.0
"""The command: every point of the load table, start-up and no load, as the table a metrologist expects.

Exit code 1 when a point or a check fails, 2 when the plot cannot be written.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from host_tests.measure.accuracy import points, rig
from host_tests.measure.accuracy.plot import svg

app = typer.Typer(add_completion=False)
PLOT = Path("build/accuracy.svg")


def _ratio(i_ma: int) -> str:
    return f"{i_ma / 1000:g} A ({i_ma / points.BASE_MA:g} Ib)"


def _limit(limit: int | None) -> str:
    return "" if limit is None else f"± {limit / 10:.1f} %"


def _verdict(passed: bool) -> str:
    return "met" if passed else "MISSED"


def point_dict(r: rig.Result) -> dict:
    return {
        "series": r.point.series,
        "i_ma": r.point.i_ma,
        "class_limits_permille": r.point.limits(),
        "seconds": r.seconds,
        "read_every_s": r.every_s,
        "energy_kwh": round(float(r.energy_kwh), 6),
        "booked_counts": r.booked_counts,
        "added_ppm": round(float(r.added_ppm), 3),
        "lost_counts": r.lost,
        "met": r.passed,
    }


def show(results: list[rig.Result], checks: list[rig.Check], console: Console) -> None:
    table = Table("load", "current", "class 1", "class 0.5S", "energy", "time", "read every", "error added", "",
                  title=f"3 x {points.UN_V} V, {points.BASE_MA // 1000}({points.MAX_MA // 1000}) A,"
                  f" {points.PULSES_PER_KWH} imp/kWh; IEC 62053-21 and -22, 2003", title_justify="left")  # fmt: skip
    for column in table.columns[1:8]:
        column.justify = "right"
    last = None
    for r in results:
        if r.point.series != last:
            table.add_section()
            last = r.point.series
        limits = r.point.limits()
        table.add_row(
            r.point.series, _ratio(r.point.i_ma), _limit(limits["1"]), _limit(limits["0.5S"]),
            f"{float(r.energy_kwh):.3f} kWh", f"{r.seconds} s", f"{r.every_s} s",
            f"{float(r.added_ppm) / 10_000:+.5f} %", _verdict(r.passed),
        )  # fmt: skip
    console.print(table)
    table = Table(
        "test", "class", "time", "expected", "counted", "", title="Start-up and no load", title_justify="left"
    )
    for c in checks:
        table.add_row(c.what, c.of, f"{c.seconds} s", c.expected + " counts", str(c.counts), _verdict(c.passed))
    console.print(table)
    worst = max(results, key=lambda r: abs(r.added_ppm))
    console.print(
        f"Largest error added: {float(worst.added_ppm) / 10_000:+.5f} %, {worst.point.series},"
        f" {_ratio(worst.point.i_ma)};"
        f" allowed here ± {rig.ADDED_PPM / 10_000:g} %. Counts the part had and the ledger has not:"
        f" {sum(abs(r.lost) for r in results)}."
    )


@app.command()
def main(
    few: Annotated[bool, typer.Option("--few", help="A few points only")] = False,
    plot: Annotated[Path, typer.Option(help="Where the picture goes")] = PLOT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
):
    """Measure the error the firmware adds to the metering IC's; exit 1 when a point misses its bar."""
    results = [rig.measure(point) for point in (points.few() if few else points.load_table())]
    checks = [test(of) for test in (rig.start_up, rig.no_load) for of in points.START_MA]
    try:
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot.write_text(svg(results))
    except OSError as e:
        print(f"accuracy: {plot} cannot be written: {e.strerror}. Name another file with --plot.", file=sys.stderr)
        raise typer.Exit(2) from None
    missed = [r.point for r in results if not r.passed]
    failed = [c for c in checks if not c.passed]
    if as_json:
        print(json.dumps({"points": [point_dict(r) for r in results], "checks": [vars(c) for c in checks],
                          "plot": str(plot), "met": not missed and not failed}))  # fmt: skip
    else:
        show(results, checks, Console(width=140))
        print(f"Picture: {plot}")
    if missed or failed:
        names = [f"{p.series} at {p.i_ma} mA" for p in missed] + [f"{c.what}, class {c.of}" for c in failed]
        print(f"accuracy: missed: {'; '.join(names)}", file=sys.stderr)
        raise typer.Exit(1)
