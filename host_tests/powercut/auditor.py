# SPDX-License-Identifier: Apache-2.0
"""What must be true of a meter, whatever happens to its power.

The auditor sits at the memories and checks each ledger record when it is written whole, against the record before
it, the metering IC, the calendar and the supply rules, and so the registers by rate, frozen readings and incidents; at
each power cut it measures what was lost, and at each start whether what was stored is there. Everything is whole
counts and millionths. The rules are written down here a second time on purpose; only the bytes are the
firmware's.
"""

import struct
from datetime import timedelta

from meter.core import codes
from meter.core.state import MeterState
from meter.storage import crashes, events, ledger, readings

from host_tests.bench.views.ledger import read_events

from .day_rules import check_days
from .figures import Figures
from .freeze_rules import FreezeRules, ring_of
from .incident_rules import IncidentRules, is_there
from .register_rules import RegisterRules, is_registers
from .rows import Rows
from .supply_rules import check_claims
from .terms import Terms, micro

FIRST_TICK_MS = 3500  # two of them are computing (bench/plant/costs.py), and what a cut left may be mended
FALLS_MS = 60_000  # with some starts that fall before
# A second, the read and commit that end it, and what holds it up meanwhile: parts being loaded, flash being erased,
# a document from a card that is looked through (0.5 s). Below two, or a tick left out would not be seen.
TICK_US = 1_800_000
SETTLE_MS = 100
UWH_PER_COUNT = 3125
W_S_PER_COUNT = 11  # 11.25, downwards
_TOTAL = 0x80
_FAULTS = (codes.LOG_TASK_CRASH, codes.LOG_RELAY_FAULT, codes.LOG_FAULT)  # nothing is broken here


