# SPDX-License-Identifier: Apache-2.0
"""The books: the one place that changes the meter's state, and commits it.

Every method here runs to its end without awaiting, so no other task ever sees half a change. A change that
money hangs on (a purchase, a write-back, credit lent) is committed and read back before it is told to anybody, and
undone when that fails; what a tick counted is kept in memory through a FRAM fault and committed with the next tick
that works. A tick is booked whole or not at all: what it takes memory for comes before the first change.
"""

import asyncio

from micropython import const

from meter import heap
from meter.core import account, codes, overload, supply
from meter.core.errors import BusError, ChipError
from meter.core.state import RELAY_UNKNOWN
from meter.core.zone import Zone
from meter.storage.ledger import FRESH

_LOCK_FREE = const(2)  # failed logins in a row that cost nothing
_BEGIN = const(0)
_WORK = const(1)
_STORE = const(2)
_FRAM_GOOD = const(10)  # commits in a row: a FRAM that comes and goes must not fill its own log
_KEPT_GOOD = const(70)  # ... nor one that keeps all but what the minute writes
_FRAM_FAULTS = const(codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS)
_LATE_S = const(120)  # since the minute's work was done last: it has failed for a minute


def room() -> None:
    """MemoryError now, and not half-way through a change of the state: a KiB of heap, in pieces as large as the
    largest a change asks for (the fields of a ledger record). In one piece it is missing long before heap is."""
    _ = bytearray(256), bytearray(256), bytearray(256), bytearray(256)


