# SPDX-License-Identifier: Apache-2.0
"""The lives of a meter that hypothesis makes up, and what must hold after each thing that happens.

The firmware and a plain model go through them together: compare.py.
"""

import sys
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from meter.books import visits
from meter.core.state import MeterState
from meter.drivers.fram import Fram
from meter.storage import ledger

from host_tests.bench.cards import cards
from host_tests.model import meter as is_
from host_tests.model.compare import Cut, Nak, Sides, sample
from host_tests.model.meter import House, Model, Prices
from host_tests.model.rig import OTHER_NUMBER, TARIFFS, Card, World

HOUSES = (
    House(initial=20_000_000, limit_w=2000, hold_s=2, wait_s=2),
    House(),
    House(
        initial=6_000_000,
        emergency=2_000_000,
        debt_day=300_000,
        debt_percent=40,
        offset_min=60,
        night=("18:00", "08:00"),
        weekend=True,
        holidays=("*-09-01", "2026-08-04"),
    ),
    House(initial=9_000_000, overdraft=500_000, emergency=1_000_000, debt_percent=100, night=("11:00", "13:00")),
    House(initial=5_000_001, overdraft=1_000_000, offset_min=60, limit_w=2000, hold_s=1, wait_s=1),
    House(initial=12_345_678, alarm2=0, hoard=60_000_000, limit_w=2000, hold_s=1),
)
NOON = 840_000_000 // 86_400 * 86_400 + 43_200
DAY = 86_400
# Clock lost, just before the switches, in the night, a year ago.
TIMES = (None, None, NOON - 19_802, NOON - 2, NOON + 3598, NOON + 43_198, NOON + 50_000, NOON - 40_000_000)
# Before friendly hours begin and end, a month's last second, other days. Never the same day of two months: see
# books/test_day.py, test_set_forward_to_the_same_day_of_another_month.
TIMES += (None, None, NOON + 21_598, NOON + 3 * DAY - 18_002, NOON + 17 * DAY + 43_198, NOON - 10 * DAY)
TIMES += (NOON + 50 * DAY,)
LEDGER = 200  # bytes: a longer write is one of the ledger, or of the registers
bytes_kept = st.sampled_from((0, 7, 8, 15, 16, 130, 184, 187, 188, 372, 375, 376)) | st.integers(0, 500)
wheres = st.tuples(st.integers(0, 4), st.just(1), bytes_kept)  # in any write: how many go well, bytes kept of the next
wheres |= st.tuples(st.integers(0, 2), st.just(LEDGER), bytes_kept)


cuts = st.builds(Cut, wheres, st.none() | wheres)
troubles = st.none() | st.none() | cuts | cuts | st.builds(Nak, wheres)
limits = st.tuples(st.sampled_from(("to", "before")), st.sampled_from(("alarm1", "alarm2", "floor", "zero")))
energies = st.sampled_from((None, 0, 1, 3)) | st.integers(0, 9_000_000) | limits
clocks = st.just("runs") | st.sampled_from((*TIMES, "lost at night"))
powers = st.sampled_from((0, 2_000_000, 2_000_001, 9_000_000, 9_000_000))
amounts = st.sampled_from((1, 20_000_000, "enough")) | st.integers(1, 50_000_000)
pulls = st.none() | st.none() | st.tuples(st.integers(0, 16), st.booleans())
debts = st.sampled_from((0, 0, 1, 5_000_000)) | st.integers(0, 20_000_000)
COMMANDS = ("remote_off", "remote_on", "button", "relay_follows", "relay_moves", "relay_stuck")
COMMANDS += ("utility", "cover", "magnet")
MEANWHILE = ("tick", "remote_off", "remote_on", "button", "silence", "dark")
meanwhiles = st.none() | st.none() | st.tuples(st.integers(0, 9), st.sampled_from(MEANWHILE))


