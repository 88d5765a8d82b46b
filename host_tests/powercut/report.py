# SPDX-License-Identifier: Apache-2.0
"""What the matrix has come to: as a table, as JSON, as the report that is kept beside this file."""

from pathlib import Path

from rich.table import Table

from .operations import MID_PULSE_US
from .scenario import MORE, STEPS

REPORT = Path(__file__).with_name("report.md")
KINDS = {
    "fram": "a write transfer to the FRAM: nothing, half, all of it kept",
    "flash": "a program or erase of the flash: nothing, half, all of it done",
    "rtc": "a write transfer to the clock: not done, done",
    "relay": f"a relay pulse: before it, after {MID_PULSE_US // 1000} ms of it, at its end",
    "card": "an exchange with a card: not heard, heard but not answered",
    "pull": "no cut, but a card pulled at an exchange: not heard, heard",
    "double": "a second cut, at an operation of the start after a first one",
}


def summary(outcomes) -> dict:
    """Figures by kind and in all; failed cases by name."""
    kinds = {}
    for kind in KINDS:
        of_kind = [o for o in outcomes if o.kind == kind]
        if of_kind:
            kinds[kind] = _figures(of_kind)
    failed = {o.case: {"what": o.what, "step": o.step, "wrong": o.wrong} for o in outcomes if o.wrong}
    return {"kinds": kinds, "all": _figures(outcomes), "failed": failed}


def _figures(outcomes):
    return {
        "cases": len(outcomes),
        "failed": sum(1 for o in outcomes if o.wrong),
        "lost_uwh_max": max((o.lost_uwh for o in outcomes), default=0),
        "tick_ms_max": max((o.held_ms for o in outcomes), default=0),
        "first_tick_ms_max": max((o.boot_ms for o in outcomes), default=0),
    }


_COLUMNS = ("cases", "failed", "lost_uwh_max", "tick_ms_max", "first_tick_ms_max")
_TITLES = ("cases", "failed", "most energy lost, µWh", "tick under way, ms", "power to first tick, ms")


def _rows(result):
    for kind, figures in [*result["kinds"].items(), ("all", result["all"])]:
        yield kind, [f"{figures[name]:,}" for name in _COLUMNS]


def table(result) -> Table:
    shown = Table(title="Power cuts", title_justify="left")
    shown.add_column("what is cut")
    for title in _TITLES:
        shown.add_column(title, justify="right")
    for kind, figures in _rows(result):
        if kind == "all":
            shown.add_section()
        shown.add_row(kind, *figures, style="red" if figures[1] != "0" else None)
    return shown


def _steps(steps, named, outcomes):
    """A row for each step of a day. named: what its cases' names begin with."""
    of_day = [o for o in outcomes if o.case.rpartition(":")[0] == named[:-1] and o.kind != "double"]
    for step in {step.name: step for step in steps}.values():
        n = sum(1 for o in of_day if o.step == step.name)
        few = f" (one ledger record in {step.every} is cut: they are alike)" if step.every > 1 else ""
        yield f"| {named and f'`{named}` '}{step.name}{few} | {n} |"


def markdown(result, outcomes, second: int) -> str:
    """The report. The same firmware gives the same text."""
    lines = [
        "# Power cuts: what was tried, and what came of it",
        "",
        "Written by `make powercut`; one case again: `make powercut CASE=` and its name. What is checked after each:",
        "[`auditor.py`](auditor.py). How cuts are made: [`branches.py`](branches.py). What is torn, and how:",
        "[`operations.py`](operations.py).",
        "",
        f"| {' | '.join(('what is cut', *_TITLES))} |",
        f"|---|{'---:|' * len(_TITLES)}",
    ]
    lines += [f"| {KINDS.get(kind, kind)} | {' | '.join(figures)} |" for kind, figures in _rows(result)]
    lines += [
        "",
        "Energy lost: what the metering IC had counted and no ledger record held when power went, in the worst cut of",
        "a case. It was never more than the tick under way held; before the first of a start, that is the start. Times",
        "are virtual: bus, air and waiting time, and computing as `bench/plant/costs.py` has it; longest in `fell`,",
        f"with starts that fall. {second} of the cuts, evenly spread, were followed by another at each operation of",
        "the start.",
        "",
        "Known: the profile row of an outage is missing when the start after it is cut in its first second; its energy",
        "is in the next row.",
        "",
        *(f"- `{name}:` {day.about}" for name, day in MORE.items()),
        "",
        "| step | cases |",
        "|---|---:|",
    ]
    lines += _steps(STEPS, "", outcomes)
    for name, day in MORE.items():
        lines += _steps(day.steps, f"{name}:", outcomes)
    lines += ["", f"## {'Failed' if result['failed'] else 'Nothing failed'}", ""]
    for case, failed in result["failed"].items():
        lines.append(f"- `{case}` ({failed['what']}, in step \"{failed['step']}\"): {'; '.join(failed['wrong'][:3])}")
    return "\n".join(lines).rstrip() + "\n"
