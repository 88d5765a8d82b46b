# SPDX-License-Identifier: Apache-2.0
"""Too little heap, at any call of a tick: nothing the metering IC's registers were cleared of is lost, or booked twice,
and nobody is silent about it."""

import asyncio
import builtins
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from meter.books import opening
from meter.books.books import Books
from meter.core import codes
from meter.core.state import MeterState
from meter.documents import parse
from meter.drivers.fram import Fram
from meter.metering.metering import Metering
from meter.panel import loaded, order, pages
from meter.storage.events import EventLog
from meter.storage.ledger import Ledger
from meter.upkeep import supervisor

from host_tests.bench.plant.direct import DirectI2C
from host_tests.stands.ic import ICS, E32Bench
from host_tests.stands.panel_books import PanelBooks
from scripts.chips.mb85rc256v import Mb85rc256vChip

FIRMWARE = str(Path(supervisor.__file__).parents[2])
# What runs between a register that is cleared and the list its counts go to. None of these takes memory: the
# numbers are small, the lists are there, and a frame of the interpreter that finds no heap goes onto its stack.
TAKES_NONE = {"read", "write", "holds", "read_power", "take", "noise", "_note", "_round", "signed", "power_m"}
TAKES_NONE |= {"put_read", "put_write", "give", "_group", "_beware", "borrow", "_audit_all"}
BEGIN_S = 845_649_000 - 20  # a minute begins with tick 20
TARIFF = {
    "name": "Two", "currency": "EUR",
    "rates": [{"name": "day", "price": "0.3"}, {"name": "night", "price": "0.1"}, {"name": "dear", "price": "0.9"}],
    "days": {"every": [["00:00", "day"], ["00:01", "night"]]}, "fallback": "dear",
}  # fmt: skip


class Done(BaseException):
    pass


class Clock:
    """Ticks of a second; `at_tick` is called with the number of each."""

    def __init__(self, vt, ticks, at_tick):
        self.vt = vt
        self.ticks = ticks
        self.at_tick = at_tick
        self.n = 0
        self.known = asyncio.Event()
        self.known.set()

    def tick(self):
        self.n += 1
        if self.n > self.ticks:
            raise Done
        self.at_tick(self.n)
        return BEGIN_S + self.n

    def to_next_second_ms(self):
        return 1000 - self.vt.now_us // 1000 % 1000


class Meter:
    """Metering IC, books and metering, and what the supervisor does with a task that falls."""

    def __init__(self, ic, phases):
        self.bench = bench = ic(phases=phases) if phases > 1 else ic()
        chip = Mb85rc256vChip(0x50)
        chip.power_on(0)
        fram = Fram(DirectI2C(bench.vt, [chip]))
        self.log = EventLog(fram)
        self.cfg = parse.settings({"meter_number": "1", "phases": phases, "initial_credit": "100"})
        self.s = MeterState()
        self.books = Books(self.s, (Ledger(fram), self.log, fram), self.cfg, parse.tariff(TARIFF))
        opening.read_ledger(self.books)
        self.falls = 0

    def live(self, ticks, at_tick):
        bench = self.bench

        async def lives():
            clock = Clock(bench.vt, ticks, at_tick)
            metering = Metering(bench.ic, clock, self.books)
            while True:
                try:
                    await metering.run(lambda: None)
                except MemoryError:
                    sys.settrace(None)
                    self.falls += 1
                    await asyncio.sleep_ms(1000)
                except Done:
                    return

        bench.vt.run(lives())

    def error(self):
        s = self.s
        self.bench.booked = [s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts]
        return self.bench.error()


def starved_in(meter, n, struck, flip):
    """Live on for some ticks; the n-th call of tick `struck` finds no heap. False: that tick has fewer."""
    seen = [0]

    def trace(frame, event, arg):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(FIRMWARE) and code.co_name not in TAKES_NONE:
            seen[0] += 1
            if seen[0] == n:
                raise MemoryError

    def at_tick(number):
        meter.bench.wire.frames = 0
        meter.bench.wire.flip = flip if number == struck else None
        sys.settrace(trace if number == struck else None)

    try:
        meter.live(struck + 6, at_tick)
    finally:
        sys.settrace(None)
    return seen[0] >= n


# Ticks: one with the minute's work; one with an audit; one in which an address is hit, and a judge asked.
@pytest.mark.parametrize("ic", ICS, ids=lambda bench: bench.driver.__name__)
@pytest.mark.parametrize("struck, flip", [(21, None), (18, None), (3, (10, 6)), (3, (12, 6)), (18, (6, 13))])
def test_no_call_of_a_tick_that_finds_no_heap_loses_a_count(ic, struck, flip):
    counted = 0
    for n in range(1, 400):
        meter = Meter(ic, 1)
        meter.bench.load(11_500, 3_000)
        if not starved_in(meter, n, struck, flip):
            break
        counted += 1
        errors = meter.error()
        assert all(abs(error) <= 2 * ic.step for error in errors[:2]), (n, errors)
        # What a judge who could not be loaded would have found out, measured power must say.
        assert all(abs(error) <= (12 if flip else 2) * ic.step for error in errors[2:]), (n, errors)
        assert sum(meter.s.rate_counts) == meter.s.import_counts
        assert meter.s.credit_micro == 100_000_000 - sum(meter.s.rate_cost_micro)
        assert meter.falls or meter.books.starved or meter.books.faults == 0
    assert counted > 10


def test_no_call_of_a_tick_on_three_phases_loses_a_count():
    for struck, flip in ((2, None), (3, (18, 6))):
        for n in range(1, 400):
            meter = Meter(E32Bench, 3)
            meter.bench.load_all(5_000, 1_000)
            if not starved_in(meter, n, struck, flip):
                break
            errors = meter.error()
            assert all(abs(error) <= 4 for error in errors), (struck, n, errors)


