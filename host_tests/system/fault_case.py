# SPDX-License-Identifier: Apache-2.0
"""One part of the meter broken in one way: a run of the whole firmware, and what must hold of it."""

from datetime import datetime, timedelta

from meter.core import codes

from host_tests.bench import documents
from host_tests.bench.plant.faults import FAULTS
from host_tests.bench.plant.plant import EPOCH
from host_tests.bench.run.session import Bench
from host_tests.powercut.terms import micro
from host_tests.system.fault_glass import Glass

COUNT_W_S = 11.25  # one count is 11.25 W·s
LOAD_W, OVERLOAD_W, LOW_W = 3000, 9600, 600
HOLD_S = 30
BIT = {
    "atm90e32": codes.FAULT_METER_IC,
    "fram": codes.FAULT_FRAM,
    "rtc": codes.FAULT_CLOCK,
    "pn532": codes.FAULT_CARD_READER,
    "lcd": codes.FAULT_DISPLAY,
    "relay": codes.FAULT_RELAY,
}
# Of a memory that stores little or nothing, or answers together with another part, either fault is right.
EITHER = {("fram", mode): (codes.FAULT_FRAM, codes.FAULT_FRAM_KEEPS) for mode in ("keeps nothing", "twin", "impostor")}
EITHER["lcd", "strays"] = codes.FAULT_DISPLAY, codes.FAULT_FRAM, codes.FAULT_FRAM_KEEPS
NAME = {
    "atm90e32": "Meter chip fault",
    "fram": "Memory fault",
    "rtc": "Clock fault",
    "pn532": "Card reader fault",
    "relay": "Relay fault",
}
# What cannot be noticed, or is taken care of without a word: a display is only written to, the FRAM is only read at
# the start, a reader that lets go when it is reset is well again, noise is outvoted, a power-up ends an upset, a relay
# that cannot move is found out when it should. Single bits are outvoted, tried again, or mended within a minute. A slow
# part is waited for, within the 50 ms that a clock may be stretched. What is not written cannot be missed: the clock is
# set by the supplier only, the metering IC at its start; of a display nothing is seen. A second display takes what the
# first one takes; two clocks may be a date that nobody takes over; an EEPROM where nobody asks is nobody's.
UNSEEN = {
    *((part, "bits") for part in FAULTS),
    *((part, "slow") for part in FAULTS),
    ("atm90e32", "keeps nothing", "run"),
    ("lcd", "busy"),
    ("lcd", "keeps nothing"),
    ("lcd", "twin"),
    ("rtc", "keeps nothing"),
    ("rtc", "neighbour"),
    ("rtc", "twin near"),
    ("atm90e32", "noise"),
    ("atm90e32", "upset", "start"),
    ("lcd", "garbage"),
    ("fram", "garbage", "run"),
    ("pn532", "wedged"),
    ("relay", "welded", "start"),
    ("relay", "stuck"),
    ("relay", "sense high", "start"),
    ("relay", "sense noise"),
}
# Here a fault that is named would be one too many.
WELL = ("slow", "busy", "neighbour")
# These come and go faster than the pages of the display turn.
BRIEF = {("pn532", "nak")}
STANDING = "0.37"
TARIFF = {**documents.tariff(), "standing": STANDING}


