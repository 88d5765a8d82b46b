# SPDX-License-Identifier: Apache-2.0
"""Readings of months and days: two copies, torn and damaged ones, gaps, and the mean of a day."""

import struct
from binascii import crc32
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.cards import records
from meter.core.errors import BusError
from meter.storage.readings import SIZE, SLOT_A, SLOT_B, Readings

from scripts.chips.mb85rc256v import SIZE as FRAM_SIZE

DEC_2025 = 25 * 12 + 11
NONE = [(0, 0)] * 12


class Memory:
    """A FRAM. cut_at: the next write keeps this many bytes, then fails; silent: it does not answer."""

    def __init__(self, blank=0):
        self.data = bytearray((blank,)) * FRAM_SIZE
        self.cut_at = None
        self.silent = False
        self.writes = []

    def read_into(self, offset, buf):
        if self.silent:
            raise BusError(0, "silent")
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, offset, buf):
        if self.silent:
            raise BusError(0, "silent")
        kept = bytes(buf) if self.cut_at is None else bytes(buf[: self.cut_at])
        self.data[offset : offset + len(kept)] = kept
        if self.cut_at is not None:
            self.cut_at = None
            raise BusError(0, "cut")
        self.writes.append(offset)

    keep = write

    def image(self):
        other = Memory()
        other.data[:] = self.data
        return other


def months(fram):
    record = records.months(SimpleNamespace(fram=fram))
    assert len(record) == 96
    return [(m, low | high << 32) for m, low, high in struct.iter_unpack("<HIH", record)]


def note(fram, month=None, day=None):
    one = Readings(fram)
    if month:
        one.month_began(*month)
    if day:
        one.day_began(*day)
    one.store()
    return one


def mean(fram):
    return Readings(fram).daily_micro()


# -- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", (0, 0xFF))
def test_new_memory_holds_no_readings(blank):
    fram = Memory(blank)
    assert months(fram) == NONE and mean(fram) == 0


def test_copies_are_written_in_turn():
    fram = Memory()
    for day in range(1, 6):
        note(fram, day=(day, day))
    assert fram.writes == [SLOT_B, SLOT_A, SLOT_B, SLOT_A, SLOT_B]


def test_nothing_new_is_not_written():
    fram = Memory()
    note(fram, (DEC_2025, 5), (9500, 7))
    note(fram, (DEC_2025, 6), (9500, 8))
    Readings(fram).store()
    assert len(fram.writes) == 1
    assert months(fram)[0] == (DEC_2025 - 1, 5)


def test_one_object_stores_again_over_the_other_copy():
    fram = Memory()
    one = note(fram, day=(10, 0))
    one.day_began(11, 5)
    one.store()
    assert fram.writes == [SLOT_B, SLOT_A]
    assert mean(fram) == 5


@pytest.mark.parametrize("stored", range(4))
@pytest.mark.parametrize("blank", (0, 0xFF))
def test_a_write_torn_at_any_byte_keeps_what_was_there(stored, blank):
    fram = Memory(blank)
    for n in range(stored):
        note(fram, (DEC_2025 + n, n * 1000), (9500 + n, n * 500))
    before = months(fram), mean(fram)
    after = fram.image()
    note(after, (DEC_2025 + stored, 70_000), (9500 + stored, 9_000))
    after = months(after), mean(after)
    for keep in range(SIZE):
        torn = fram.image()
        torn.cut_at = keep
        with pytest.raises(BusError):
            note(torn, (DEC_2025 + stored, 70_000), (9500 + stored, 9_000))
        found = months(torn), mean(torn)
        # What was cut off may have been there already: then the record is whole.
        assert found == before or (found == after and keep > 184), keep
        note(torn, (DEC_2025 + stored, 70_000), (9500 + stored, 9_000))
        assert (months(torn), mean(torn)) == after, keep


def test_a_changed_bit_in_the_newer_copy_gives_the_older_one():
    fram = Memory()
    note(fram, (DEC_2025, 1), (9500, 0))
    note(fram, (DEC_2025 + 1, 2), (9501, 70))
    for byte in range(SIZE):
        for bit in range(8):
            fram.data[SLOT_A + byte] ^= 1 << bit
            assert months(fram)[:2] == [(DEC_2025 - 1, 1), (0, 0)], (byte, bit)
            fram.data[SLOT_A + byte] ^= 1 << bit
    assert months(fram)[:2] == [(DEC_2025, 2), (DEC_2025 - 1, 1)]


def test_both_copies_damaged_are_no_readings_and_are_begun_anew():
    fram = Memory()
    for n in range(3):
        note(fram, (DEC_2025 + n, n), (9500 + n, n))
    for slot in (SLOT_A, SLOT_B):
        fram.data[slot + 50] ^= 1
    assert months(fram) == NONE and mean(fram) == 0
    note(fram, (DEC_2025 + 3, 77), (9503, 40))
    assert months(fram) == [(DEC_2025 + 2, 77), *NONE[1:]]