class Auditor:
    """Public: wrong (sentences, empty when all is well), figures, state (of the last whole record), ticks, records."""

    def __init__(self, plant, settings, tariff, card):
        self.plant = plant
        self.card = card  # the household's
        self._agreed = [(settings, tariff)]
        self._terms = [Terms(settings, tariff)]  # those in force first, then what may come into force
        self.sold = []  # amounts put on the card, in order
        self.may_tell = ()  # faults that are there, and may be named
        self.clock_rules = None  # ClockRules, where the clock is moved; readings and rows are then not looked at
        self.falls = False  # starts may fall, until one goes without a document
        self.unkept = False  # the memory has kept nothing since the last record
        self.wrong = []
        self.figures = Figures()
        self.rows = Rows()
        self.registers = RegisterRules(plant)
        self.freezes = FreezeRules(plant)
        self.incidents = IncidentRules(plant)
        self.initial_micro = micro(settings["initial_credit"])
        self.state = MeterState()
        self.state.credit_micro = self.initial_micro
        self._before = self.state  # the ledger record before that
        self.sequence = 0
        self.records = {}  # event number -> its bytes
        self._seen = 0  # counts of the ICs' lives that are over
        self._lost = 0
        self.power_on()
        plant.meter_ic.on_energy_read = self._energy_read

    def _kept_apart(self):
        return (self.incidents,) if self.clock_rules else (self.registers, self.freezes, self.incidents)

    def may_change(self, settings=None, tariff=None) -> None:
        """From now on this document may come into force, and once it has, nothing before it may again."""
        before = self._agreed[-1]
        self._agreed.append((settings or before[0], tariff or before[1]))
        self._terms.append(Terms(*self._agreed[-1]))

    @property
    def first_tick_ms(self) -> int:
        """How long after power came back a tick must have been booked."""
        return FALLS_MS if self.falls else FIRST_TICK_MS

    @property
    def changing(self) -> bool:
        """Is there a document that has not come into force?"""
        return len(self._terms) > 1

    def blame(self, sentence: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(sentence)

    def blame_all(self, sentences) -> None:
        for sentence in sentences:
            self.blame(sentence)

    def expect(self, true, sentence: str) -> None:
        if not true:
            self.blame(sentence)

    # -- power ------------------------------------------------------------------------------------

    def power_on(self) -> None:
        self.ticks = 0
        self._begins = True  # no record yet
        self.ticks_over = 0
        self._over = False  # is the load above the limit?
        self._on_us = self.plant.clock.now_us
        self._read = self._booked = (self._on_us, 0)  # when the IC's total was read, and what it had counted
        for rules in self._kept_apart():
            self.blame_all(rules.power_on())

    def power_off(self) -> None:
        """The IC forgets what was not read: what the ledger lacks now is lost."""
        now_us = self.plant.clock.now_us
        ic = self.plant.meter_ic
        ic.advance(now_us)
        counted = ic.lifetime(_TOTAL)
        self._seen += counted
        lost = self._seen - self._lost - self.state.import_counts
        self._lost += lost
        in_tick = counted - self._booked[1]
        held_us = now_us - self._booked[0]
        self.expect(lost >= 0, f"{-lost} counts were booked that never flowed")
        self.expect(lost <= in_tick, f"{lost} counts lost, but the tick under way held {in_tick}")
        bound_us = TICK_US if self.ticks else self.first_tick_ms * 1000
        self.expect(held_us <= bound_us or self.unkept, f"a tick had been under way for {held_us} us when power went")
        self.figures.cut(lost * UWH_PER_COUNT, held_us)

    def _energy_read(self, addr, counts, now_us):
        if addr == _TOTAL:
            self._read = (now_us, self.plant.meter_ic.lifetime(_TOTAL))
            # As that tick sees it: by its commit the relay may have opened.
            self._over = self.plant.house.power_w() > self._terms[0].overload_w

    # -- what is written --------------------------------------------------------------------------

    def name_of(self, at: int, data: bytes) -> str:
        if at in (ledger.SLOT_A, ledger.SLOT_B):
            return f"ledger record {struct.unpack_from('<I', data, 4)[0]}"
        if events.BASE <= at < events.BASE + events.SLOTS * events.SIZE:
            number, _, code = struct.unpack_from("<IIB", data)
            return f"event {number}, code {code}"
        if is_registers(at, data):
            return f"registers {struct.unpack_from('<I', data, 4)[0]}"
        if at in (readings.SLOT_A, readings.SLOT_B):
            return "readings"
        return f"{len(data)} bytes at {at:04X}H"

    def place_of(self, offset: int) -> str:
        """What is kept at an offset of the flash, where that is looked at here; as a remark."""
        name = ring_of(offset) or ("incidents" if is_there(offset) else "")
        return name and f" ({name})"

    def fram_written(self, at: int, data: bytes) -> None:
        """A transfer is complete."""
        if at in (ledger.SLOT_A, ledger.SLOT_B) and len(data) in (ledger.SIZE, ledger.SIZE_3):
            self._ledger(data)
        elif events.BASE <= at < events.BASE + events.SLOTS * events.SIZE:
            self._event(data)
        elif is_registers(at, data) and not self.clock_rules:
            self.blame_all(self.registers.stored(self._before, self.state))
        elif len(data) == crashes.SIZE and (report := crashes.unpack(data)):
            fell = self.falls and report[3].startswith(b"start")
            self.expect(fell, f"the crash report of event {report[0]}: {report[3].decode()!r}")

    def flash_programmed(self, offset: int, data: bytes) -> None:
        """A program is complete."""
        self.rows.programmed(offset, data)
        before, state, now = self._before, self.state, self.registers.last
        if not self.clock_rules:
            self.blame_all(self.freezes.programmed(offset, data, before, state, now, self._terms[0].offset_s))
        self.blame_all(self.incidents.programmed(offset, data, self.records))

    @property
    def newest(self) -> int:
        """Number of the newest event."""
        return max(self.records, default=0)

    def _event(self, data):
        record = events.unpack(data)
        if record is None:
            self.blame(f"a damaged event was written: {data.hex()}")
            return
        self.expect(record[0] > self.newest, f"event {record[0]} was written after event {self.newest}")
        self.records[record[0]] = bytes(data)
        self.blame_all(self.incidents.logged(data))
        expected = record[2] == codes.LOG_FAULT and record[4] in self.may_tell
        told = f"event {record[0]} tells of a fault: code {record[2]}, {record[4]}"
        self.expect(record[2] not in _FAULTS or expected, told)

    def _ledger(self, data):
        new, old = MeterState(), self.state
        sequence = ledger.unpack_from(data, new)
        # What a start tells of a clock that went back is written before its first tick.
        ticked = new.utc_s > old.utc_s or new.import_counts != old.import_counts
        if ticked:
            self._tick(new)
        wrong = [*self._sums(old, new), *self._purchases(old, new), *self._by_terms(old, new)]
        if not self.clock_rules:
            wrong.extend(self.registers.booked(old, new, self._terms[0].rate(new.utc_s) if ticked else None))
        if ticked and not self.clock_rules:
            wrong.extend(self.freezes.tick(new))
        # The first of a start takes no number that a record which was cut may have had.
        begins, self._begins = self._begins, False
        unkept, self.unkept = self.unkept, False
        if not unkept and sequence - self.sequence not in ((1, 3, 5) if begins else (1,)):
            wrong.append(f"follows record {self.sequence}")
        if new.event_seq <= self.newest:
            wrong.append(f"says event {new.event_seq} comes next, after {self.newest}")
        self.blame_all(f"record {sequence}: {each}" for each in wrong)
        self.sequence, self._before, self.state = sequence, old, new
        if self.ticks:
            self._booked = self._read

    def _tick(self, new):
        self.ticks += 1
        self.ticks_over = self.ticks_over + 1 if self._over else 0
        self.rows.tick(new.utc_s)
        if self.ticks == 1:
            self.figures.boot((self.plant.clock.now_us - self._on_us) // 1000)

    def _by_terms(self, old, new):
        """What is wrong by the terms in force. Others that may have come into force, and fit, are from now on."""
        found = []
        for n, terms in enumerate(self._terms):
            if self.clock_rules:
                days = self.clock_rules.check(old, new, terms)
            else:
                days = check_days(old, new, terms, self._bought(old, new))
            found.append([*terms.check_costs(old, new), *check_claims(old, new, terms, self), *days])
            if not found[-1]:
                del self._terms[:n]
                return []
        return found[0]

    def _sums(self, old, new):
        """What money and energy in a record must come to."""
        if sum(new.rate_counts) != new.import_counts:
            yield "the rates do not add up to the import"
        spent = sum(new.rate_cost_micro) + new.charges_micro + new.debt_paid_micro
        if new.credit_micro != self.initial_micro + new.purchased_micro - spent:
            yield "credit is not what was bought less what was spent"
        for name in ("import_counts", "export_counts", "q_import_counts", "q_export_counts", "open_counts"):
            if getattr(new, name) < getattr(old, name):
                yield f"{name} fell"
        # What a day costs is taken before the energy of its first tick.
        charged = new.charges_micro - old.charges_micro + new.debt_paid_micro - old.debt_paid_micro
        overdraft = new.import_counts - old.import_counts if old.credit_micro <= charged else 0
        if new.overdraft_counts - old.overdraft_counts != overdraft:
            yield "overdraft counts are wrong"
        if self.ticks:  # all that was read, and not lost with the power
            flowed = self._seen + self._read[1] - self._lost
            if self.ticks == 1 and flowed > new.import_counts:
                flowed -= self._settled(flowed - new.import_counts)
            if new.import_counts != flowed:
                yield f"{new.import_counts} counts, but {flowed} have been read"

    def _settled(self, dropped):
        """What the IC counted while it settled is read and thrown away, by intent: next to nothing."""
        bound = sum(map(abs, self.plant.house.p_mw)) * SETTLE_MS // (1_000_000 * W_S_PER_COUNT) + 1
        if dropped > bound:
            return 0
        self._lost += dropped
        return dropped

    def _purchases(self, old, new):
        n = new.purchase_count
        if (new.purchased_micro, n) == (old.purchased_micro, old.purchase_count):
            return
        if n != old.purchase_count + 1 or n > len(self.sold):
            yield f"purchase {n} after {old.purchase_count}, {len(self.sold)} were sold"
        elif new.purchased_micro - old.purchased_micro != self.sold[n - 1][0]:
            yield f"purchase {n} added {new.purchased_micro - old.purchased_micro}, not {self.sold[n - 1][0]}"

    def _bought(self, old, new):
        """(amount, debt) of the purchase between two records."""
        n = new.purchase_count
        return self.sold[n - 1] if old.purchase_count < n <= len(self.sold) else (0, 0)

    # -- the end ----------------------------------------------------------------------------------

    def close(self, cuts: int) -> None:
        """Everything has come to rest with no load: is what is kept, shown and switched as it must be?"""
        s, plant = self.state, self.plant
        seen = self._seen + plant.meter_ic.lifetime(_TOTAL)
        booked = f"{s.import_counts} counts booked of {seen}, {self._lost} lost in cuts"
        self.expect(s.import_counts == seen - self._lost, booked)
        sold = sum(amount for amount, _ in self.sold)
        self.expect(s.purchase_count == len(self.sold), f"{s.purchase_count} of {len(self.sold)} purchases booked")
        self.expect(s.purchased_micro == sold, f"{s.purchased_micro} credited, {sold} sold")
        self.expect(plant.relay.closed == (s.claims == 0), f"relay closed: {plant.relay.closed}, claims {s.claims}")
        self.expect(s.relay_closed == plant.relay.closed, f"the ledger has the relay as {s.relay_closed}")
        self.expect(not self.changing, "a document has not come into force")
        self._check_events()
        if self.clock_rules:
            home = timedelta(seconds=self._terms[0].offset_s)
            today = (plant.rtc.time(plant.clock.now_us) + home).date()
            self.blame_all(self.clock_rules.close(s, self._terms[0], today))
        else:
            self.blame_all(self.rows.check(plant.flash, s, cuts > 1))
        for rules in self._kept_apart():
            self.blame_all(rules.close())
        self.expect(not plant.flash.violations, f"flash: {plant.flash.violations[:1]}")

    def _check_events(self):
        kept = {record.number: record for record in read_events(self.plant.fram)}
        for number, data in self.records.items():
            if number > self.newest - events.SLOTS:
                self.expect(kept.get(number) == events.unpack(data), f"event {number} is not there any more")
        self.expect(kept.keys() <= self.records.keys(), "there are events nobody wrote")
        told = {data[10] for data in self.records.values() if data[8] == codes.LOG_DOCUMENT_TAKEN}
        self.expect(len(self._agreed) - 1 <= len(told), "a change of a document is not in the log")
