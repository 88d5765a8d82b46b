# SPDX-License-Identifier: Apache-2.0
"""`make powercut`: a day in the life of a meter, with the power cut at every operation that outlives it."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from host_tests.bench.plant.flash import Profile

from . import matrix, report, scenario
from .world import World

_log = Console(stderr=True)


def _one(case: str, as_json: bool):
    outcome = matrix.replay(case)
    if as_json:
        print(json.dumps(outcome.__dict__))
    else:
        print(f"{case}: {outcome.what}, in step {outcome.step!r}")
        print(f"  most energy lost in a cut: {outcome.lost_uwh:,} µWh, {outcome.held_ms} ms into a tick")
        print(f"  power to first tick: {outcome.boot_ms} ms")
        for sentence in outcome.wrong or ["all was well"]:
            print(f"  {sentence}")
    raise typer.Exit(bool(outcome.wrong))


def _more_days():
    """Name of a day -> its cases, of those that have one."""
    more = {}
    for day in scenario.MORE.values():
        whole, found = matrix.count(day)
        if whole.wrong:
            _log.print(f"powercut: {day.name} without a cut went wrong:", *whole.wrong, sep="\n  ", highlight=False)
            raise typer.Exit(1)
        more[day.name] = [case for case in found if not case.startswith("pull")]
    return more


def _all(sample: int, second: int, jobs: int, quiet: bool):
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=_log, disable=quiet, auto_refresh=False,  # a thread of its own must not be split
    )  # fmt: skip
    outcomes = []
    with bar:
        task = bar.add_task("counting", total=None)
        bar.refresh()
        whole, found = matrix.count()
        if whole.wrong:
            _log.print("powercut: the run without a cut went wrong:", *whole.wrong, sep="\n  ", highlight=False)
            raise typer.Exit(1)
        _, short = matrix.count(scenario.SHORT)
        cuts = [case for case in found if not case.startswith("pull")]
        twice = matrix.spread(cuts, second)
        pulls = [case for case in short if case.startswith("pull")]
        more = _more_days()
        if sample:
            pulls = matrix.spread(pulls, sample // 8)
            more = {name: matrix.spread(of_day, sample // 8) for name, of_day in more.items()}
            cuts = sorted({*matrix.spread(cuts, sample - len(pulls)), *twice})

        def took(outcome):
            outcomes.append(outcome)
            if outcome.wrong:
                bar.console.print(f"{outcome.case}: {outcome.what}: {outcome.wrong[0]}", style="red", highlight=False)
            bar.update(task, advance=outcome.kind != "double", refresh=True)

        total = len(cuts) + len(pulls) + sum(map(len, more.values()))
        bar.update(task, total=total, description="cutting")
        matrix.explore(cuts, took, jobs, twice)
        for name, of_day in more.items():
            day = scenario.MORE[name]
            matrix.explore(of_day, matrix.named(day, took), jobs, day=day)
        bar.update(task, description="pulling cards")
        matrix.explore_pulls(pulls, took, jobs)
    names = [f"{name}:{case}" for name, of_day in more.items() for case in of_day]
    order = {case: n for n, case in enumerate([*found, *short, *names])}
    outcomes.sort(key=lambda o: (order.get(o.case.partition("+")[0], -1), o.case))
    return outcomes


def main(
    case: Annotated[str, typer.Option(help="Only this one, e.g. fram-0123-half")] = "",
    sample: Annotated[int, typer.Option(help="Only this many, evenly spread (0: all)")] = 0,
    second: Annotated[int, typer.Option(help="Cuts after which all operations of the start are cut too")] = 24,
    profile: Annotated[Profile, typer.Option(help="How MicroPython is built")] = Profile.STOCK,
    jobs: Annotated[int, typer.Option(help="How many at a time")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress bar")] = False,
):
    """Cut the power at every operation that outlives it, and see that nothing is lost.

    The whole matrix of `stock` is written to host_tests/powercut/report.md.
    """
    World.profile = profile
    if case:
        _one(case, as_json)
    outcomes = _all(sample, second, max(1, jobs), quiet or as_json)
    result = report.summary(outcomes)
    if as_json:
        print(json.dumps(result))
    else:
        Console().print(report.table(result))
    if not sample and profile == Profile.STOCK:
        report.REPORT.write_text(report.markdown(result, outcomes, second))
    raise typer.Exit(bool(result["failed"]))


if __name__ == "__main__":
    typer.run(main)
