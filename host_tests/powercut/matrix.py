# SPDX-License-Identifier: Apache-2.0
"""Which cuts there are, and all of them tried: count the operations of one run, then cut at each."""

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from . import scenario
from .branches import Branches
from .world import World

SECOND_TICKS = 10  # a second cut comes before the meter has booked this many ticks
_FEW_TICKS = 3  # after these, ledger records of a start are cut again one in _EVERY: they are all alike
_EVERY = 4


@dataclass
class Outcome:
    """What became of one case. wrong: empty when all was well; digest: of everything kept at the end."""

    case: str
    what: str = ""
    step: str = ""
    wrong: list = field(default_factory=list)
    digest: int = 0
    lost_uwh: int = 0
    held_ms: int = 0
    boot_ms: int = 0

    @property
    def kind(self) -> str:
        return "double" if "+" in self.case else self.case.rpartition(":")[2].partition("-")[0]


class Life:
    """One world going through its steps with an eye on one case, or on none."""

    def __init__(self, case: str = "", day=scenario.WHOLE, firmware: Path | None = None):
        self.world = World(day, firmware)
        self.outcome = Outcome(case)
        self.cut_at = 0  # in which start the case has happened
        self._parts = case.split("+") if case else []
        self.world.operations.offer = self._offer

    def _offer(self, name, what):
        if not self._parts or name != self._parts[0]:
            return False
        self._parts.pop(0)
        self.happens(self.outcome.case, what)
        return True

    def happens(self, case: str, what: str) -> None:
        """From here on this life is that of this case."""
        out = self.outcome
        self.cut_at = self.world.starts
        self.outcome = Outcome(case, f"{out.what}, then {what}" if "+" in case else what, self.world.step.name)

    def run(self) -> Outcome:
        world = self.world
        cores = os.sched_getaffinity(0)
        # Plant and meter wait for each other in the kernel, which is three times as fast where they share a core.
        os.sched_setaffinity(0, {max(cores)})
        try:
            world.live()
        except Exception as e:  # whatever went wrong in a life is its result, not the end of the matrix
            world.audit.blame(f"{type(e).__name__}: {e}")
        finally:
            os.sched_setaffinity(0, cores)
        out, figures = self.outcome, world.audit.figures
        if self._parts:
            world.audit.blame(f"there is no operation {self._parts[0]} in this run")
        out.wrong = world.audit.wrong
        out.lost_uwh, out.held_ms, out.boot_ms = figures.lost_uwh, figures.held_ms, figures.boot_ms
        out.digest = zlib.crc32(bytes(world.plant.fram.data))
        out.digest = zlib.crc32(bytes(world.plant.flash.data), out.digest)
        world.close()
        return out


def replay(case: str, day=scenario.WHOLE, firmware: Path | None = None) -> Outcome:
    """One case, with a real kill of the running interpreter."""
    name, _, of_day = case.rpartition(":")
    if name:
        outcome = Life(of_day, scenario.MORE[name], firmware).run()
        outcome.case = case
        return outcome
    return Life(case, scenario.SHORT if case.startswith("pull") else day, firmware).run()


def named(day, on_outcome):
    """on_outcome for cases of a day that has a name: they bear it."""

    def took(outcome):
        outcome.case = f"{day.name}:{outcome.case}"
        on_outcome(outcome)

    return took


def count(day=scenario.WHOLE, firmware: Path | None = None):
    """A run without any cut. (its outcome, {case: (what, step)} in order)."""
    life = Life("", day, firmware)
    found = {}

    def offer(case, what):
        step = life.world.step
        alike = what.startswith("ledger") and life.world.operations.counts["fram"] % step.every
        if not alike:
            found[case] = (what, step.name)
        return False

    life.world.operations.offer = offer
    return life.run(), found


def explore(cases, on_outcome, jobs: int = 2, second=(), day=scenario.WHOLE, firmware: Path | None = None) -> None:
    """Try these cuts in branches of one run. second: those among them after which each operation is cut again."""
    wanted = set(cases)
    missing = dict.fromkeys(cases)

    def took(name, results):
        if results is None:
            on_outcome(Outcome(name, wrong=["the branch died"]))
        for each in results or ():
            on_outcome(Outcome(**each))

    branches = Branches(jobs, took)
    life = Life("", day, firmware)
    more = []  # what the branches of a branch came to

    def offer(case, what):
        missing.pop(case, None)
        if case not in wanted or not branches.fork(case):
            return False
        life.happens(case, what)
        life.world.operations.offer = cut_again if case in second else _never
        return True

    twice = Branches(1, lambda name, results: more.extend(results or [Outcome(name, wrong=["it died"]).__dict__]))

    def cut_again(case, what):
        world = life.world
        late = world.starts > life.cut_at + 1 or world.audit.ticks >= SECOND_TICKS
        seldom = what.startswith("ledger") and world.audit.ticks > _FEW_TICKS
        if late or (seldom and world.operations.counts["fram"] % _EVERY) or case.startswith("pull"):
            return False
        both = f"{life.outcome.case}+{case}"
        if not twice.fork(both):
            return False
        more.clear()
        life.happens(both, what)
        world.operations.offer = _never
        return True

    life.world.operations.offer = offer
    try:
        done = life.run()
        if twice.inside:
            twice.leave([done.__dict__])
        if branches.inside:
            twice.finish()
            branches.leave([done.__dict__, *more])
        branches.finish()
    except BaseException:
        if branches.inside:
            branches.fail()
        branches.stop()
        raise
    if done.wrong:
        on_outcome(done)
    for case in missing:
        on_outcome(Outcome(case, wrong=["it did not come up again: this run is not repeatable"]))


def explore_pulls(cases, on_outcome, jobs: int = 2, firmware: Path | None = None) -> None:
    """Pull the card at these exchanges; the meter keeps its power, so each takes a run of its own."""

    def took(name, results):
        for each in results or [Outcome(name, wrong=["the run died"]).__dict__]:
            on_outcome(Outcome(**each))

    branches = Branches(jobs, took)
    for case in cases:
        if branches.fork(case):
            try:
                branches.leave([replay(case, firmware=firmware).__dict__])
            except BaseException:
                branches.fail()
    branches.finish()


def _never(case, what):
    return False


def spread(cases, n: int) -> list:
    """n of them, evenly from first to last."""
    cases = list(cases)
    return cases if n >= len(cases) else [cases[i * len(cases) // n] for i in range(n)]
