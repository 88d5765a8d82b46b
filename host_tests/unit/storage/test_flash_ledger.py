# SPDX-License-Identifier: Apache-2.0
"""Ledger and events of a board without FRAM: what must not wait does not, and what may is lost for a minute at most."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core.errors import BusError, StorageError
from meter.core.state import FIELDS, MeterState
from meter.storage import flash_ledger, ledger, registers
from meter.storage.flash_ledger import FlashEvents, FlashLedger, NoFram
from meter.storage.ring import BLOCK, HEAD

from host_tests.stands.flash_cuts import CutFlash, PowerCut

BLOCKS = 256
PER = (BLOCK - HEAD) // flash_ledger.LEDGER_SIZE


@pytest.fixture
def dev():
    return CutFlash(BLOCKS)


def loaded(dev):
    """(ledger, state, what load() said) as a start finds it."""
    s = MeterState()
    book = FlashLedger(dev)
    return book, s, book.load(s)


def records(dev):
    """Where each record of the ledger lies."""
    first = flash_ledger.LEDGER_FIRST * BLOCK
    for block in range(flash_ledger.LEDGER_BLOCKS):
        for slot in range(PER):
            yield first + block * BLOCK + HEAD + slot * flash_ledger.LEDGER_SIZE


def test_an_erased_partition_is_a_new_meter(dev):
    assert loaded(dev)[2] == ledger.FRESH


def test_the_first_commit_is_written_and_a_minute_of_ticks_then_waits(dev):
    book, s, _ = loaded(dev)
    for n in range(1, 200):
        s.import_counts = n
        book.commit(s)
        seen = loaded(dev)[1].import_counts
        assert n - seen < flash_ledger.EVERY, n
    assert seen == 181
    assert sum(dev.flash.erases) == 2


ENERGY = {
    "utc_s", "import_counts", "export_counts", "q_import_counts", "q_export_counts", "open_counts", "cost_acc",
    "credit_micro", "overdraft_counts", "overdraft_micro", "event_seq", "va_counts",
    # with a purchase or a new day, and with nothing else
    "last_purchase_micro", "charges_micro", "debt_paid_micro", "month", "month_counts",
}  # fmt: skip


@pytest.mark.parametrize("name", [*(name for name in FIELDS if name not in ENERGY), "card_uid", "tampers"])
def test_what_is_not_energy_cost_or_time_is_written_at_once(dev, name):
    book, s, _ = loaded(dev)
    book.commit(s)
    s.import_counts = 7
    setattr(s, name, {"card_uid": b"1234567", "tampers": bytearray(range(32))}.get(name, 1))
    book.commit(s)
    _, seen, _ = loaded(dev)
    assert getattr(seen, name) == getattr(s, name) and seen.import_counts == 7


def test_a_restart_goes_on_from_the_newest_record(dev):
    book, s, _ = loaded(dev)
    for n in range(1, 40):
        s.boots = n
        s.credit_micro = -n
        book.commit(s)
        book, s, found = loaded(dev)
        assert (found, s.boots, s.credit_micro, book.sequence) == (ledger.LOADED, n, -n, n)


def test_a_damaged_newest_record_falls_back_and_says_so(dev):
    book, s, _ = loaded(dev)
    for n in range(1, 4):
        s.boots = n
        book.commit(s)
    at = list(records(dev))[2]
    dev.flash.data[at + 40] ^= 8
    before = bytes(dev.flash.data)
    _, s, found = loaded(dev)
    assert (found, s.boots) == (ledger.FELL_BACK, 2)
    assert bytes(dev.flash.data) == before


def test_a_ledger_of_which_nothing_is_sound_is_refused_and_kept(dev):
    book, s, _ = loaded(dev)
    for n in range(1, 60):
        s.boots = n
        book.commit(s)
    for at in records(dev):
        dev.flash.data[at + 40] ^= 0x55
    before = bytes(dev.flash.data)
    with pytest.raises(StorageError):
        loaded(dev)
    assert bytes(dev.flash.data) == before


def test_a_record_of_a_newer_version_is_not_misread(dev):
    book, s, _ = loaded(dev)
    book.commit(s)
    buf = bytearray(flash_ledger.LEDGER_SIZE)
    ledger.pack_into(memoryview(buf)[4:], 9, s)
    buf[4 + 2] = ledger._VERSION + 1
    buf[4 + ledger._BODY : 4 + ledger.SIZE] = ledger.crc32(buf[4 : 4 + ledger._BODY]).to_bytes(4, "little")
    book._ring.append(buf)
    with pytest.raises(StorageError, match=f"version {ledger._VERSION + 1}"):
        loaded(dev)


def test_flash_that_does_not_take_a_record_is_a_bus_error_and_the_next_one_works(dev):
    book, s, _ = loaded(dev)
    dev.flash.bad_sectors.update(range(BLOCKS))
    with pytest.raises(BusError):
        book.commit(s)
    log = FlashEvents(dev)
    log.find_end(0)
    with pytest.raises(BusError):
        log.append(1, 2, 3)
    dev.flash.bad_sectors.clear()
    s.boots = 5
    book.commit(s)
    assert loaded(dev)[1].boots == 5


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 2**16)), max_size=10))
def test_no_purchase_is_lost_or_doubled_over_any_cuts(cuts):
    """Power fails after this many bytes and erases; then a restart. Energy: a minute of ticks at most each time."""
    dev = CutFlash(BLOCKS)
    bought = counted = 0
    maybe = False
    for after, torn in [*cuts, (None, 0)]:
        dev.cut_at = None
        book, s, _ = loaded(dev)
        assert s.purchase_count in ((bought, bought + 1) if maybe else (bought,))
        assert s.purchased_micro == 10 * s.purchase_count
        assert counted - s.import_counts <= flash_ledger.EVERY
        bought, counted = s.purchase_count, s.import_counts
        maybe = False
        if after is None:
            break
        dev.cut_at, dev.torn, dev.done = after, torn, 0
        try:
            while True:
                for _ in range(7):
                    s.import_counts += 1
                    book.commit(s)
                    counted = s.import_counts
                s.purchase_count += 1
                s.purchased_micro += 10
                maybe = True
                book.commit(s)
                maybe = False
                bought = s.purchase_count
        except PowerCut:
            pass


def test_events_are_numbered_and_read_as_in_fram(dev):
    log = FlashEvents(dev)
    assert log.find_end(99) == 1
    for n in range(1, 3001):
        log.append(16, -n, None if n % 2 else 1000 + n)
        assert log.next_number == n + 1
    assert [log.record(n) for n in (2999, 3000, 3001)] == [(2999, 0, 16, 1, -2999), (3000, 4000, 16, 0, -3000), None]
    assert all(log.record(n) for n in range(3001 - 1000, 3001))
    again = FlashEvents(dev)
    number = again.find_end(0)
    again.append(17, 1, None)
    assert number > 3000 and again.record(number)[2:] == (17, 1, 1)


def test_twenty_years_of_minutes_wear_no_block_out(dev):
    book, s, _ = loaded(dev)
    days = 1
    for n in range(days * 86_400):
        s.import_counts = n
        book.commit(s)
    erases = dev.flash.erases[flash_ledger.LEDGER_FIRST : flash_ledger.LEDGER_FIRST + flash_ledger.LEDGER_BLOCKS]
    assert sum(erases) / days <= 181
    assert max(erases) - min(erases) <= 1
    years = 100_000 / (max(erases) / days * 365.25)
    assert years >= 20


# -- readings and registers ---------------------------------------------------------------------------

PLACES = ((0x0C00, 0x0E00, 188), (0x5000, 0x5400, registers.SIZE))


def filled(n, size):
    return bytearray((n % 255 + 1,)) * size


@pytest.mark.parametrize("a, b, size", PLACES)
def test_nothing_written_reads_as_zeros(dev, a, b, size):
    buf = bytearray(b"x" * size)
    NoFram(dev).read_into(a, buf)
    assert not any(buf)


@pytest.mark.parametrize("a, b, size", PLACES)
def test_both_copies_are_the_record_that_was_written_last(dev, a, b, size):
    fram = NoFram(dev)
    buf = bytearray(size)
    for n in range(100):
        fram.write((a, b)[n % 2], filled(n, size))
        for one in (fram, NoFram(dev)):  # and over a restart
            for slot in (a, b):
                one.read_into(slot, buf)
                assert buf == filled(n, size), n


@pytest.mark.parametrize("a, b, size", PLACES)
def test_they_do_not_mind_each_other_or_a_restart_before_each_write(dev, a, b, size):
    for n in range(60):
        for first, second, length in PLACES:
            NoFram(dev).write(second, filled(n + first, length))
    for first, _, length in PLACES:
        buf = bytearray(length)
        NoFram(dev).read_into(first, buf)
        assert buf == filled(59 + first, length)


@pytest.mark.parametrize("a, b, size", PLACES)
def test_a_write_that_was_cut_leaves_the_one_before(dev, a, b, size):
    buf = bytearray(size)
    for after in range(0, size + 60, 3):
        dev = CutFlash(BLOCKS)
        fram = NoFram(dev)
        for n in range(3):
            fram.write(a, filled(n, size))
        dev.cut_at = dev.done + after
        try:
            fram.write(b, filled(3, size))
            n = 3
        except PowerCut:
            n = 2
        dev.cut_at = None
        NoFram(dev).read_into(a, buf)
        assert buf in (filled(n, size), filled(3, size)), after
        NoFram(dev).write(a, filled(9, size))
        NoFram(dev).read_into(a, buf)
        assert buf == filled(9, size), after


def test_all_else_has_no_place(dev):
    fram = NoFram(dev)
    for offset in (0, 0x0200, 0x0400, 0x1000, 0x5200, 0x7FF0):
        with pytest.raises(BusError, match="no FRAM"):
            fram.write(offset, bytes(16))
        with pytest.raises(BusError, match="no FRAM"):
            fram.read_into(offset, bytearray(16))


def test_flash_that_fails_is_a_bus_error(dev):
    fram = NoFram(dev)
    dev.flash.bad_sectors.update(range(BLOCKS))
    for a, _, size in PLACES:
        with pytest.raises(BusError):
            fram.write(a, filled(1, size))
    dev.flash.bad_sectors.clear()
    dev.broken_reads = True
    for a, _, size in PLACES:
        with pytest.raises(BusError):
            NoFram(dev).read_into(a, bytearray(size))


def test_registers_are_kept_as_by_a_fram(dev):
    record = registers.Registers(NoFram(dev))
    record.put_peak(3, 77, 900)
    record.begin_rate((1, 2, 3, 4), 5)
    record.store()
    again = registers.Registers(NoFram(dev))
    assert (again.peak(3), again.rate, again.sequence) == ((77, 900), 5, 1)
    assert again.in_rate((11, 12, 13, 14), 5) == [11, 12, 13, 14], "with what came before any rate was known"
    assert flash_ledger.REGISTERS_SIZE == registers.SIZE + 8
