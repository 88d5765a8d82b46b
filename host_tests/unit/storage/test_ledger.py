# SPDX-License-Identifier: Apache-2.0
"""The ledger record and the event log: what a cut, a flipped bit or a silent FRAM can do to them."""

import contextlib
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core.errors import BusError, StorageError
from meter.core.state import FIELDS, MeterState
from meter.drivers.fram import Fram
from meter.storage import events, ledger

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip

FORMAT = Path(ledger.__file__).with_name("FORMAT.md").read_text()


@pytest.fixture
def chip():
    chip = Mb85rc256vChip(0x50)
    chip.power_on(0)
    return chip


@pytest.fixture
def fram(chip):
    return Fram(DirectI2C(VirtualTime(), [chip]), 0x50)


def state_with(credit_micro, phases=1):
    s = MeterState()
    s.phase_counts = [credit_micro] * 12 if phases == 3 else []
    s.credit_micro = credit_micro
    return s


def loaded(fram):
    s = MeterState()
    return ledger.Ledger(fram).load(s), s


def test_record_size_is_what_the_format_says():
    assert struct.calcsize(ledger._FORMAT) == ledger._BODY
    assert ledger.SIZE == ledger._BODY + 4
    assert ledger.SIZE + struct.calcsize(ledger._PHASES) == ledger.SIZE_3
    assert ledger.SLOT_B - ledger.SLOT_A >= ledger.SIZE_3
    assert f"| 0x0000 | {ledger.SIZE} or {ledger.SIZE_3} |" in FORMAT


FIELDS = [
    *zip(FIELDS, ledger._SCALARS, strict=True),
    ("spare", "x"),
    ("card_uid", "8s"),
    ("tampers", "32s"),
    ("jump", "32s"),
    ("rate_counts", "8Q"),
    ("rate_cost_micro", "8q"),
]


def test_every_field_of_the_state_is_in_the_record():
    assert {name for name, _ in FIELDS} == {*vars(MeterState()), "spare"} - {"phase_counts"}


def test_format_document_gives_each_field_its_offset():
    offset = struct.calcsize(ledger._HEAD)
    for name, code in FIELDS:
        assert re.search(rf"^\| {offset} \| [^|]+ \| {name} \|", FORMAT, re.M), (offset, name)
        offset += struct.calcsize("<" + code)
    assert offset == ledger._BODY
    assert f"| {offset} | 12 × u64 | phase_counts |" in FORMAT


U64 = st.integers(0, 2**64 - 1)
RANGES = {"H": (0, 2**16 - 1), "I": (0, 2**32 - 1), "Q": (0, 2**64 - 1), "q": (-(2**63), 2**63 - 1), "B": (0, 255)}


@given(st.data(), st.integers(0, 2**32 - 1))
def test_what_is_packed_comes_back(data, sequence):
    s = MeterState()
    for name, code in FIELDS:
        if code == "x":
            continue
        if code == "8s":
            s.card_uid = data.draw(st.binary(min_size=7, max_size=7))
        elif name == "jump":
            s.jump = data.draw(st.binary(min_size=32, max_size=32))
        elif code == "32s":
            s.tampers[:] = data.draw(st.binary(min_size=32, max_size=32))
        elif len(code) == 2:
            setattr(s, name, data.draw(st.lists(st.integers(*RANGES[code[1]]), min_size=8, max_size=8)))
        else:
            setattr(s, name, data.draw(st.integers(*RANGES[code])))
    s.phase_counts = data.draw(st.sampled_from((0, 12)).flatmap(lambda n: st.lists(U64, min_size=n, max_size=n)))
    buf = bytearray(ledger.size_of(s))
    assert len(buf) == (ledger.SIZE_3 if s.phase_counts else ledger.SIZE)
    ledger.pack_into(buf, sequence, s)
    back = MeterState()
    back.phase_counts = [7]
    assert ledger.unpack_from(buf.ljust(ledger.SIZE_3, b"x"), back) == sequence
    assert vars(back) == vars(s)


def test_new_fram_is_a_new_meter(fram):
    assert loaded(fram)[0] == ledger.FRESH


def test_blank_fram_of_ones_is_a_new_meter(fram, chip):
    chip.data[:] = b"\xff" * len(chip.data)
    assert loaded(fram)[0] == ledger.FRESH


def test_newest_commit_is_loaded(fram):
    book = ledger.Ledger(fram)
    for credit in range(5):
        book.commit(state_with(credit))
    found, s = loaded(fram)
    assert (found, s.credit_micro) == (ledger.LOADED, 4)


@pytest.mark.parametrize("phases, size", [(1, ledger.SIZE), (3, ledger.SIZE_3)])
def test_a_write_cut_at_any_byte_leaves_the_commit_before_it(chip, fram, phases, size):
    for keep in range(size):
        book = ledger.Ledger(fram)
        book.commit(state_with(1, phases))
        book.commit(state_with(2, phases))
        chip.cut_after_bytes = keep
        with pytest.raises(BusError):
            book.commit(state_with(3, phases))
        chip.cut_after_bytes = None
        chip.power_on(0)
        _, s = loaded(fram)
        assert (s.credit_micro, s.phase_counts) == (2, [2] * 12 if phases == 3 else []), keep
        chip.data[:] = bytes(len(chip.data))