class Books:
    def __init__(self, state, ledger, events, fram, cfg, tariff, later=None):
        """fram: for what is neither ledger nor log. later: a tariff whose time has not come yet, or None."""
        self.s = state
        self.cfg = cfg
        self.tariff = tariff
        self.later = later
        self.fram = fram
        self._ledger = ledger
        self._events = events
        self._overload = overload.Overload()
        self._zone = Zone(cfg.utc_offset_min, cfg.dst)
        self.uptime_s = 0
        self.locked_at_s = 0
        self._worked_s = 0  # uptime_s when that was
        self.starved = 0  # MemoryErrors that were caught; a count somebody can read (STATUS, LOG_HEAP)
        self._minute = -2  # the minute minute.py was at work in; -1: one without a clock
        self.date = ()  # of the day whose work is done
        self.day_at_s = self.jump_at_s = None  # uptime_s when the last day, and that before a jump, began (day.py)
        self.friendly = self._testing = False
        self.daily_micro = 0  # what a day costs, in the mean of the last seven; 0: not known
        self.day_spent_micro = None  # spent_micro() when this day began
        self.yesterday_micro = None  # what yesterday cost
        self.month_cost_micro = None  # rate_cost_micro and charges_micro when this billing month began
        self.demand = None  # of demand.py
        self.rate_kept = -1  # the rate storage/registers.py has
        self.due = None  # what minute.py is to write there: (utc_s, rate, snapshot, maxima, day or None)
        self.unwritten = None  # a reading the flash has not taken yet (billing.py)
        self.faults = 0
        self.utc_s = self.sample = None
        self.alarm = 0
        self._fall_back()
        self.signalled = None, 0  # the one that ended last, and when
        self.changed = asyncio.ThreadSafeFlag()  # the guard waits on it: the supply decision may be another
        self.ticked = asyncio.ThreadSafeFlag()  # the panel waits on it: a new second
        self.counted = asyncio.Event()  # the load profile waits on it: a new second
        self.ready = False  # the ledger has been read: balance and claims are known
        self.trouble = ""  # one display row: what fell last
        self._fram_good = 0  # commits since one failed
        self._unproved = 2  # commits to be read back: both copies
        self._fram_lost_at = None  # utc_s when it fell silent: it cannot take that record itself
        self.off_since = 0  # utc_s of the last commit before this start, until the first tick has told it

    def open(self, keeps: bool = True) -> int:
        """Read the ledger; gives ledger.FRESH, LOADED or FELL_BACK. keeps: the FRAM does (storage/scratch.py). Raises
        BusError, StorageError, and ChipError for a new meter whose FRAM does not: each start would be its first."""
        s = self.s
        found = self._ledger.load(s)
        if found == FRESH:
            if not keeps:
                raise ChipError(0, "no ledger, and the FRAM keeps none")
            s.credit_micro = self.cfg.initial_credit_micro
        if self.cfg.phases == 1:
            s.phase_counts = []
        elif not s.phase_counts:
            s.phase_counts = [0] * 12
        self._events.open(s.event_seq)
        self._minutely(_BEGIN)
        s.boots += 1
        self.off_since = s.utc_s
        self.ready = True
        if found == FRESH:
            self.assess(log=False)  # a meter without credit must not begin by switching on
        else:
            self._set_alarm(log=False)  # claims are as they were left; what is owed now, the first tick knows
        return found

    def judge(self, sample, utc_s) -> bool:
        """The load of a second, before it is booked. True: the supply is to move, and the guard should not wait for
        what tick() may have to load first. The claim is committed with the counts, by tick(), or with what is committed
        before that: where the relay is, a card, a clock that was set back. It holds then, counts or not."""
        self.utc_s = utc_s
        before = self.s.claims
        event = self._overload.step(self.s, self.cfg, sample and sample.p_total_mw, self.uptime_s + 1)
        if event:
            self.step(event)
        return self.s.claims != before

    def tick(self, sample, utc_s, judged=False) -> None:
        """Book one second. sample None: the metering IC has nothing to say. utc_s None: the clock is invalid."""
        s = self.s
        if not judged:
            self.judge(sample, utc_s)
        self.uptime_s += 1
        self.utc_s = utc_s
        self.sample = sample
        if utc_s is not None:
            s.utc_s = utc_s
        minute = -1 if utc_s is None else utc_s // 60
        begins = minute != self._minute
        if begins:
            if self._minutely(_WORK):
                self._minute = minute
                self._worked_s = self.uptime_s
                self.fault(codes.FAULT_HEAP, False)
                self._unproved = 2
            elif self.uptime_s - self._worked_s >= _LATE_S:
                self._fall_back()
                if not self.faults & codes.FAULT_HEAP:
                    self.fault(codes.FAULT_HEAP, True)
                    self.log(codes.LOG_HEAP, self.starved)
        if sample is not None:
            self.book(sample)
        self.assess()
        self.commit()
        if begins and self.due:
            self._minutely(_STORE)
        self.ticked.set()
        self.counted.set()

    def book(self, sample) -> None:
        """What the sample counted: all of it, and then sample.booked is True, or nothing and a MemoryError."""
        s = self.s
        counts = sample.import_counts
        opened = s.open_counts
        if s.relay_closed == 0 or (s.claims and self.faults & codes.FAULT_RELAY):
            opened += counts
        va_counts = s.va_counts + sample.va_counts
        phases = s.phase_counts
        if phases:
            phases = [phases[i] + sample.phase_counts[i] for i in range(12)]
        before = s.export_counts, s.q_import_counts, s.q_export_counts
        account.book_unpriced(s, sample.export_counts, sample.q_import_counts, sample.q_export_counts)
        try:
            account.book(s, counts, self.rate, self.rate_micro, self.tariff.steps)
        except MemoryError:
            s.export_counts, s.q_import_counts, s.q_export_counts = before
            raise
        s.open_counts = opened
        s.va_counts = va_counts
        s.phase_counts = phases
        sample.booked = True

    def _fall_back(self):
        """The tariff's rate for when nobody knows which one holds."""
        self.rate = self.tariff.fallback
        self.rate_micro = self.price_micro = self.tariff.prices_micro[self.rate]
        self.signal = ""  # name of the price signal in force

    def put_in_force(self, cfg, tariff, later) -> None:
        """Other settings or another tariff, checked, from now on (commands/change.py)."""
        self.cfg = cfg
        self.tariff = tariff
        self.later = later
        self._zone = Zone(cfg.utc_offset_min, cfg.dst)
        if not self._minutely(_WORK):
            self._minute = -2  # with the next tick
            self._fall_back()
        self.assess()
        self.keep()
        if self.due:
            self._minutely(_STORE)

    def _minutely(self, what) -> bool:
        """Begin, work or store of minute.py. False: the heap is too small just now. MemoryError: it cannot begin."""
        heap.borrow("minute")
        try:
            from meter.books import minute

            if what == _BEGIN:
                minute.begin(self)
            elif what == _WORK:
                minute.work(self)
            else:
                minute.store(self)
        except MemoryError:
            if what == _BEGIN:
                raise
            self.starved += 1
            return False
        finally:
            heap.give_back("minute")
        return True

    def is_past(self, minute: int, utc_s=None) -> bool:
        """Is it so many minutes since 2000 by local time, or later? utc_s: another time than now."""
        utc_s = utc_s or self.utc_s
        return utc_s is not None and (utc_s + self._zone.offset_s(utc_s)) // 60 >= minute

    def assess(self, log=True):
        """Let credit move claims and the alarm level."""
        s, cfg = self.s, self.cfg
        before = s.claims
        off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
        supply.after_credit(s, cfg.alarm2_micro, off_micro, self.friendly)
        self.note(before)
        self._set_alarm(log)

    def _set_alarm(self, log):
        s, cfg = self.s, self.cfg
        off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
        alarm = account.alarm_level(s.credit_micro, cfg.alarm1_micro, cfg.alarm2_micro, off_micro)
        if alarm != self.alarm:
            if log and alarm > self.alarm and alarm < 3:
                self.log(codes.LOG_ALARM1 if alarm == 1 else codes.LOG_ALARM2)
            self.alarm = alarm

    def step(self, event: int) -> None:
        """An event for the supply rules (supply.py)."""
        before = self.s.claims
        supply.step(self.s, event)
        self.note(before)

    def note(self, before):
        """Log and wake the guard when the claims are others than before."""
        claims = self.s.claims
        if claims == before:
            return
        self._unproved = 2
        if claims & ~before:
            self.log(codes.LOG_TRIP, claims)
        elif not claims:
            self.log(codes.LOG_CLOSE, before)
        self.changed.set()

    def commit(self) -> bool:
        if not self.ready:
            return False  # what the ledger holds must be read before anything is written over it
        self.s.event_seq = self._events.next_number
        faults = self.faults & _FRAM_FAULTS
        self._ledger.proves = self._unproved or faults
        try:
            self._ledger.commit(self.s)
        except (BusError, ChipError) as e:
            self.fram_lost(e)
            return False
        if self._unproved:
            self._unproved -= 1
        self._fram_good += 1
        if faults and self._fram_good >= (_FRAM_GOOD if faults & codes.FAULT_FRAM else _KEPT_GOOD):
            faults = faults & codes.FAULT_FRAM or faults  # the other one takes longer
            now_s = self.utc_s
            self.utc_s = self._fram_lost_at
            told = self.log(codes.LOG_FAULT, faults)
            self.utc_s = now_s
            if told:
                self.fault(faults, False)
        return True

    def keep(self) -> bool:
        """commit(), read back, as is the next one, in the other copy: for what money hangs on."""
        self._unproved = 2
        return self.commit()

    def fram_lost(self, e) -> None:
        """The FRAM did not answer (BusError), or does not keep what it acknowledges (ChipError). It cannot take that
        record itself: told when it is well again."""
        self._fram_good = 0
        if not self.faults & _FRAM_FAULTS:
            self._fram_lost_at = self.utc_s
        self.faults |= codes.FAULT_FRAM_KEEPS if isinstance(e, ChipError) else codes.FAULT_FRAM

    def local(self):
        """(year, month, day, weekday 0=Mon, hour, minute, second) by the household's clock, or None."""
        if self.utc_s is None:
            return None
        return self._zone.fields(self.utc_s)

    def spent_micro(self) -> int:
        """What all energy and all standing charges have cost."""
        return sum(self.s.rate_cost_micro) + self.s.charges_micro

    @property
    def rate_name(self):
        return self.tariff.rate_names[self.rate]

    def wants_closed(self) -> int:
        return 1 if supply.closed(self.s) and not self._testing else 0

    def log(self, code: int, value: int = 0) -> int:
        """Append to the event log; gives the record's number, 0 if there is none (no ledger yet, or a FRAM fault)."""
        number = self._events.next_number
        if not self.ready:
            return 0
        try:
            self._events.append(code, value, self.utc_s)
        except (BusError, ChipError) as e:
            self.fram_lost(e)
            return 0
        return number

    def fault(self, bit: int, on: bool) -> None:
        """Raise or clear a fault; each edge is logged once."""
        if bool(self.faults & bit) == bool(on):
            return
        self.faults ^= bit
        self.log(codes.LOG_FAULT if on else codes.LOG_FAULT_CLEARED, bit)

    def relay_is(self, closed: int) -> None:
        """The guard has sensed the contact where it should be."""
        s = self.s
        self.fault(codes.FAULT_RELAY, False)
        if s.claims & codes.CLAIM_FAULT:
            self.step(codes.EV_FAULT_GONE)
        if s.relay_closed != closed:
            s.relay_closed = closed
            self.keep()

    def relay_moves(self) -> None:
        """The guard is about to close: should power fail now, no one knows where the contact is."""
        self.s.relay_closed = RELAY_UNKNOWN
        self.keep()

    def relay_failed(self, wanted: int) -> None:
        """The contact is not where it should be. Voltage behind an open contact makes closing unsafe."""
        if not self.faults & codes.FAULT_RELAY:
            self.log(codes.LOG_RELAY_FAULT, wanted)
        self.fault(codes.FAULT_RELAY, True)
        if not wanted:
            self.step(codes.EV_FAULT)

    def locked_s(self) -> int:
        """How long no card is read, after so many bad ones: from the third on 2, 4 ... 1024 s. A start begins anew."""
        lock = self.s.lock
        if lock <= _LOCK_FREE:
            return 0
        return max(0, (1 << (lock - _LOCK_FREE)) - self.uptime_s + self.locked_at_s)

    def next_writeback(self) -> int:
        """The number of the next write-back; 0 when it cannot be stored: a number must not be used twice."""
        s = self.s
        s.writeback_seq += 1
        if self.keep():
            return s.writeback_seq
        s.writeback_seq -= 1
        return 0

    def found(self, code: int, phase: int, value: int, lasted_s: int = -1) -> bool:
        """What is watched for (watch.py) has begun, or ended after lasted_s. value: its most extreme figure.
        False: nothing was kept, for the heap is too small just now, or the ledger has not been read yet."""
        heap.borrow("incidents")
        try:
            from meter.books import findings

            return findings.found(self, code, phase, value, lasted_s)
        except MemoryError:
            self.starved += 1
            return False
        finally:
            heap.give_back("incidents")

    def utility_card(self, serial: int) -> None:
        """A utility card has changed something: no older one may change it back."""
        self.s.utility_serial = serial
        self.keep()

    def test_relay(self, off: bool) -> None:
        """Supply goes off although nothing asks for it, or comes back; never remembered over a start."""
        self._testing = off
        self.changed.set()

    def button(self) -> None:
        self.step(codes.EV_BUTTON)
        self.keep()

    def remote(self, on: bool) -> None:
        """The supplier's command, already authenticated by whoever brings it."""
        self.step(codes.EV_REMOTE_ON if on else codes.EV_REMOTE_OFF)
        self.keep()
