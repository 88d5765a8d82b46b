# SPDX-License-Identifier: Apache-2.0
"""The ring on raw flash: what is acknowledged is kept, whatever power and flash do."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter.core.errors import StorageError
from meter.storage.ring import BLOCK, HEAD, Ring

from host_tests.stands.flash_cuts import CutFlash, PowerCut

SIZE = 1360  # three records to a block: every corner is near
PER = (BLOCK - HEAD) // SIZE
COUNT = 4
KIND = 9


def ring_on(dev, size=SIZE, count=COUNT, known=0):
    ring = Ring(dev, 0, count, size, KIND)
    ring.open(known)
    return ring


def record(value, size=SIZE):
    buf = bytearray(size)
    struct.pack_into("<I", buf, 4, value)
    buf[8:-4] = bytes((value * 7 + i) & 0xFF for i in range(size - 12))
    return buf


def value_of(ring, number, size=SIZE):
    buf = bytearray(size)
    if not ring.read_into(number, buf):
        return None
    (value,) = struct.unpack_from("<I", buf, 4)
    assert buf[4:-4] == record(value, size)[4:-4]
    return value


def put(ring, value, size=SIZE):
    return ring.append(record(value, size))


def held(ring):
    """number -> value of all that can be read."""
    return {n: v for n in range(1, ring.next_number) if (v := value_of(ring, n)) is not None}


def test_an_empty_partition_holds_nothing_and_begins_at_1():
    ring = ring_on(CutFlash(COUNT))
    assert (ring.next_number, ring.damaged, list(ring.spans())) == (1, 0, [])
    assert put(ring, 5) == 1


def test_records_are_read_by_number():
    ring = ring_on(CutFlash(COUNT))
    for n in range(1, 8):
        assert put(ring, n * 10) == n
    assert held(ring) == {n: n * 10 for n in range(1, 8)}
    assert value_of(ring, 0) is None and value_of(ring, 8) is None


def test_the_oldest_block_is_overwritten_and_all_others_are_kept():
    ring = ring_on(CutFlash(COUNT))
    for n in range(1, 101):
        put(ring, n)
        # The block ahead is erased, the current one is filling.
        least = max(1, n - (COUNT - 2) * PER + 1)
        assert all(value_of(ring, m) == m for m in range(least, n + 1)), n


def test_each_block_full_costs_one_erase_whatever_comes_between():
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    for n in range(60):
        put(ring, n)
        if n % 7 == 0:
            ring = ring_on(dev, known=ring.next_number)
    assert sum(dev.flash.erases) in (60 // PER, 60 // PER + 1)
    assert dev.flash.violations == []


def test_opening_again_goes_on_behind_a_slot_passed_over():
    dev = CutFlash(COUNT)
    put(ring_on(dev), 1)
    again = ring_on(dev)
    assert put(again, 2) == 3
    assert held(again) == {1: 1, 3: 2}
    assert again.next_number == 4


def test_opening_in_the_same_run_passes_nothing_over():
    dev = CutFlash(COUNT)
    first = ring_on(dev)
    put(first, 1)
    assert put(ring_on(dev, known=first.next_number), 2) == 2


def test_opening_reads_one_head_per_block_and_few_records():
    dev = CutFlash(90)
    ring = ring_on(dev, size=40, count=90)
    for n in range(300):
        put(ring, n, 40)
    dev.reads = 0
    ring_on(dev, size=40, count=90)
    assert dev.reads <= 90 + 8


def test_what_somebody_else_left_in_the_partition_is_overwritten():
    dev = CutFlash(COUNT)
    dev.flash.data[:] = bytes(i * 31 & 0xFF for i in range(len(dev.flash.data)))
    ring = ring_on(dev)
    assert ring.damaged == 0
    for n in range(1, 30):
        assert put(ring, n) == n
    assert value_of(ring, 29) == 29 and dev.flash.violations == []


def test_records_are_read_around_a_damaged_one_and_its_number_is_not_used_again():
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    for n in range(1, 6):
        put(ring, n)
    dev.flash.data[HEAD + SIZE + 20] ^= 4  # record 2
    again = ring_on(dev)
    assert held(again) == {1: 1, 3: 3, 4: 4, 5: 5}
    assert put(again, 6) > 5


@pytest.mark.parametrize("byte", range(HEAD))
def test_a_block_with_a_damaged_head_is_found_by_its_records(byte):
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    for n in range(1, 6):
        put(ring, n)
    for block in (0, 1):
        dev.flash.data[block * BLOCK + byte] ^= 0x10
    again = ring_on(dev)
    assert held(again) == {n: n for n in range(1, 6)}
    assert put(again, 6) > 5


def test_a_block_of_records_that_are_all_damaged_is_reported_and_left_until_its_turn_comes():
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    for n in range(1, 4):
        put(ring, n)
    for at in (5, *(HEAD + i * SIZE + 20 for i in range(PER))):
        dev.flash.data[at] ^= 1
    before = bytes(dev.flash.data[:BLOCK])
    again = ring_on(dev)
    assert again.damaged == 1
    assert bytes(dev.flash.data[:BLOCK]) == before


@pytest.mark.parametrize("bad", range(COUNT))
def test_a_block_that_fails_is_passed_and_counted(bad):
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    kept = {}
    for n in range(1, 40):
        if n == 11:
            dev.flash.bad_sectors.add(bad)
        kept[put(ring, n)] = n
        newest = list(kept)[-2 if n < 12 else -1 :]
        assert all(value_of(ring, m) == kept[m] for m in newest)
    assert ring.gave_up >= 2
    assert sorted(kept) == list(range(1, 40))
    again = ring_on(dev)
    assert again.next_number >= 40 and put(again, 40) >= 40


def test_a_block_that_programs_wrongly_is_passed():
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    put(ring, 1)
    program = dev.flash.program

    def stuck(offset, data):
        data = bytearray(data)
        if offset < BLOCK and len(data) == SIZE:
            data[50] = 0
        return program(offset, bytes(data))

    dev.flash.program = stuck
    assert put(ring, 2) == 2
    assert held(ring) == {1: 1, 2: 2} and ring.gave_up == 1
    assert held(ring_on(dev)) == {1: 1, 2: 2}


def test_two_blocks_in_a_row_that_fail_at_their_first_record_confuse_no_number():
    for start in range(COUNT):
        dev = CutFlash(COUNT)
        ring = ring_on(dev)
        for n in range(1, start * PER + 1):
            put(ring, n)
        program = dev.flash.program
        left = [2]

        def failing(offset, data, left=left, program=program):
            if len(data) == SIZE and left[0]:
                left[0] -= 1
                return False
            return program(offset, data)

        dev.flash.program = failing
        number = put(ring, 77)
        assert value_of(ring_on(dev), number) == 77
        assert put(ring_on(dev), 78) > number


def test_flash_that_takes_nothing_is_an_error_and_no_loop():
    dev = CutFlash(COUNT)
    dev.flash.bad_sectors.update(range(COUNT))
    ring = ring_on(dev)
    with pytest.raises(StorageError):
        put(ring, 1)
    dev.flash.bad_sectors.clear()
    assert put(ring, 1) == 1


def test_flash_that_cannot_be_read_is_an_error():
    dev = CutFlash(COUNT)
    dev.broken_reads = True
    with pytest.raises(StorageError):
        ring_on(dev)


def test_spans_give_each_number_once_in_order():
    ring = ring_on(CutFlash(COUNT))
    for n in range(1, 21):
        put(ring, n)
    spans = list(ring.spans())
    assert [n for first, end, _ in spans for n in range(first, end)] == list(range(spans[0][0], 21))
    assert spans[0][0] <= 21 - (COUNT - 2) * PER


def test_a_mixed_block_stays_marked():
    dev = CutFlash(COUNT)
    ring = ring_on(dev)
    for n in range(1, 9):
        put(ring, n)
        if n == 4:
            ring.mix()
    assert [mixed for _, _, mixed in ring_on(dev).spans()] == [False, True, False]
    assert dev.flash.violations == []


def run_to_the_cut(dev, ring, values, kept):
    """Append until the power fails; kept: what was acknowledged."""
    for value in values:
        kept[put(ring, value)] = value


def check(dev, kept, ever):
    """After a restart: nothing acknowledged of the last blocks is lost, no number comes twice."""
    dev.cut_at = None
    ring = ring_on(dev)
    newest = max(kept, default=0)
    assert ring.next_number > newest
    for number, value in kept.items():
        if number >= ring.next_number - (COUNT - 2) * PER:
            assert value_of(ring, number) == value, number
    for number, value in held(ring).items():
        assert ever[value] == number
    assert dev.flash.violations == []
    return ring


def test_a_cut_at_every_byte_and_every_erase_loses_nothing_acknowledged():
    """Every place of a whole turn of a small ring, for every way an erase can be torn."""
    size = 40
    lap = CutFlash(3)
    ring = ring_on(lap, size, 3)
    for n in range(310):
        put(ring, n, size)
    operations = lap.done
    start = operations - 310  # around the third block's end and the erase after the next one's first record
    places = [*range(start, operations), *range(0, operations, 211)]
    for torn in range(5):
        for at in places:
            dev = CutFlash(3)
            dev.cut_at, dev.torn = at, torn
            ring = ring_on(dev, size, 3)
            acknowledged = 0
            try:
                for n in range(1, 311):
                    assert put(ring, n, size) == n
                    acknowledged = n
            except PowerCut:
                pass
            dev.cut_at = None
            again = ring_on(dev, size, 3)
            newest = max(1, acknowledged - 101)
            assert all(value_of(again, n, size) == n for n in range(newest, acknowledged + 1)), at
            number = put(again, 999, size)
            assert number > acknowledged and value_of(again, number, size) == 999
            assert dev.flash.violations == []


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 2**16)), max_size=12))
def test_cut_after_cut_after_cut(cuts):
    """Any number of cuts, also in recovery: what was acknowledged is there, and numbers only rise."""
    dev = CutFlash(COUNT)
    kept, ever = {}, {}
    value = 0
    for after, torn in [*cuts, (3000, 0)]:
        ring = check(dev, kept, ever)
        dev.cut_at, dev.torn, dev.done = after, torn, 0
        try:
            while True:
                value += 1
                # Written, even if power fails before that is known: it may be found later.
                ever[value] = ring.next_number
                number = put(ring, value)
                assert number == ever[value]
                kept[number] = value
        except PowerCut:
            pass
    check(dev, kept, ever)
