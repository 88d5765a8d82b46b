# SPDX-License-Identifier: Apache-2.0
"""Firmware and model side by side: both are told the same, and compared.

What a cut may leave is never guessed: `durable` holds the states that may be in the FRAM (one, once the meter has
said all is stored), and after the cut the meter must be in exactly one of them. A card that goes unhindered has one
outcome; one that is pulled, or whose meter is struck meanwhile, has a few (booked or not, written back or not), and
must have had one of them whole.
"""

from dataclasses import dataclass
from math import floor
from types import SimpleNamespace

from meter.books import visits
from meter.core import codes
from meter.drivers.metering_ic.sample import Sample
from meter.storage import ledger

from host_tests.model import meter as is_
from host_tests.model.meter import Model, Prices
from host_tests.model.rig import World

MOST = 2**42  # counts in one go: 13,700,000 kWh


@dataclass
class Cut:
    """Power fails in one of the FRAM writes to come, or after them; again while the meter recovers."""

    where: tuple
    again: tuple | None


@dataclass
class Nak:
    """One of the FRAM writes to come is not acknowledged."""

    where: tuple


def sample(counts, p_mw=0, others=(0, 0, 0)):
    names = ("export_counts", "q_import_counts", "q_export_counts")
    used = Sample()
    used.import_counts, used.p_total_mw, used.va_counts = counts, p_mw, counts + 7
    for name, n in zip(names, others, strict=True):
        setattr(used, name, n)
    return used


