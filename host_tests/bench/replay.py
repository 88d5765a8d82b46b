# SPDX-License-Identifier: Apache-2.0
"""`make replay`: a recorded household through chip model, bus, firmware and ledger, and what it must come to."""

import contextlib
import io
import json
import sys
import tempfile
import time
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scripts.image import build_image

from . import documents, oracle
from . import trace as traces
from .board import load_board
from .cpython import VirtualTime
from .flash import NorFlash
from .ledger_view import read_events, read_ledger
from .local import LocalMeter
from .plant import Plant
from .process import MeterProcess

LEAD_S = 8  # the meter is up this long before the trace begins, and as long after its end
_EPOCH = datetime(2000, 1, 1)
_REASONS = {1: "remote", 2: "no credit", 4: "reminder", 8: "overload", 16: "tamper", 32: "fault"}
_log = Console(stderr=True)


def _fail(text: str):
    _log.print(f"[red]replay:[/red] {text}", highlight=False)
    raise typer.Exit(2)


def _default_credit(trace, doc) -> Fraction:
    """Enough for the whole trace at the dearest rate, with the alarm limits untouched."""
    dearest = max(oracle.Calendar(doc).prices.values())
    kwh = Fraction(trace.energy_mws(), 3_600_000_000)
    return Fraction(int(kwh * dearest) + 20)


def _schedule(plant, trace, zero_us, on_progress):
    """Put the rows on the plant's clock, one at a time."""
    rows = iter(trace.segments())

    def step(_now_us):
        segment = next(rows, None)
        if segment is None:
            plant.house.set_load(0, 0)
            return
        start_s, end_s, row = segment
        plant.house.u_mv[0] = row.u_mv
        plant.house.set_load(0, row.p_mw, row.q_mvar, row.i_ma)
        on_progress(start_s - trace.start_s)
        plant.clock.at(zero_us + (end_s - trace.start_s) * 1_000_000, step)

    plant.clock.at(zero_us, step)


def _of_statuses(lines, key):
    """The figure of each STATUS line, one an hour."""
    return [int(word.removeprefix(key)) for line in lines for word in line.split() if word.startswith(key)]


def run(trace, tariff_doc: dict, credit: Fraction | None, arch: str, heap=None, on_progress=lambda s: None) -> dict:
    """Replay a trace; gives the result as a dict. arch: i386, amd64 or cpython."""
    credit = _default_credit(trace, tariff_doc) if credit is None else credit
    settings = documents.settings(
        currency=tariff_doc["currency"],
        utc_offset_min=0,
        overload_w=0,
        hoard="0",
        initial_credit=f"{int(credit)}.{int(credit % 1 * 1_000_000):06d}",
    )
    files = documents.as_files(settings, tariff_doc)
    board = load_board()
    flash = NorFlash(build_image(None, files))
    plant = Plant(VirtualTime(), board, flash, utc_s=trace.start_s - LEAD_S)
    reads_us = []
    plant.meter_ic.on_energy_read = lambda addr, counts, now_us: reads_us.append(now_us) if addr == 0x80 else None
    zero_us = LEAD_S * 1_000_000
    _schedule(plant, trace, zero_us, on_progress)
    run_s = trace.end_s - trace.start_s + 2 * LEAD_S
    statuses = []
    started = time.monotonic()
    if arch == "cpython":
        interpreter, heap_bytes = f"cpython {sys.version.split()[0]}", None
        with tempfile.TemporaryDirectory() as root:
            for name, content in files.items():
                (Path(root) / name).write_bytes(content)
            with contextlib.redirect_stdout(io.StringIO()):  # what the firmware says on its console
                LocalMeter(plant, root).run_s(run_s)
    else:
        with MeterProcess(plant, arch, heap) as meter:
            meter.on_line = lambda line: statuses.append(line) if line.startswith(("STATUS", "BENCH")) else None
            meter.plug_in()
            meter.run_s(run_s)
            meter.pull_plug()
            interpreter, heap_bytes = f"micropython {arch}", int(meter.heap.rstrip("k")) * 1024
            restarts = meter.restarts
        if restarts:
            raise RuntimeError(f"the meter restarted {restarts} times during the replay")
    real_s = time.monotonic() - started
    state = read_ledger(plant.fram)
    oracle_cost, oracle_counts = oracle.cost_micro(trace, tariff_doc, plant.house.log_contact, reads_us, zero_us)
    trace_wh = Fraction(trace.energy_mws(), 3_600_000)
    names = oracle.Calendar(tariff_doc).order
    free = _of_statuses(statuses, "heap_free_min=")
    initial_micro = int(credit * 1_000_000)
    return {
        "interpreter": interpreter,
        "heap_bytes": heap_bytes,
        "heap_free_min": min(free) if free else None,
        "heap_free_by_hour": _of_statuses(statuses, "heap_free="),
        "seconds_simulated": run_s,
        "seconds_real": round(real_s, 1),
        "rows": len(trace.rows),
        "holes": len(trace.holes),
        "ticks": sum(us >= zero_us for us in reads_us),  # how soon the meter was up is no matter of the trace
        "trace_wh": float(trace_wh),
        "trace_wh_exact": str(trace_wh),
        "trace_counts": trace.energy_mws() * 1_000_000 // oracle.COUNT_NJ,
        "metered_counts": state.import_counts,
        "metered_uwh": state.import_counts * 3125,
        "by_rate_uwh": {name: state.rate_counts[n] * 3125 for n, name in enumerate(names)},
        "oracle_by_rate_uwh": {name: n * 3125 for name, n in oracle_counts.items()},
        "cost_micro": initial_micro - state.credit_micro,
        "credit_micro": state.credit_micro,
        "oracle_cost_micro": oracle_cost,
        "overdraft_uwh": state.overdraft_counts * 3125,
        "trips": [
            {"time": (_EPOCH + timedelta(seconds=e.utc_s)).isoformat(), "reason": _reason(e.value)}
            for e in read_events(plant.fram)
            if e.code == 16
        ],
    }