class Case:
    """One run; problems is empty when all went as it should."""

    def __init__(self, part: str, mode: str, when: str, image=None):
        self.part, self.mode, self.when = part, mode, when
        self.image = image
        self.reads_wrong = (part, mode) in EITHER  # what memory says cannot be gone by
        self.problems = []
        self.screens = set()
        self.bites_expected = self.bites = 0
        self.worst_gap_s = 0
        self.flowed = 0.0  # counts, give or take a second of each load
        self._gap_s = 0
        self._seen = None

    @property
    def id(self) -> str:
        return f"{self.part}-{self.mode.replace(' ', '_')}-{self.when}"

    def expect(self, true, problem: str) -> None:
        if not true:
            self.problems.append(problem)

    def _progress(self, b):
        """Something that changes with each tick, seen from where the fault is not."""
        if self.part == "fram" or self.reads_wrong:
            return b.tick_reads_us[-1] if b.tick_reads_us else None
        return bytes(b.plant.fram.data[4:8] + b.plant.fram.data[0x404:0x408])

    def pass_s(self, b, seconds: int, ticks: bool = True) -> None:
        for _ in range(seconds):
            self.flowed += b.plant.house.power_w() / COUNT_W_S
            b.run_s(1)
            self.screens.add(b.screen())
            now = self._progress(b)
            self._gap_s = 0 if now != self._seen or not ticks else self._gap_s + 1
            self._seen = now
            self.worst_gap_s = max(self.worst_gap_s, self._gap_s)

    def mend(self, b) -> None:
        b.fault(self.part, "none")
        if self.mode == "stopped":
            b.plant.rtc.set_time(datetime(2026, 1, 12, 9), b.plant.clock.now_us)

    def overload(self, b) -> None:
        """More than allowed: the supply goes off when the hold has passed, whatever else is wrong."""
        b.load(OVERLOAD_W)
        # A part that came back may have been noticed only now: no fault hold of its own may add to this one.
        self.pass_s(b, HOLD_S - 2)
        self.expect(b.plant.relay.closed, "tripped early")
        self.pass_s(b, 5)
        self.expect(not b.plant.relay.closed, "no trip within 3 s of the hold")
        b.load(LOW_W)

    def run(self) -> "Case":
        with self.bench() as b:
            (self._from_start if self.when == "start" else self._at_run_time)(b)
            self._verdict(b)
            self.bites = b.meter.wdt_bites
        return self

    def bench(self) -> Bench:
        b = Bench(load_w=LOAD_W, initial_credit="50.00", tariff=TARIFF, up=False, image=self.image)
        self.glass = Glass(b.plant)
        self._began = b.plant.rtc.time(b.plant.clock.now_us)
        return b

    def _at_run_time(self, b) -> None:
        b.plug(True)
        self.pass_s(b, 10)
        b.fault(self.part, self.mode)
        # The clock is asked once an hour, the memory once a minute.
        self.pass_s(b, 3700 if self.part == "rtc" else 90 if self.reads_wrong else 20)
        measured = self.part != "atm90e32"
        moves = self.mode not in ("welded", "sense noise", "sense low")
        if measured and moves:
            self.overload(b)
        elif measured:
            b.load(OVERLOAD_W)
            self.pass_s(b, HOLD_S + 3)
            b.load(LOW_W)
        self.pass_s(b, 60)
        self.mend(b)
        self.pass_s(b, 75)
        self.expect(self.glass.right(b.plant), "the display was not right again within a minute")

    def _from_start(self, b) -> None:
        b.fault(self.part, self.mode)
        b.plug(True)
        # Before the ledger has been read nothing can be booked; the IC counts on.
        self.pass_s(b, 60, ticks=False)
        ticks = self.part == "fram" or self.reads_wrong or self._seen != bytes(8)
        self.expect(ticks, "no tick in the first minute")
        self.mend(b)
        self.pass_s(b, 5, ticks=False)
        self.pass_s(b, 85)
        self.overload(b)
        self.pass_s(b, 20)

    def _verdict(self, b) -> None:
        b.insert("good")
        self.pass_s(b, 6)
        b.insert(None)
        self.pass_s(b, 12)
        s = b.state()
        key = (self.part, self.mode)
        unseen = key in UNSEEN or (*key, self.when) in UNSEEN
        if not unseen:
            values = {code: [e.value for e in b.events() if e.code == code] for code in (48, 49)}
            bits = set(EITHER.get(key, (BIT[self.part],)))
            self.expect(bits & set(values[codes.LOG_FAULT]), "the fault is not in the log")
            self.expect(bits & set(values[codes.LOG_FAULT_CLEARED]), "its end is not in the log")
            if self.part != "lcd" and key not in BRIEF:
                names = (NAME[self.part], "Memory keeps nothing") if key in EITHER else (NAME[self.part],)
                shown = any(name in screen for screen in self.screens for name in names)
                self.expect(shown, "the fault was not on the display")
        if self.mode in WELL:
            wrong = [e.value for e in b.events() if e.code == codes.LOG_FAULT]
            self.expect(not wrong, f"faults {wrong} were named, and there was none")
        self.expect(s.claims == 0 and b.plant.relay.closed, f"the card did not bring supply back: claims {s.claims}")
        self.expect(s.purchase_count == 1, f"{s.purchase_count} purchases")
        self.expect("Attention" not in b.screen(), "the display still shows a fault")
        self.expect(self.glass.right(b.plant), "the display does not show what it was sent")
        self.money(b, s)
        if self.part == "rtc" and self.when == "run" and self.mode != "stopped":
            true_s = int((b.plant.rtc.time(b.plant.clock.now_us) - EPOCH).total_seconds())
            self.expect(abs(s.utc_s - true_s) <= 3, f"the clock is {s.utc_s - true_s} s off")
        self.expect(b.meter.restarts == 0, f"{b.meter.restarts} restarts")
        self.expect(self.worst_gap_s <= 2, f"{self.worst_gap_s} s without a tick")
        self.expect(codes.LOG_TASK_CRASH not in [e.code for e in b.events()], "a task fell")
        self.expect(not b.plant.relay.violations, "the relay was driven in a way that damages it")
        counted, flowed = s.import_counts, b.plant.meter_ic.lifetime(0x80)
        self.expect(counted <= self.flowed + 2 * OVERLOAD_W / COUNT_W_S, f"{counted - self.flowed:.0f} counts too many")
        # What flows while the IC is reset or set wrong is lost.
        blind = self.part == "atm90e32" and (self.when == "start" or self.mode in ("garbage", "upset"))
        if not blind:
            self.expect(counted <= flowed + 4, f"{counted - flowed} counts too many")
            # A tick of the highest load, and what has flowed since the last one.
            self.expect(flowed - counted <= (OVERLOAD_W + LOAD_W) / COUNT_W_S, f"{flowed - counted} counts lost")

    def money(self, b, s) -> None:
        """Credit is what was bought less what was used, and each day has cost what a day costs, once."""
        spent = sum(s.rate_cost_micro) + s.charges_micro
        self.expect(s.credit_micro == micro("50.00") + s.purchased_micro - spent, "credit is not what it must be")
        home = timedelta(minutes=b.settings["utc_offset_min"])
        until = self._began + timedelta(microseconds=b.plant.clock.now_us)
        days = ((until + home).date() - (self._began + home).date()).days
        charged = s.charges_micro / micro(STANDING)
        self.expect(charged == days, f"{charged} days were charged in {days}")