# -- the minute's work ----------------------------------------------------------------------------


class Hungry:
    """While `out`, no module named here can be loaded."""

    def __init__(self, monkeypatch, *names):
        self.out = False
        genuine = builtins.__import__

        def load(name, globals=None, locals=None, fromlist=(), level=0):
            if self.out and any(wanted in (fromlist or ()) or name.endswith(wanted) for wanted in names):
                raise MemoryError
            return genuine(name, globals, locals, fromlist, level)

        monkeypatch.setattr(builtins, "__import__", load)


@pytest.fixture
def books(monkeypatch):
    meter = Meter(ICS[0], 1)
    meter.books.log_of = lambda code: [
        r[4] for r in map(meter.log.record, range(1, meter.log.next_number)) if r and r[2] == code
    ]
    return meter.books


def ticks(books, n, at_s):
    for second in range(n):
        books.tick(None, at_s + second)
    return at_s + n


def test_when_the_minutes_work_cannot_run_for_a_minute_the_fallback_rate_holds_and_it_is_said(books, monkeypatch):
    hungry = Hungry(monkeypatch, "minute")
    at_s = ticks(books, 61, 845_596_800)  # midnight
    assert (books.rate_name, books.faults) == ("night", 0)
    hungry.out = True
    at_s = ticks(books, 60 + 59, at_s)
    assert books.faults == 0 and books.starved
    at_s = ticks(books, 2, at_s)
    assert (books.rate_name, books.terms.rate_micro, books.terms.price_micro) == ("dear", 900_000, 900_000)
    assert books.faults == codes.FAULT_HEAP
    assert "Low heap" in "".join(pages.balance(books))
    assert books.log_of(codes.LOG_FAULT) == [codes.FAULT_HEAP]
    (count,) = books.log_of(codes.LOG_HEAP)
    assert 0 < count <= books.starved
    at_s = ticks(books, 100, at_s)
    assert len(books.log_of(codes.LOG_HEAP)) == 1
    hungry.out = False
    ticks(books, 1, at_s)
    assert (books.rate_name, books.faults) == ("night", 0)
    assert books.log_of(codes.LOG_FAULT_CLEARED) == [codes.FAULT_HEAP]


def test_the_days_work_that_finds_no_heap_is_counted_and_done_later(books, monkeypatch):
    hungry = Hungry(monkeypatch, "day")
    at_s = ticks(books, 1, 845_596_800)
    day = books.s.day
    hungry.out = True
    before = books.starved
    ticks(books, 1, at_s + 86_400)
    assert books.s.day == day and books.starved > before
    hungry.out = False
    ticks(books, 61, at_s + 86_401)
    assert books.s.day == day + 1


def test_a_page_and_evidence_without_heap_are_counted(books, monkeypatch):
    hungry = Hungry(monkeypatch, "troubles", "incidents")
    hungry.out = True
    shown = PanelBooks()
    loaded.page(shown, order.OFF)
    assert shown.starved == 1
    assert not books.found(codes.LOG_MAGNET_ON, 3, 1) and books.starved == 1


# -- the supervisor -------------------------------------------------------------------------------


def test_the_supervisors_own_shortage_is_counted_on_the_display_and_in_the_log(books, capsys, monkeypatch):
    books.utc_s = 845_596_800
    one = supervisor.Supervisor(books, lambda timeout: SimpleNamespace(feed=lambda: None), None)
    fed = []

    def feed():
        fed.append(None)
        if len(fed) == 3:
            raise MemoryError
        if len(fed) > supervisor._HOUR + 2:
            raise Done

    async def sleep_ms(ms):
        pass

    monkeypatch.setattr(one, "feed", feed)
    monkeypatch.setattr(supervisor.asyncio, "sleep_ms", sleep_ms, raising=False)
    monkeypatch.setattr(supervisor.gc, "mem_alloc", lambda: 60_000, raising=False)
    monkeypatch.setattr(supervisor.gc, "mem_free", lambda: 40_000, raising=False)
    monkeypatch.setitem(sys.modules, "esp32", SimpleNamespace(HEAP_DATA=4, idf_heap_info=lambda _: []))
    coro = one.run()
    with pytest.raises(Done):
        coro.send(None)
    assert books.starved == 1 and books.faults & codes.FAULT_PROGRAM and books.trouble == "supervisor"
    said = capsys.readouterr().out
    assert "supervisor: too little heap" in said and "starved=1" in said
    assert books.log_of(codes.LOG_HEAP) == [1]


def test_a_task_that_ran_out_of_heap_is_counted(books, monkeypatch):
    one = supervisor.Supervisor(books, lambda timeout: None, None)
    monkeypatch.setattr(sys, "print_exception", None, raising=False)
    one.fell("panel", MemoryError(), news=False)
    assert books.starved == 1 and books.faults & codes.FAULT_PROGRAM


def test_no_memory_error_is_caught_without_a_count():
    """It is counted, or goes on to who counts it: the supervisor counts what a task falls with."""
    silent = []
    for path in sorted(Path(FIRMWARE).rglob("*.py")):
        lines = path.read_text().splitlines()
        for at, line in enumerate(lines):
            if line.strip().startswith("except") and "MemoryError" in line:
                indent = len(line) - len(line.lstrip())
                block = []
                for more in lines[at + 1 :]:
                    if more.strip() and len(more) - len(more.lstrip()) <= indent:
                        break
                    block.append(more)
                text = "\n".join(block)
                if not any(word in text for word in ("starved", "ran_short", "fell(", "raise")):
                    silent.append(f"{path.name}:{at + 1}")
    assert not silent