@pytest.mark.parametrize("phases, before", [(1, 3), (3, 1)])
def test_phases_may_come_and_go_with_the_settings_and_no_cut_minds(chip, fram, phases, before):
    for keep in range(ledger.SIZE_3):
        book = ledger.Ledger(fram)
        book.commit(state_with(1, before))
        book.commit(state_with(2, before))
        chip.cut_after_bytes = keep
        with contextlib.suppress(BusError):
            book.commit(state_with(3, phases))
        chip.cut_after_bytes = None
        chip.power_on(0)
        _, s = loaded(fram)
        whole = keep >= (ledger.SIZE_3 if phases == 3 else ledger.SIZE)
        assert s.credit_micro == (3 if whole else 2), keep
        assert len(s.phase_counts) == (12 if (phases if whole else before) == 3 else 0)
        chip.data[:] = bytes(len(chip.data))


@pytest.mark.parametrize("phases, size", [(1, ledger.SIZE), (3, ledger.SIZE_3)])
def test_a_flipped_bit_in_the_newest_copy_falls_back_and_says_so(chip, fram, phases, size):
    book = ledger.Ledger(fram)
    book.commit(state_with(1, phases))
    book.commit(state_with(2, phases))
    for offset in range(0, size, 7):
        chip.flip_bit(ledger.SLOT_A + offset, 3)
        found, s = loaded(fram)
        assert (found, s.credit_micro) == (ledger.FELL_BACK, 1), offset
        chip.flip_bit(ledger.SLOT_A + offset, 3)


def test_a_record_that_was_stored_but_not_acknowledged_never_comes_back_by_a_torn_one(chip, fram):
    """It was torn by the next commit, which had its number; then the start's first commit is cut, after any number of
    bytes."""

    def cut(book, s, after):
        chip.cut_after_bytes = after
        with pytest.raises(BusError):
            book.commit(s)
        chip.cut_after_bytes = None
        chip.power_on(0)

    book = ledger.Ledger(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))
    unheard = bytearray(ledger.SIZE)
    ledger.pack_into(unheard, 3, state_with(3))
    for after in range(ledger.SIZE):
        chip.data[ledger.SLOT_B : ledger.SLOT_B + ledger.SIZE] = unheard
        book.sequence = 2
        cut(book, state_with(4), 57)  # credit is there
        started, s = ledger.Ledger(fram), MeterState()
        assert started.load(s) == ledger.FELL_BACK and s.credit_micro == 2
        s.credit_micro = 3
        cut(started, s, after)
        assert loaded(fram)[1].credit_micro == 2, after


def test_two_damaged_copies_are_refused_and_kept(chip, fram):
    book = ledger.Ledger(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))
    chip.flip_bit(ledger.SLOT_A + 9, 0)
    chip.flip_bit(ledger.SLOT_B + 9, 0)
    before = bytes(chip.data)
    with pytest.raises(StorageError):
        loaded(fram)
    assert bytes(chip.data) == before


def test_a_record_of_a_newer_version_is_not_misread(chip, fram):
    ledger.Ledger(fram).commit(state_with(1))
    buf = bytearray(chip.data[ledger.SLOT_B : ledger.SLOT_B + ledger.SIZE])
    buf[2] = ledger._VERSION + 1
    struct.pack_into("<I", buf, ledger._BODY, ledger.crc32(buf[: ledger._BODY]))
    chip.data[ledger.SLOT_B : ledger.SLOT_B + ledger.SIZE] = buf
    with pytest.raises(StorageError, match=f"version {ledger._VERSION + 1}"):
        loaded(fram)


def test_silent_fram_is_a_bus_error_not_a_new_meter(chip, fram):
    ledger.Ledger(fram).commit(state_with(1))
    chip.absent = True
    with pytest.raises(BusError):
        loaded(fram)


def test_numbers_go_on_after_a_restart_even_past_the_ledgers_mark(fram):
    log = events.EventLog(fram)
    log.find_end(0)
    for value in range(10):
        log.append(16, value, None)
    again = events.EventLog(fram)
    assert again.find_end(4) == 11
    assert again.record(10) == (10, 0, 16, events.TIME_UNKNOWN, 9)


def test_ring_overwrites_the_oldest_and_keeps_1024(fram):
    log = events.EventLog(fram)
    log.find_end(0)
    for value in range(events.SLOTS + 5):
        log.append(16, value, 1)
    assert log.record(5) is None
    assert log.record(6)[4] == 5
    assert log.record(events.SLOTS + 5)[4] == events.SLOTS + 4


def test_records_are_read_around_a_damaged_one(chip, fram):
    log = events.EventLog(fram)
    log.find_end(0)
    for value in range(3):
        log.append(16, value, 1)
    chip.flip_bit(events.BASE + 2 * events.SIZE + 5, 1)
    assert [log.record(n) is not None for n in (1, 2, 3)] == [True, False, True]