def _reason(claims: int) -> str:
    return " + ".join(text for bit, text in _REASONS.items() if claims & bit)


def main(
    trace: Annotated[Path, typer.Argument(help="CSV: local_time,active_kw,reactive_kvar,voltage_v,current_a")],
    credit: Annotated[str, typer.Option(help="Credit at the start, e.g. 25.00 [default: enough for the trace]")] = "",
    tariff: Annotated[str, typer.Option(help="Tariff document (JSON) [default: four rates]")] = "",
    arch: Annotated[str, typer.Option(help="i386 (as on an ESP32), amd64, or cpython (in this process)")] = "i386",
    heap: Annotated[str, typer.Option(help="MicroPython's heap [default: 112k on i386]")] = "",
    rows: Annotated[int, typer.Option(help="Replay only the first rows (0 = all)")] = 0,
    quiet: Annotated[bool, typer.Option(help="No progress bar")] = False,
):
    """Replay a trace; the last line printed is one JSON object."""
    from meter.core import tariff as tariffs
    from meter.core.errors import ConfigError

    if arch not in ("i386", "amd64", "cpython"):
        _fail(f"--arch {arch}: i386, amd64 or cpython")
    try:
        data = traces.read(trace)
        doc = json.loads(Path(tariff).read_text()) if tariff else documents.tariff()
        tariffs.parse(doc)
        amount = Fraction(credit) if credit else None
    except FileNotFoundError as e:
        _fail(f"{e.filename} is not there. Give the trace as TRACE=file.csv, the tariff as TARIFF=file.json.")
    except (traces.TraceError, ConfigError) as e:
        _fail(f"{tariff if isinstance(e, ConfigError) else trace}: {e}")
    except json.JSONDecodeError as e:
        _fail(f"{tariff}: not JSON: {e}")
    except (ValueError, ZeroDivisionError):
        _fail(f"CREDIT={credit}: an amount like 25.00 is expected")
    if amount is not None and (amount < 0 or amount > 1_000_000 or amount * 1_000_000 % 1):
        _fail(f"CREDIT={credit}: 0 to 1000000 with at most six decimals is expected")
    if rows:
        data = data.first(rows)
    for line, step in data.holes:
        _log.print(f"replay: line {line}: {step} s after the row before it; that row is held", highlight=False)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn(),
        console=_log, disable=quiet,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"replay on {arch}", total=data.end_s - data.start_s)
        result = run(data, doc, amount, arch, heap or None, lambda s: bar.update(task, completed=s))
        bar.update(task, completed=data.end_s - data.start_s)
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
