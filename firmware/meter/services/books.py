# SPDX-License-Identifier: Apache-2.0
"""The books: the one place that changes the meter's state, and commits it.

Every method here runs to its end without awaiting, so no other task ever sees half a change. A change that
money hangs on (a purchase) is committed before it is told to anybody, and undone when the commit fails;
what a tick counted is kept in memory through a FRAM fault and committed with the next tick that works.
"""

import asyncio

from micropython import const

from meter.core import account, civil, codes, overload, supply
from meter.core.errors import BusError, CardError
from meter.core.state import RELAY_UNKNOWN
from meter.storage.ledger import FRESH

_FRAM_GOOD = const(10)  # commits in a row: a FRAM that comes and goes must not fill its own log


def room() -> None:
    """MemoryError now, and not half-way through a change of the state: a KiB of heap, in pieces as large as the
    largest a change asks for (the fields of a ledger record). In one piece it is missing long before heap is."""
    [bytearray(256) for _ in range(4)]


class Books:
    def __init__(self, state, ledger, events, cfg, tariff):
        self.s = state
        self.cfg = cfg
        self.tariff = tariff
        self._ledger = ledger
        self._events = events
        self._overload = overload.Overload()
        self._zone = civil.Zone(cfg.utc_offset_min, cfg.dst)
        self._uptime_s = 0
        self._minute = -1  # the minute rate and price were looked up for
        self.faults = 0
        self.utc_s = None
        self.sample = None
        self.alarm = 0
        self.rate = tariff.fallback
        self.price_micro = tariff.prices_micro[self.rate]
        self.changed = asyncio.ThreadSafeFlag()  # the guard waits on it: the supply decision may be another
        self.ticked = asyncio.ThreadSafeFlag()  # the panel waits on it: a new second
        self.counted = asyncio.Event()  # the load profile waits on it: a new second
        self.ready = False  # the ledger has been read: balance and claims are known
        self.trouble = ""  # one display row: what fell last
        self._fram_good = 0  # commits since one failed
        self._fram_lost_at = None  # utc_s when it fell silent: it cannot take that record itself
        self._off_since = 0  # utc_s of the last commit before this start, until the first tick has told it

    def open(self) -> int:
        """Read the ledger; gives ledger.FRESH, LOADED or FELL_BACK. Raises BusError, StorageError."""
        s = self.s
        found = self._ledger.load(s)
        if found == FRESH:
            s.credit_micro = self.cfg.initial_credit_micro
        self._events.open(s.event_seq)
        s.boots += 1
        self._off_since = s.utc_s
        self.ready = True
        self._assess(log=False)
        return found

    # -- the tick ---------------------------------------------------------------------------------

    def tick(self, sample, utc_s) -> None:
        """Book one second. sample None: the metering IC has nothing to say. utc_s None: the clock is invalid."""
        s = self.s
        self._uptime_s += 1
        self.utc_s = utc_s
        self.sample = sample
        if utc_s is not None:
            if self._off_since is not None:
                self.log(codes.LOG_POWER_UP, utc_s - self._off_since if self._off_since else -1)
                self._off_since = None
            s.utc_s = utc_s
        self._look_up_rate(utc_s)
        if sample is not None:
            counts = sample.import_counts
            account.book(s, counts, self.rate, self.price_micro)
            account.book_unpriced(s, sample.export_counts, sample.q_import_counts, sample.q_export_counts)
            if s.relay_closed == 0:
                s.open_counts += counts
        power_mw = None if sample is None else sample.p_total_mw
        event = self._overload.step(s, self.cfg, power_mw, self._uptime_s)
        if event:
            self._step(event)
        self._assess()
        self._commit()
        self.ticked.set()
        self.counted.set()

    def put_in_force(self, cfg, tariff) -> None:
        """Other settings or another tariff, checked, from now on (services/change.py)."""
        self.cfg = cfg
        self.tariff = tariff
        self._zone = civil.Zone(cfg.utc_offset_min, cfg.dst)
        self._minute = -1
        self._look_up_rate(self.utc_s)
        self._assess()
        self._commit()

    def _look_up_rate(self, utc_s):
        # A switch falls on a whole minute, so one look-up a minute does.
        minute = -1 if utc_s is None else utc_s // 60
        if minute == self._minute and minute >= 0:
            return
        self._minute = minute
        local = self.local()
        if local is None:
            self.rate = self.tariff.fallback
        else:
            self.rate = self.tariff.rate_at(local[0], local[1], local[2], local[3], local[4] * 60 + local[5])
        self.price_micro = self.tariff.prices_micro[self.rate]

    def _assess(self, log=True):
        """Let credit move claims and the alarm level."""
        s, cfg = self.s, self.cfg
        before = s.claims
        supply.after_credit(s, cfg.alarm2_micro, -cfg.overdraft_micro)
        self._note(before)
        alarm = account.alarm_level(s.credit_micro, cfg.alarm1_micro, cfg.alarm2_micro, -cfg.overdraft_micro)
        if alarm != self.alarm:
            if log and alarm > self.alarm and alarm < 3:
                self.log(codes.LOG_ALARM1 if alarm == 1 else codes.LOG_ALARM2)
            self.alarm = alarm

    def _step(self, event):
        before = self.s.claims
        supply.step(self.s, event)
        self._note(before)

    def _note(self, before):
        """Log and wake the guard when the claims are others than before."""
        claims = self.s.claims
        if claims == before:
            return
        if claims & ~before:
            self.log(codes.LOG_TRIP, claims)
        elif not claims:
            self.log(codes.LOG_CLOSE, before)
        self.changed.set()

    def _commit(self) -> bool:
        self.s.event_seq = self._events.next_number
        try:
            self._ledger.commit(self.s)
        except BusError:
            self._fram_lost()
            return False
        self._fram_good += 1
        if self.faults & codes.FAULT_FRAM and self._fram_good >= _FRAM_GOOD:
            now_s = self.utc_s
            self.utc_s = self._fram_lost_at
            told = self.log(codes.LOG_FAULT, codes.FAULT_FRAM)
            self.utc_s = now_s
            if told:
                self.fault(codes.FAULT_FRAM, False)
        return True

    def _fram_lost(self):
        self._fram_good = 0
        if not self.faults & codes.FAULT_FRAM:
            self.faults |= codes.FAULT_FRAM
            self._fram_lost_at = self.utc_s

    # -- what others read -------------------------------------------------------------------------

    def local(self):
        """(year, month, day, weekday 0=Mon, hour, minute, second) by the household's clock, or None."""
        if self.utc_s is None:
            return None
        return self._zone.fields(self.utc_s)

    @property
    def rate_name(self):
        return self.tariff.rate_names[self.rate]

    def wants_closed(self) -> int:
        return 1 if supply.closed(self.s) else 0

    # -- log and faults ---------------------------------------------------------------------------

    def log(self, code: int, value: int = 0) -> int:
        """Append to the event log; gives the record's number, 0 if there is none: a log that cannot be written
        is a storage fault, not a reason to stop, and before the ledger has been read nobody knows its end."""
        number = self._events.next_number
        if not self.ready:
            return 0
        try:
            self._events.append(code, value, self.utc_s)
        except BusError:
            self._fram_lost()
            return 0
        return number

    def fault(self, bit: int, on: bool) -> None:
        """Raise or clear a fault; each edge is logged once."""
        if bool(self.faults & bit) == bool(on):
            return
        self.faults ^= bit
        self.log(codes.LOG_FAULT if on else codes.LOG_FAULT_CLEARED, bit)

    # -- relay ------------------------------------------------------------------------------------

    def relay_is(self, closed: int) -> None:
        """The guard has sensed the contact where it should be."""
        s = self.s
        self.fault(codes.FAULT_RELAY, False)
        if s.claims & codes.CLAIM_FAULT:
            self._step(codes.EV_FAULT_GONE)
        if s.relay_closed != closed:
            s.relay_closed = closed
            self._commit()

    def relay_moves(self) -> None:
        """The guard is about to close: should power fail before it has sensed, no one knows where the contact is."""
        self.s.relay_closed = RELAY_UNKNOWN
        self._commit()

    def relay_failed(self, wanted: int) -> None:
        """The contact is not where it should be. Voltage behind an open contact makes closing unsafe."""
        if not self.faults & codes.FAULT_RELAY:
            self.log(codes.LOG_RELAY_FAULT, wanted)
        self.fault(codes.FAULT_RELAY, True)
        if not wanted:
            self._step(codes.EV_FAULT)

    # -- card, button, supplier -------------------------------------------------------------------

    def purchase(self, count: int, amount_micro: int, uid: bytes, generation: int) -> None:
        """Apply purchase number `count` and commit it in one record. Raises CardError; then nothing has changed."""
        s = self.s
        if account.hoards(s.credit_micro, amount_micro, self.cfg.hoard_micro):
            raise CardError(codes.CARD_HOARD, "credit would exceed the limit")
        room()
        before = type(s)()
        before.copy_from(s)
        account.purchase(s, amount_micro)
        s.card_uid = uid
        s.card_generation = generation
        supply.after_credit(s, self.cfg.alarm2_micro, -self.cfg.overdraft_micro)
        if not self._commit():
            s.copy_from(before)
            raise CardError(codes.CARD_STORAGE, "the purchase cannot be stored")
        self.log(codes.LOG_PURCHASE, count)
        self._note(before.claims)
        self._assess()

    def user_card(self) -> None:
        """A valid user card of this meter was shown: what waits for a card is over."""
        self._step(codes.EV_USER_CARD)
        self._commit()

    def bind_card(self, uid: bytes, generation: int) -> None:
        """The first user card, or one that replaces a lost card."""
        self.s.card_uid = uid
        self.s.card_generation = generation
        self._commit()
        self.log(codes.LOG_CARD_BOUND, generation)

    def refuse_card(self, code: int) -> None:
        self.s.refused_cards += 1
        self.log(codes.LOG_CARD_REFUSED, code)
        self._commit()

    def next_writeback(self) -> int:
        """The number of the next write-back; 0 when it cannot be stored: a number must not be used twice."""
        self.s.writeback_seq += 1
        return self.s.writeback_seq if self._commit() else 0

    def button(self) -> None:
        self._step(codes.EV_BUTTON)
        self._commit()

    def remote(self, on: bool) -> None:
        """The supplier's command, already authenticated by whoever brings it."""
        self._step(codes.EV_REMOTE_ON if on else codes.EV_REMOTE_OFF)
        self._commit()