def test_a_record_of_another_version_is_no_record():
    fram = Memory()
    note(fram, (DEC_2025, 1))
    record = fram.data[SLOT_B : SLOT_B + SIZE]
    record[2] = 2
    struct.pack_into("<I", record, 184, crc32(record[:184]))
    fram.data[SLOT_B : SLOT_B + SIZE] = record
    assert months(fram) == NONE


@pytest.mark.parametrize("call", (Readings, lambda fram: note(fram, (DEC_2025, 1))))
def test_a_silent_memory_is_told(call):
    fram = Memory()
    fram.silent = True
    with pytest.raises(BusError):
        call(fram)


# -- months -----------------------------------------------------------------------------------------


def test_a_month_is_read_when_the_next_one_begins():
    fram = Memory()
    note(fram, (DEC_2025, 123_456))
    assert months(fram) == [(DEC_2025 - 1, 123_456), *NONE[1:]]


def test_months_go_on_over_the_end_of_a_year_newest_first():
    fram = Memory()
    for n in range(4):
        note(fram, (DEC_2025 - 1 + n, n * 100))
    assert months(fram)[:4] == [(DEC_2025 + 1, 300), (DEC_2025, 200), (DEC_2025 - 1, 100), (DEC_2025 - 2, 0)]


def test_twelve_months_are_kept():
    fram = Memory()
    for n in range(30):
        note(fram, (DEC_2025 + n, n))
    assert months(fram) == [(DEC_2025 + 28 - n, 29 - n) for n in range(12)]


@pytest.mark.parametrize("gap", (1, 2, 3, 11, 12, 13, 40))
def test_months_that_were_missed_ended_where_the_last_one_did(gap):
    fram = Memory()
    note(fram, (DEC_2025, 100))
    note(fram, (DEC_2025 + gap, 900))
    wanted = [(DEC_2025 + gap - 1 - n, 900) for n in range(min(gap, 12))] + [(DEC_2025 - 1, 100)] + NONE
    assert months(fram) == wanted[:12]


def test_an_earlier_month_changes_nothing():
    fram = Memory()
    note(fram, (DEC_2025, 100))
    for month in (DEC_2025, DEC_2025 - 1, DEC_2025 - 300):
        note(fram, (month, 5))
    assert months(fram) == [(DEC_2025 - 1, 100), *NONE[1:]]


def test_registers_beyond_32_bits_are_kept_whole():
    fram = Memory()
    for counts in ((1 << 32) - 1, 1 << 32, (1 << 48) - 1):
        note(fram, (DEC_2025 + counts.bit_length(), counts))
        assert months(fram)[0][1] == counts


# -- days ---------------------------------------------------------------------------------------------


def test_nothing_is_known_of_the_first_day():
    fram = Memory()
    note(fram, day=(9500, 1_000_000))
    assert mean(fram) == 0


def test_the_mean_of_up_to_seven_days():
    fram = Memory()
    spent = 0
    costs = [100, 300, 200, 0, 0, 700, 107, 50, 90, 1]
    for n, cost in enumerate([*costs, 0]):
        note(fram, day=(9500 + n, spent))
        week = costs[max(0, n - 7) : n]
        assert mean(fram) == (sum(week) // len(week) if week else 0), n
        spent += cost


def test_days_without_a_reading_count_in_the_mean():
    fram = Memory()
    note(fram, day=(9500, 0))
    note(fram, day=(9504, 400))
    assert mean(fram) == 100


def test_readings_older_than_a_week_are_not_taken():
    fram = Memory()
    note(fram, day=(9500, 0))
    note(fram, day=(9501, 100))
    note(fram, day=(9508, 800))
    assert mean(fram) == 100  # from 9501
    note(fram, day=(9516, 5_000))
    assert mean(fram) == 0


def test_an_earlier_day_and_the_same_day_change_nothing():
    fram = Memory()
    note(fram, day=(9500, 0))
    note(fram, day=(9501, 100))
    for day in (9501, 9500, 1):
        note(fram, day=(day, 10**9))
    assert mean(fram) == 100


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 10**9)), min_size=1, max_size=25))
def test_the_mean_is_that_of_a_list_of_all_days(story):
    fram = Memory()
    kept = []
    day, spent = 9000, 0
    for gap, cost in story:
        note(fram, day=(day, spent))
        kept.append((day, spent))
        inside = [(then, before) for then, before in kept[-8:] if day - 7 <= then < day]
        wanted = (spent - inside[0][1]) // (day - inside[0][0]) if inside else 0
        assert mean(fram) == wanted
        day, spent = day + gap, spent + cost


def test_there_is_an_end_to_forgetting_in_the_very_first_month():
    """A wrong clock may say January 2000, which is month 0."""
    readings = Readings(Memory())
    readings.forget(0, 0, 5)
    assert not readings.changed
