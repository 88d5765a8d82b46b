# SPDX-License-Identifier: Apache-2.0
"""`make faults`: every part of the meter broken in every way, at run time and from the start; every task struck.

A case runs the whole firmware on the bench, breaks one part, overloads the meter meanwhile, mends the part and
puts a card in. It fails when a second passed without a tick, the trip came late, the fault was not named on
display and in the log or did not go, energy was lost beyond one tick or counted twice, or the meter restarted.
With a task struck (struck.py) it fails when the watchdog bit more or less often than it should, or nothing was filed.
"""

from meter.core import codes

from host_tests.bench.plant.faults import FAULTS
from host_tests.bench.run import process
from host_tests.bench.run.session import Bench
from host_tests.system import fault_bits, struck
from host_tests.system.fault_case import COUNT_W_S, LOAD_W, Case

CASES = [
    (part, mode, when)
    for part, modes in FAULTS.items()
    for mode in modes[1:]
    for when in ("run", "start")
    if mode != "bits"  # fault_bits.py
    if (mode, when) != ("twin near", "start")  # then there is no other time to hold it against
]
STRIKES = [(task, how) for task in struck.TASKS for how in struck.HOW if how != "reset"]


class Strike(Case):
    """One task of the firmware does something it never should."""

    def __init__(self, task: str, how: str):
        super().__init__(task, how, "task")
        self.bites_expected = 1 if how in ("busy", "leak") else 0

    def run(self) -> "Strike":
        process._SILENT_S = 2 if self.mode == "busy" else 5  # wall seconds until a loop without end is known as one
        with Bench(load_w=LOAD_W, image=struck.image(self.part, self.mode)) as b:
            # The clock beats once a minute, and may be silent for 90 s.
            b.run_s(struck.AT_S + 175)
            self._gap_s = 0
            lost = b.plant.meter_ic.lifetime(0x80) - b.state().import_counts
            self.expect(0 <= lost <= 2 * LOAD_W / COUNT_W_S, f"{lost} counts lost")
            self.bites = b.meter.wdt_bites
            self.expect(self.bites == self.bites_expected, f"{self.bites} bites of the watchdog")
            self.expect(b.meter.restarts == self.bites, f"{b.meter.restarts} restarts")
            causes = [e.value for e in b.events() if e.code == codes.LOG_RESET]
            self.expect(causes == [1] + [3] * self.bites, f"reset causes {causes}")
            said = [crash.text.decode() for crash in b.crashes()]
            # Whom exhausted heap hits first is a matter of luck; a loop without end leaves nobody to file it.
            mine = [text for text in said if text.startswith(self.part + "\n")]
            self.expect(mine or self.mode in ("busy", "leak"), f"not filed: {said}")
            self.overload(b)
            b.insert("good")
            self.pass_s(b, 6)
            b.insert(None)
            s = b.state()
            self.expect(s.purchase_count == 1 and not s.claims, "the card did not bring supply back")
            self.expect(self.worst_gap_s <= 2, f"{self.worst_gap_s} s without a tick")
        return self


def cases(only: str = "") -> list[Case]:
    every = [*fault_bits.cases(), *(Case(*c) for c in CASES), *(Strike(*c) for c in STRIKES)]
    return [case for case in every if only in case.id]


def run(case: Case) -> Case:
    """A case as it is when it has run; what stopped it is one of its problems."""
    try:
        return case.run()
    except Exception as e:
        case.problems.append(f"{type(e).__name__}: {e}")
    finally:
        case.glass = None  # stays with its process
    return case


# What is new about a part's modes, as columns beside all of them.
COLUMNS = {
    "single bits": ("bits",),
    "slow": ("slow", "busy"),
    "keeps nothing": ("keeps nothing", "impostor"),
    "another's address": ("twin", "twin near", "neighbour", "strays", "impostor"),
}


def _column(of, modes):
    return [case for case in of if case.part in FAULTS and case.mode in modes]


def _survived(of) -> str:
    return f"{sum(not case.problems for case in of)} of {len(of)}" if of else ""


def _table(chosen):
    from rich.table import Table

    table = Table("part or task", "survived", *COLUMNS, "bites", title="Survived, of those tried", title_justify="left")

    def row(name, of):
        columns = [_survived(_column(of, modes)) for modes in COLUMNS.values()]
        bites = f"{sum(c.bites for c in of)} of {sum(c.bites_expected for c in of)}"
        table.add_row(name, _survived(of), *columns, bites)

    for part in dict.fromkeys(case.part for case in chosen):
        row(part, [case for case in chosen if case.part == part])
    table.add_section()
    row("all", chosen)
    return table


def _cli() -> None:
    import json
    import sys
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from typing import Annotated

    import typer
    from rich.console import Console
    from rich.progress import track

    def main(
        only: Annotated[str, typer.Option(help="Cases whose id has this in it, e.g. fram or lcd-nak-run")] = "",
        jobs: Annotated[int, typer.Option(help="How many at a time")] = 2,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
    ):
        """Break everything; exit 1 when something was not survived as it should."""
        chosen = cases(only)
        if not chosen:
            print(f"faults: no case has {only!r} in its id", file=sys.stderr)
            raise typer.Exit(2)
        with ProcessPoolExecutor(max(1, jobs)) as pool:
            done = [pool.submit(run, case) for case in chosen]
            for _ in track(as_completed(done), "faults", total=len(done), console=Console(stderr=True)):
                pass
        chosen = [each.result() for each in done]
        failed = [case for case in chosen if case.problems]
        expected, seen = (sum(c.bites_expected for c in chosen), sum(c.bites for c in chosen))
        report = {
            "tried": len(chosen), "survived": len(chosen) - len(failed),
            "bites_expected": expected, "bites_seen": seen,
            "columns": {name: _survived(_column(chosen, m)) for name, m in COLUMNS.items()},
            "wrong_bits": sum(getattr(case, "flips", 0) for case in chosen),
            "failed": {case.id: case.problems for case in failed},
        }  # fmt: skip
        if as_json:
            print(json.dumps(report))
        else:
            Console().print(_table(chosen))
            print(f"{report['wrong_bits']:,} wrong bits, each in a transfer of its own")
            for case in failed:
                print(f"{case.id}: {'; '.join(case.problems)}")
        raise typer.Exit(1 if failed else 0)

    typer.run(main)


if __name__ == "__main__":
    from host_tests.system.fault_matrix import _cli as cli  # as others import it: cases are told apart by their class

    cli()
