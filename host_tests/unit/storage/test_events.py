# SPDX-License-Identifier: Apache-2.0
"""The event log in FRAM: numbers that only rise and are never used twice, whatever lies around them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core.errors import BusError
from meter.drivers.fram import Fram
from meter.storage import events

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip


class Chip(Mb85rc256vChip):
    def __init__(self):
        super().__init__(0x50)
        self.power_on(0)

    def log(self, mark):
        """The log as a start of the firmware finds it; mark: what the ledger says the next number is."""
        log = events.EventLog(Fram(DirectI2C(VirtualTime(), [self]), 0x50))
        log.find_end(mark)
        return log

    def damage(self, number, byte=9):
        self.flip_bit(events.BASE + number % events.SLOTS * events.SIZE + byte, 2)


@pytest.fixture
def chip():
    return Chip()


def write(log, n):
    for _ in range(n):
        log.append(16, log.next_number, None)


def values(log, first, last):
    return [record and record[4] for record in map(log.record, range(first, last + 1))]


def test_three_thousand_records_wrap_and_the_newest_1024_are_read(chip):
    log = chip.log(0)
    write(log, 3000)
    assert values(log, 3000 - 1023, 3000) == list(range(3000 - 1023, 3001))
    assert values(log, 1900, 1976) == [None] * 77


def test_a_damaged_neighbour_hides_nothing(chip):
    log = chip.log(0)
    write(log, 3000)
    for number in (2500, 2502, 2503):
        chip.damage(number)
    again = chip.log(3001)
    assert values(again, 2499, 2505) == [2499, None, 2501, None, None, 2504, 2505]


@pytest.mark.parametrize("behind", range(6))
def test_records_the_ledger_does_not_know_of_yet_are_found(chip, behind):
    """A cut between an append and the commit that would have told."""
    write(chip.log(0), 1500)
    assert chip.log(1501 - behind).next_number == 1501


@pytest.mark.parametrize("damaged", [1496, 1497, 1498, 1499, 1500])
def test_a_damaged_record_behind_the_ledgers_mark_is_not_the_end(chip, damaged):
    write(chip.log(0), 1500)
    chip.damage(damaged)
    again = chip.log(1496)
    assert again.next_number == 1501
    assert values(again, 1496, 1500) == [None if n == damaged else n for n in range(1496, 1501)]


@pytest.mark.parametrize("kept", range(1, events.SIZE))
@pytest.mark.parametrize("before", [2, 1500])
def test_an_append_cut_at_any_byte_uses_up_its_number_at_most(chip, kept, before):
    log = chip.log(0)
    write(log, before)
    chip.cut_after_bytes = kept
    with pytest.raises(BusError):
        write(log, 1)
    chip.power_on(0)
    again = chip.log(before)
    assert again.next_number in (before + 1, before + 2)
    write(again, 1)
    assert values(again, before, before) == [before]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 16), st.booleans()), max_size=20))
def test_no_number_is_used_twice_over_any_cuts(runs):
    """runs: records written whole, bytes of the one that was cut (16: none), and did the ledger hear of them?"""
    chip = Chip()
    seen = set()
    mark = 0
    for whole, kept, committed in runs:
        log = chip.log(mark)
        for _ in range(whole):
            number = log.next_number
            log.append(16, 0, None)
            assert number not in seen
            seen.add(number)
        if committed:
            mark = log.next_number
        if kept < events.SIZE:
            chip.cut_after_bytes = kept
            with pytest.raises(BusError):
                log.append(16, 0, None)
            chip.cut_after_bytes = None
            chip.power_on(0)
    last = chip.log(mark)
    assert all(last.record(number) for number in seen)
    assert last.next_number > max(seen, default=0)


def test_new_fram_of_ones_begins_at_1(chip):
    chip.data[:] = b"\xff" * len(chip.data)
    assert chip.log(0).next_number == 1


def test_opening_reads_little(chip):
    write(chip.log(0), 50)
    before = sum(chip.accesses)
    chip.log(51)
    assert sum(chip.accesses) - before <= 17 * events.SIZE // 8