class MeterMachine(Sides, RuleBasedStateMachine):
    @initialize(
        house=st.sampled_from(HOUSES + HOUSES[2:4]), tariff_n=st.sampled_from((0, 3, 1, 2, 0, 3)),
        blank=st.sampled_from((0, 0xFF)), seed=st.sampled_from((0, 0, 1020, 2**31)),
        trouble=troubles | st.builds(Cut, st.tuples(st.just(0), st.just(LEDGER), bytes_kept), st.none()),
    )  # fmt: skip
    def build(self, house, tariff_n, blank, seed, trouble):
        self.house = house
        self.trouble = None
        self.world = World(house, tariff_n, blank)
        self.prices = Prices(TARIFFS[tariff_n], house.offset_min)
        self.durable = [Model(house, self.prices)]
        if seed:
            self.world.seed(seed)
        self.sequence = max(self.world.sequences(), default=0)  # the newest that was acknowledged
        self.now = NOON
        self.card = Card(1, 1)
        self.others = [Card(99, 1, "foreign", OTHER_NUMBER)]
        self.generation = 1
        self.sold = []
        self.debts = []
        self.seen = 0  # events looked at
        self._boot()
        self._arm(trouble)
        self._tick(sample(1))
        self._over(trouble)

    # -- what happens to a meter ------------------------------------------------------------------

    @rule(
        n=st.sampled_from((1, 1, 2, 3, 30, 30)), energy=energies, p_mw=powers, trouble=troubles,
        others=st.sampled_from(((0, 0, 0), (1, 2, 3))), clock=clocks,
    )  # fmt: skip
    def use(self, n, energy, p_mw, others, clock, trouble):
        """Seconds go by. energy None: the metering IC is silent."""
        if clock == "lost at night":  # the rate is another one without a clock
            self.now = NOON + 50_000
            self._tick(sample(1))
            clock = None
        if clock != "runs":
            self.now = clock
        self._arm(trouble)
        for _ in range(n):
            self._tick(None if energy is None else sample(self._counts(energy), p_mw, others))
            if self.world.dark:
                break
        self._over(trouble)

    @rule(
        whats=st.lists(st.sampled_from(COMMANDS[:3]) | st.sampled_from(COMMANDS), min_size=1, max_size=6),
        trouble=troubles,
    )
    def command(self, whats, trouble):
        self._arm(trouble)
        for what in whats:
            act, step = self._command(what)
            self._do(act, step, must_store=not what.startswith(("relay", "cover", "magnet")))
            if self.world.dark:
                break
        self._over(trouble)

    @rule(absent=st.booleans())
    def fram_is_silent(self, absent):
        self.world.fram.absent = absent

    @rule(
        tariff_n=st.none() | st.integers(0, len(TARIFFS) - 1), silences=st.sampled_from((0, 0, 1, 2, 3)),
        again=st.none() | wheres,
    )  # fmt: skip
    def restart(self, tariff_n, silences, again):
        """The plug is pulled, and perhaps another tariff put in."""
        self.world.cut()
        if tariff_n is not None:
            self.world.tariff_n = tariff_n
            self.prices = Prices(TARIFFS[tariff_n], self.house.offset_min)
        self._recover(again, silences)

    @rule(amount=amounts, debt=debts)
    def at_the_shop(self, amount, debt):
        self.sell(amount, debt)

    def sell(self, amount, debt):
        """At the shop: a second purchase only when the first has come back as booked."""
        if amount == "enough":
            amount = max(1, self.house.alarm2 - self.model.credit + 3_000_000)
        card = self.card
        booked = card.written["purchase_count"] if card.written else 0
        if card.count != booked:
            with pytest.raises(ValueError, match="has not been to the meter"):
                cards.sell(card.chip, amount, debt)
            return
        card.count = cards.sell(card.chip, amount, debt)
        card.amount, card.debt = amount, debt
        self.sold.append(amount)
        self.debts.append(debt)
        assert card.count == len(self.sold), "the shop's numbers and the meter's are out of step"

    @rule()
    def keep_an_image(self):
        """Somebody copies the household's card as it is now."""
        self.others.append(self.card.image())

    def _other(self, kind):
        if kind in ("twin", "replacement"):
            self.generation += kind == "replacement"
            card = Card(len(self.others) + 2, self.generation)
            card.put(self.card.count, self.card.amount, self.card.debt)
        elif kind == "forged":
            card = Card(len(self.others) + 2, self.generation, "forged")
            card.put(self.card.count + 1, 50_000_000)
        else:
            card = self.card.image()
            if kind == "skipped":
                card.put(card.count + 1000, 50_000_000)
            elif kind == "damaged":
                card.put(card.count + 1, 50_000_000, damage=0x40)
                card.flaw = "damaged"
        return card

    @rule(pull=pulls, meanwhile=meanwhiles, trouble=troubles)
    def replace(self, pull, meanwhile, trouble):
        """The card is lost, and another made in its place, with the purchase that may not have been used."""
        self.others.append(self.card)
        self.card = self._other("replacement")
        self._visit(self.card, pull, meanwhile, trouble)

    @rule(amount=amounts, debt=debts, pull=pulls, meanwhile=meanwhiles, trouble=troubles)
    def buy(self, amount, debt, pull, meanwhile, trouble):
        self.sell(amount, debt)
        self._visit(self.card, pull, meanwhile, trouble)

    @rule(
        again=st.integers(0, 1), past=st.sampled_from((0, 0, 1, 1_000_000)),
        pull=pulls, meanwhile=meanwhiles, trouble=troubles,
    )  # fmt: skip
    def run_out(self, again, past, pull, meanwhile, trouble):
        """All credit is used, and somebody puts the card in as it is; and what was lent is used up too."""
        for _ in range(again):
            self._tick(sample(self._counts(("to", "floor"))))
            self._visit(self.card, None, None, None)
        self._tick(sample(self._counts(("to", "floor")) + past))
        self._visit(self.card, pull, meanwhile, trouble)

    @rule(n=st.integers(2, 3), seconds=st.sampled_from((0, 1, 2, 2, 2)))
    def try_keys(self, n, seconds):
        """A card that cannot prove that it is the household's, again and again, and then the one that can."""
        self.others.append(self._other("forged"))
        for _ in range(n):
            self._visit(self.others[-1], None, None, None)
        for _ in range(seconds):
            self._tick(None)
        self._visit(self.card, None, None, None)
        for _ in range(self.model.locked_s):
            self._tick(None)

    @rule(
        which=st.sampled_from(("twin", "skipped", "damaged", "forged")) | st.integers(0, 99),
        pull=pulls, meanwhile=meanwhiles, trouble=troubles,
    )  # fmt: skip
    def insert_another(self, which, pull, meanwhile, trouble):
        """A card that is no good, or one of those kept: a neighbour's, lost ones, images."""
        if isinstance(which, str):
            self.others.append(self._other(which))
            which = 0
        self._visit(self.others[-1 - which % len(self.others)], pull, meanwhile, trouble)

    # -- always -----------------------------------------------------------------------------------

    @invariant()
    def is_what_it_must_be(self):
        world, model = self.world, self.model
        books, s = world.books, world.books.s
        if model.kept() != self._observed():
            self._differs("now", [model])
        assert sum(s.rate_counts) == s.import_counts
        spent = sum(s.rate_cost_micro) + s.charges_micro + s.debt_paid_micro
        assert s.credit_micro == self.house.initial + s.purchased_micro - spent
        assert s.debt_micro + s.debt_paid_micro == sum(self.debts[: s.purchase_count]), "a debt lost or doubled"
        assert s.purchased_micro == sum(self.sold[: s.purchase_count]), "a purchase lost or doubled"
        assert s.purchase_count <= len(self.sold)
        assert books.wants_closed() == (model.claims == 0)
        assert visits.locked_s(books) == model.locked_s
        assert books.alarm == model.alarm
        assert books.faults & ~is_.FAULT_FRAM == is_.FAULT_RELAY * model.relay_fault

    @invariant()
    def what_is_stored_can_be_read(self):
        world = self.world
        sequences = world.sequences()
        assert max(sequences, default=0) >= self.sequence, "the ledger has gone back"
        if world.fram.absent or len(self.durable) > 1 or not sequences:
            return
        kept = MeterState()
        ledger.Ledger(Fram(world._fram_i2c)).load(kept)
        fields = dict(vars(kept))
        assert fields.pop("event_seq") <= world.log.next_number
        assert fields == self.durable[0].kept()

    @invariant()
    def readings_are_in_order(self):
        months = self.world.months()
        for newer, older in pairwise(months):
            assert newer[0] == older[0] + 1 and newer[1] >= older[1]
        if months:
            assert months[0][1] <= self.model.imported

    @invariant()
    def log_is_in_order(self):
        world = self.world
        records = world.acked
        for i in range(max(1, self.seen), len(records)):
            assert records[i][0] > records[i - 1][0], "an event number used twice"
        for record in records[max(0, self.seen - 3) :]:
            assert world.event(record[0]) == record, "an event that was taken has gone"
        self.seen = len(records)

    def teardown(self):
        """In the end, the card is left in long enough: all that was sold is credited, once."""
        if sys.exc_info()[0]:
            return  # a rule has failed already
        self.world.fram.absent = False
        self._tick(None)
        for _ in range(self.model.locked_s):
            self._tick(None)
        self._visit(self.card, None, None, None)
        refusal = self.model.refusal(self.card, True)
        assert refusal in (0, is_.HOARD, is_.OLD)
        if not refusal:
            assert self.world.books.s.purchase_count == len(self.sold)
            assert self.world.books.s.purchased_micro == sum(self.sold)
            assert self.card.read_back()["purchase_count"] == len(self.sold)
        for record in self.world.acked[-1024:]:
            assert self.world.event(record[0]) == record
