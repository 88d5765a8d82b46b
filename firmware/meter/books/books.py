# SPDX-License-Identifier: Apache-2.0
"""The books: the one place that changes the meter's state, and commits it.

Every method here ends without awaiting, so no other task ever sees half a change. A change that
money hangs on (a purchase, a write-back, credit lent) is committed and read back before it is told to anybody, and
undone when that fails; what a tick counted is kept in memory through a FRAM fault and committed with the next tick
that works. A tick is booked whole or not at all: what it takes memory for comes before the first change.
"""

import asyncio

from micropython import const

from meter import heap
from meter.books.terms import fall_back
from meter.core import account, codes, overload, supply
from meter.core.errors import BusError, ChipError
from meter.core.state import RELAY_UNKNOWN
from meter.core.zone import Zone

_FRAM_GOOD = const(10)  # commits in a row: a FRAM that comes and goes must not fill its own log
_KEPT_GOOD = const(70)  # ... nor one that keeps all but what the minute writes
_FRAM_FAULTS = const(codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS)
_LATE_S = const(120)  # since the minute's work was done last: it has failed for a minute


class Books:
    """Written by books/ only (host_tests/unit/house/test_one_writer.py); everybody may read it."""

    def __init__(self, state, storage, cfg, tariff, later=None):
        """storage: ledger, event log, and the FRAM for what is neither. later: a tariff whose time has not come yet, or
        None. What they open: opening.py."""
        from meter.books import opening

        self.s = state
        self.cfg = cfg
        self.tariff = tariff
        self.later = later
        self.ledger, self.events, self.fram = storage
        self._overload = overload.Overload()
        self.terms, self.spending, self.waiting = opening.records(cfg, tariff)
        self.uptime_s = 0
        self.locked_at_s = 0  # uptime_s at the last card that could not prove what it is
        self._minute = -2  # the minute minute.py was at work in; -1: one without a clock
        self._worked_s = 0  # uptime_s when that was
        self.starved = 0  # MemoryErrors that were caught; a count somebody can read (STATUS, LOG_HEAP)
        self.testing = False  # supply is off, although nothing asks for it (visits.py)
        self.faults = 0
        self.utc_s = self.sample = None
        self.alarm = 0
        self.changed = asyncio.ThreadSafeFlag()  # the guard waits on it: the supply decision may be another
        self.ticked = asyncio.ThreadSafeFlag()  # the panel waits on it: a new second
        self.counted = asyncio.Event()  # the load profile waits on it: a new second
        self.ready = False  # the ledger has been read: balance and claims are known
        self.trouble = ""  # one display row: what fell last
        self._fram_good = 0  # commits since one failed
        self._unproved = 2  # commits to be read back: both copies
        self._fram_lost_s = 0  # utc_s when it fell silent: it cannot take that record itself; 0: nobody knows

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
            if self._minutely(False):
                self._minute = minute
                self._worked_s = self.uptime_s
                self.fault(codes.FAULT_HEAP, False)
                self._unproved = 2
            elif self.uptime_s - self._worked_s >= _LATE_S:
                fall_back(self.terms, self.tariff)
                if not self.faults & codes.FAULT_HEAP:
                    self.fault(codes.FAULT_HEAP, True)
                    self.log(codes.LOG_HEAP, self.starved)
        if sample is not None:
            self.book(sample)
        self.assess()
        self.commit()
        if begins and self.waiting.due_s is not None:
            self._minutely(True)
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
            account.book(s, counts, self.terms.rate, self.terms.rate_micro, self.tariff.steps)
        except MemoryError:
            s.export_counts, s.q_import_counts, s.q_export_counts = before
            raise
        s.open_counts = opened
        s.va_counts = va_counts
        s.phase_counts = phases
        sample.booked = True

    def put_in_force(self, cfg, tariff, later) -> None:
        """Other settings or another tariff, checked, from now on (commands/change.py)."""
        self.cfg = cfg
        self.tariff = tariff
        self.later = later
        self.terms.zone = Zone(cfg.utc_offset_min, cfg.dst)
        if not self._minutely(False):
            self._minute = -2  # with the next tick
            fall_back(self.terms, tariff)
        self.assess()
        self.keep()
        if self.waiting.due_s is not None:
            self._minutely(True)

    def _minutely(self, store: bool) -> bool:
        """store() or work() of minute.py. False: the heap is too small just now."""
        heap.borrow("minute")
        try:
            from meter.books import minute

            if store:
                minute.store(self)
            else:
                minute.work(self)
        except MemoryError:
            self.ran_short()
            return False
        finally:
            heap.give_back("minute")
        return True

    def is_past(self, minute: int, utc_s=None) -> bool:
        """Is it that minute since 2000 by local time, or a later one? utc_s: another time than now."""
        utc_s = utc_s or self.utc_s
        return utc_s is not None and (utc_s + self.terms.zone.offset_s(utc_s)) // 60 >= minute

    def assess(self, log=True):
        """Let credit move claims and the alarm level."""
        s, cfg = self.s, self.cfg
        before = s.claims
        off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
        supply.after_credit(s, cfg.alarm2_micro, off_micro, self.terms.friendly)
        self.note(before)
        self.set_alarm(log)

    def set_alarm(self, log):
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
        """Write the state to the ledger. False: it is not there; the next tick tries again."""
        if not self.ready:
            return False  # what the ledger holds must be read before anything is written over it
        self.s.event_seq = self.events.next_number
        faults = self.faults & _FRAM_FAULTS
        self.ledger.proves = self._unproved or faults
        try:
            self.ledger.commit(self.s)
        except (BusError, ChipError) as e:
            self.fram_lost(e)
            return False
        if self._unproved:
            self._unproved -= 1
        self._fram_good += 1
        if faults and self._fram_good >= (_FRAM_GOOD if faults & codes.FAULT_FRAM else _KEPT_GOOD):
            faults = faults & codes.FAULT_FRAM or faults  # the other one takes longer
            if self.log(codes.LOG_FAULT, faults, self._fram_lost_s):
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
            self._fram_lost_s = self.utc_s or 0
        self.faults |= codes.FAULT_FRAM_KEEPS if isinstance(e, ChipError) else codes.FAULT_FRAM

    def local(self):
        """(year, month, day, weekday 0=Mon, hour, minute, second) by the household's clock, or None."""
        if self.utc_s is None:
            return None
        return self.terms.zone.fields(self.utc_s)

    def spent_micro(self) -> int:
        """What all energy and all standing charges have cost."""
        return sum(self.s.rate_cost_micro) + self.s.charges_micro

    @property
    def rate_name(self):
        return self.tariff.rate_names[self.terms.rate]

    def wants_closed(self) -> int:
        return 1 if supply.closed(self.s) and not self.testing else 0

    def log(self, code: int, value: int = 0, at_s=None) -> int:
        """Append to the event log. at_s: utc_s when it was, if that is not now; 0: nobody knows.

        Return the record's number, 0 if there is none (no ledger yet, or a FRAM fault)."""
        number = self.events.next_number
        if not self.ready:
            return 0
        try:
            self.events.append(code, value, self.utc_s if at_s is None else at_s or None)
        except (BusError, ChipError) as e:
            self.fram_lost(e)
            return 0
        return number

    def fault(self, bit: int, on: bool, row: str = "") -> None:
        """Raise or clear a fault; each edge is logged once. row: what fell, for the display."""
        if row:
            self.trouble = row
        if bool(self.faults & bit) == bool(on):
            return
        self.faults ^= bit
        self.log(codes.LOG_FAULT if on else codes.LOG_FAULT_CLEARED, bit)

    def fell(self, e, row: str = "") -> None:
        """Something fell, and there is no heap to log it: a word on the display, a count for later."""
        if isinstance(e, MemoryError):
            self.starved += 1
        self.faults |= codes.FAULT_PROGRAM
        if row:
            self.trouble = row

    def ran_short(self) -> None:
        """A MemoryError was caught: what needed the heap is left out, or tried again."""
        self.starved += 1

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

    def found(self, code: int, phase: int, value: int, lasted_s: int = -1) -> bool:
        """What is watched for (watch.py) has begun, or ended after lasted_s. value: its most extreme figure.
        False: nothing was kept, for the heap is too small just now, or the ledger has not been read yet."""
        heap.borrow("incidents")
        try:
            from meter.books import findings

            return findings.found(self, code, phase, value, lasted_s)
        except MemoryError:
            self.ran_short()
            return False
        finally:
            heap.give_back("incidents")

    def button(self) -> None:
        self.step(codes.EV_BUTTON)
        self.keep()

    def remote(self, on: bool) -> None:
        """The supplier's command, authenticated already."""
        self.step(codes.EV_REMOTE_ON if on else codes.EV_REMOTE_OFF)
        self.keep()