class Sides:
    """What a machine (machine.py) does with both."""

    world: World
    model: Model
    prices: Prices

    # -- both sides -------------------------------------------------------------------------------

    def _counts(self, energy):
        """Counts as drawn, or those that bring credit to a limit, or to the last count before it."""
        if not isinstance(energy, tuple):
            return energy
        how, name = energy
        house = self.house
        model = self.model
        limit = {"alarm1": house.alarm1, "alarm2": house.alarm2, "floor": model.off_at, "zero": 0}[name]
        rate = self.prices.rate(self.now)
        used = model.imported - model.month_began_with
        must_be = model.credit + floor(model.worth) - limit  # of all energy, at least
        enough = MOST + 1
        if model.credit <= limit or model.worth + self.prices.worth(used, enough, rate) < must_be:
            return 0
        too_few = 0
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            if model.worth + self.prices.worth(used, middle, rate) < must_be:
                too_few = middle
            else:
                enough = middle
        return enough if how == "to" else too_few

    def _tick(self, what):
        if self.now is not None:
            self.now += 1
        now = self.now
        self._do(lambda: self.world.books.tick(what, now), lambda m: m.tick(what, now))

    def _command(self, what):
        """What the firmware is called with, and what that does to a model."""
        books = self.world.books
        if what == "tick":
            used, now = sample(1_000_000), self.now
            return lambda: books.tick(used, now), lambda m: m.tick(used, now)
        if what == "relay_follows":
            closed = int(not self.model.claims)
            return lambda: books.relay_is(closed), lambda m: m.relay_is(closed)
        if what == "relay_moves":
            return books.relay_moves, Model.relay_moves
        if what == "relay_stuck":
            wanted = int(not self.model.claims)
            return lambda: books.relay_failed(wanted), lambda m: m.relay_fails(wanted)
        if what == "utility":
            serial = self.model.serial + 7
            return lambda: visits.served(books, serial), lambda m: m.utility_card(serial)
        if what in ("cover", "magnet"):
            code = codes.LOG_MAGNET_ON if what == "magnet" else codes.LOG_COVER_OPEN
            return lambda: books.found(code, 3, 1), lambda m: m.found(what)
        if what == "button":
            return books.button, Model.button
        return lambda: books.remote(what == "remote_on"), getattr(Model, what)

    def _do(self, act, step, must_store=True):
        """Do something that the firmware does in one go."""
        after = self.model.copy()
        step(after)
        before = self._before()
        act()
        self._settle(before, [after], [*after.way, after], must_store)

    def _visit(self, card, pull, meanwhile, trouble):
        world = self.world
        self._arm(trouble)
        before = self._before()
        at, what = meanwhile or (-1, None)
        act = step = None
        if what == "silence":
            act, step = lambda: setattr(world.fram, "absent", True), lambda m: None
        elif what == "dark":
            act, step = world.cut, lambda m: None
        elif what:
            act, step = self._command(what)
        if pull:
            card.chip.pull_after(*pull)
        if not world.visit(card.chip, at, act):
            act = step = what = None

        # All that may have come of it: (model, what is on the card), and all the states on the way there.
        ends, states = [], []
        disturbed = bool(pull or what or trouble)
        absent = before.absent
        fram_fails = isinstance(trouble, Nak) or what == "silence"
        for early in (True, False) if step else (True,):
            start = self.model.copy()
            if step and early:
                step(start)
                states += [*start.way, start.copy()]
            for can_store in (False,) if absent else (True, False) if fram_fails else (True,):
                m = start.copy()
                refusal = m.refusal(card, can_store)
                if refusal:
                    m.refuse(refusal)
                    ends.append((m, card.written))
                    states.append(m)
                    continue
                steps = [lambda m: m.purchase(card)] if m.sells(card) else []
                steps += [lambda m: m.bind(card), Model.user_card, Model.number_writeback]
                for do in steps:
                    do(m)
                    states.append(m.copy())
                report = m.report()
                if step and not early:
                    step(m)
                    states += [*m.way, m.copy()]
                if not absent:
                    ends.append((m, report))
                if absent or disturbed:
                    ends.append((m, card.written))
            if pull or what == "dark":
                end = start.copy()
                if step and not early:
                    step(end)
                    states += end.way
                ends.append((end, card.written))
                states.append(end)

        written = card.read_back()
        assert written in [end[1] for end in ends] + [card.written], "write-back is neither complete nor absent"
        if written != card.written:
            ends = [end for end in ends if end[1] == written]
            states = [state for state in states if state.writebacks == written["number"]]
            self.durable = []  # what the card was told is kept
            assert card.written is None or written["number"] > card.written["number"]
            card.written = written
        if world.dark:
            self._may_have_kept(before, states)
        else:
            ends = [m for m, on_card in ends if on_card == written]
            self._settle(before, ends, states, disturbed=disturbed)
        self._over(trouble)

    # -- failures ---------------------------------------------------------------------------------

    def _arm(self, trouble):
        fram = self.world.fram
        fram.fail = (*trouble.where, isinstance(trouble, Cut)) if trouble else None
        self.trouble = trouble

    def _over(self, trouble):
        self.world.fram.fail = None
        self.trouble = None
        if isinstance(trouble, Cut) or self.world.dark:
            self.world.cut()
            self._recover(trouble.again if isinstance(trouble, Cut) else None)

    def _recover(self, again=None, silences=0):
        fram = self.world.fram
        fram.absent = False
        fram.fail = (*again, True) if again else None
        self._boot(silences)
        if again:
            if not self.world.dark:
                self._tick(sample(7, 0))
            self.world.cut()
            fram.fail = None
            self._boot()

    def _boot(self, silences=0):
        """Power comes: the meter is in one of the states that may have been kept."""
        fresh = not self.world.sequences()
        found = self.world.boot(silences)
        if self.world.dark:
            return
        assert (found == ledger.FRESH) == fresh
        for kept in self.durable:
            self.model = kept.rebooted(self.prices, fresh)
            if self.model.kept() == self._observed():
                self.durable = [kept]
                return
        self._differs("after the cut", [kept.rebooted(self.prices, fresh) for kept in self.durable])

    # -- comparing --------------------------------------------------------------------------------

    def _observed(self):
        fields = dict(vars(self.world.books.s))
        del fields["event_seq"]
        return fields

    def _before(self):
        world = self.world
        return SimpleNamespace(
            model=self.model,
            absent=world.fram.absent,
            faults=world.books.faults,
            events=len(world.acked),
            commits=len(world.commits),
        )

    def _settle(self, before, ends, states, must_store=True, disturbed=False):
        """The meter runs: it is in one of `ends`. In the dark it may have kept any of `states`."""
        world = self.world
        if world.dark:
            self._may_have_kept(before, states)
            return
        observed = self._observed()
        for end in ends:
            if end.kept() == observed:
                self.model = end
                break
        else:
            self._differs("now", ends)
        if before.absent:
            return  # nothing can have been written
        commits = world.commits[before.commits :]
        if commits and commits[-1]:
            newest = max(world.sequences())
            assert newest > self.sequence
            self.durable = [self.model]
            self.sequence = newest
        elif commits or self.model.kept() != before.model.kept():
            self.durable = self.durable + states + [self.model]
        if disturbed or self.trouble or world.fram.absent:
            return
        if must_store and self.model.kept() != before.model.kept():
            assert commits and commits[-1], "changed, but not stored"
        if not before.faults & is_.FAULT_FRAM:
            self._told(before.model, world.acked[before.events :])

    def _may_have_kept(self, before, states):
        if not before.absent:
            self.durable = self.durable + states

    def _told(self, before, records):
        """The log says what has changed."""
        after = self.model
        told = [(code, value) for _, code, value, _ in records]
        trips = [value for code, value in told if code == is_.LOG_TRIP]
        for n in range(6):
            if after.claims & ~before.claims & 1 << n:
                assert any(value & 1 << n for value in trips), "an unrecorded trip"
        assert all(value & ~before.claims for value in trips), "a trip for nothing"
        closes = [value for code, value in told if code == is_.LOG_CLOSE]
        if before.claims and not after.claims:
            assert len(closes) == 1
        if not before.claims:
            assert not closes
        bought = [value for code, value in told if code == is_.LOG_PURCHASE]
        assert bought == [after.purchases] * (after.purchases - before.purchases)
        assert len([1 for code, _ in told if code == is_.LOG_REFUSED]) == after.refused - before.refused
        lent = after.lent and not before.lent
        assert len([1 for code, _ in told if code == is_.LOG_EMERGENCY]) == lent
        owed = [value for code, value in told if code == is_.LOG_DEBT]
        assert owed == bought * (after.debt + after.debt_paid > before.debt + before.debt_paid)
        days = [value for code, value in told if code == is_.LOG_DAYS]
        assert days == (after.told_days if after.day != before.day else [])
        bound = (after.uid, after.generation) != (before.uid, before.generation)
        assert len([1 for code, _ in told if code == is_.LOG_BOUND]) == bound

    def _differs(self, when, models):
        observed = self._observed()
        lines = []
        for model in models:
            wanted = model.kept()
            lines.append({name: (observed[name], wanted[name]) for name in wanted if observed[name] != wanted[name]})
        raise AssertionError(f"{when}: no state the meter may be in (is, must be): {lines}")
