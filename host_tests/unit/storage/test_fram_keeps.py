# SPDX-License-Identifier: Apache-2.0
"""What FRAM acknowledges is read back: a part that keeps nothing, and one wrong bit on the way there or back."""

import contextlib

import pytest
from meter.core.errors import BusError, ChipError, StorageError
from meter.core.state import MeterState
from meter.drivers.fram import Fram
from meter.storage import events, ledger, registers, scratch

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip


class NoisyFram(Mb85rc256vChip):
    """to_flip: (write or read, how many bits on) whose bit is hit on the way, once for each entry."""

    def __init__(self):
        super().__init__(0x50)
        self.to_flip = []
        self.writes = 0

    def _hit(self, what, data, first):
        if self.to_flip and self.to_flip[0][0] == what and len(data) > first:
            _, bit = self.to_flip.pop(0)
            data = bytearray(data)
            data[first + bit // 8 % (len(data) - first)] ^= 1 << bit % 8
        return bytes(data)

    def i2c_write(self, data, now_us, byte_us):
        self.writes += len(data) > 2
        super().i2c_write(self._hit("write", data, 2) if len(data) > 2 else data, now_us, byte_us)

    def i2c_read(self, n, now_us, byte_us):
        return self._hit("read", super().i2c_read(n, now_us, byte_us), 0)


@pytest.fixture
def chip():
    chip = NoisyFram()
    chip.power_on(0)
    return chip


@pytest.fixture
def fram(chip):
    return Fram(DirectI2C(VirtualTime(), [chip]), 0x50)


def state_with(credit_micro):
    s = MeterState()
    s.credit_micro = credit_micro
    return s


def proving(fram):
    book = ledger.Ledger(fram)
    book.proves = True
    return book


def loaded(fram):
    s = MeterState()
    found = ledger.Ledger(fram).load(s)
    return found, s.credit_micro


# -- the driver -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [16, 17, 40, 188, 344, 440, 508])
def test_a_record_of_any_length_is_kept_and_read_back_whole(chip, fram, n):
    record = bytes(i * 7 & 0xFF for i in range(n))
    fram.keep(0x7FFF - n, record)
    assert chip.data[0x7FFF - n : 0x7FFF] == record and chip.writes == 1


@pytest.mark.parametrize("keeps_nothing", [True, 0, 0x0100, 0x0200 + 343])
def test_a_part_that_keeps_nothing_of_it_or_not_the_end_is_an_error(chip, fram, keeps_nothing):
    chip.keeps_nothing = keeps_nothing
    before = bytes(chip.data)
    fram.write(0x0200, bytes([0xA5]) * 344)  # acknowledged
    with pytest.raises(ChipError, match="does not keep"):
        fram.keep(0x0200, bytes([0xA5]) * 344)
    first = 0x0200 if keeps_nothing is True else max(0x0200, keeps_nothing)
    assert chip.data[first:] == before[first:]


def test_below_the_address_from_which_nothing_is_kept_all_is_well(chip, fram):
    chip.keeps_nothing = 0x5000
    fram.keep(0x0200, bytes([0xA5]) * 344)


def test_any_one_bit_hit_on_the_way_there_is_written_again(chip, fram):
    for bit in range(8 * 344):
        chip.to_flip = [("write", bit)]
        fram.keep(0x0200, bytes([bit & 0xFF]) * 344)
        assert chip.data[0x0200 : 0x0200 + 344] == bytes([bit & 0xFF]) * 344


def test_any_one_bit_hit_on_the_way_back_is_read_again_and_not_written(chip, fram):
    for bit in range(8 * 16):
        chip.to_flip = [("read", bit)]
        chip.writes = 0
        fram.keep(0x0200, bytes([bit & 0xFF]) * 344)
        assert chip.writes == 1 and not chip.to_flip


def test_one_transfer_that_is_not_acknowledged_is_tried_again_and_a_silent_part_is_a_bus_error(chip, fram):
    chip.nak_next = 1
    fram.keep(0, bytes(344))
    chip.absent = True
    with pytest.raises(BusError):
        fram.keep(0, bytes(344))


# -- the ledger -----------------------------------------------------------------------------------


def test_a_commit_that_does_not_read_back_leaves_the_newest_copy_and_its_number(chip, fram):
    book = proving(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))
    chip.keeps_nothing = True
    for _ in range(3):
        with pytest.raises(ChipError):
            book.commit(state_with(3))
        assert book.sequence == 2
    chip.keeps_nothing = False
    assert loaded(fram) == (ledger.LOADED, 2)
    book.commit(state_with(4))
    assert book.sequence == 3 and loaded(fram) == (ledger.LOADED, 4)


def test_with_one_copy_dead_the_other_one_is_never_written_over(chip, fram):
    """Ticks go on, and power may go at any byte of any of them: what was kept last is there."""
    book = proving(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))  # copy A; B is the next
    chip.keeps_nothing = ledger.SLOT_B
    for credit in range(3, 9):
        with pytest.raises(ChipError):
            book.commit(state_with(credit))
        assert loaded(fram)[1] == 2


def test_power_that_goes_at_any_byte_after_a_refusal_brings_back_the_state_before_it_or_the_one_refused(chip, fram):
    """The refused record may be there all the same, whole: written well, and read back wrongly each time. It is then
    written over by the state without it."""
    refused = bytearray(ledger.SIZE)
    for keep in range(ledger.SIZE + 1):
        book = proving(fram)
        book.commit(state_with(1))
        book.commit(state_with(2))
        ledger.pack_into(refused, 3, state_with(30))
        chip.data[ledger.SLOT_B : ledger.SLOT_B + ledger.SIZE] = refused
        chip.cut_after_bytes = keep
        with contextlib.suppress(BusError, ChipError):
            book.commit(state_with(4))
        chip.cut_after_bytes = None
        chip.power_on(0)
        _, credit_micro = loaded(fram)
        assert credit_micro == (4 if keep == ledger.SIZE else credit_micro) and credit_micro in (2, 4, 30), keep
        assert credit_micro != 30 or bytes(chip.data[ledger.SLOT_B : ledger.SLOT_B + ledger.SIZE]) == bytes(refused)
        chip.data[:] = bytes(len(chip.data))


def test_a_bit_hit_in_one_read_of_a_sound_copy_is_no_damage(chip, fram):
    book = ledger.Ledger(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))
    for bit in range(0, 8 * ledger.SIZE, 5):
        chip.to_flip = [("read", bit)]
        assert loaded(fram) == (ledger.LOADED, 2), bit


def test_a_bit_hit_in_one_read_of_the_only_copy_does_not_stop_the_meter(chip, fram):
    ledger.Ledger(fram).commit(state_with(1))
    for bit in range(0, 8 * ledger.SIZE, 5):
        chip.to_flip = [("read", bit)]
        found, credit_micro = loaded(fram)
        assert found != ledger.FRESH and credit_micro == 1, bit


def test_a_copy_that_is_damaged_is_read_three_times_and_no_more(chip, fram):
    book = ledger.Ledger(fram)
    book.commit(state_with(1))
    book.commit(state_with(2))
    chip.flip_bit(ledger.SLOT_A + 60, 1)
    chip.flip_bit(ledger.SLOT_B + 60, 1)
    reads = []
    genuine = fram.read_into
    fram.read_into = lambda at, buf: (reads.append(at), genuine(at, buf))
    with pytest.raises(StorageError):
        loaded(fram)
    assert reads == [ledger.SLOT_A] * 3 + [ledger.SLOT_B] * 3


# -- what is written seldom -----------------------------------------------------------------------


def test_registers_that_are_not_kept_are_an_error_and_the_copy_before_stays(chip, fram):
    one = registers.Registers(fram)
    one.odd_on(7)
    one.store()
    chip.keeps_nothing = registers.SLOT_A
    one.odd_on(8)
    with pytest.raises(ChipError):
        one.store()
    assert one.changed and registers.Registers(fram).pattern_day == 7


def test_no_bit_hit_in_a_read_of_a_twin_makes_the_older_copy_the_newer_one(chip, fram):
    one = registers.Registers(fram)
    for day in (7, 8, 9):
        one.odd_on(day)
        one.store()
    for skipped in range(4):
        for bit in range(64):
            chip.to_flip = [("read", bit)]
            genuine = chip.i2c_read
            left = [skipped]

            def read(n, now_us, byte_us, left=left, genuine=genuine):
                if left[0]:
                    left[0] -= 1
                    return Mb85rc256vChip.i2c_read(chip, n, now_us, byte_us)
                return genuine(n, now_us, byte_us)

            chip.i2c_read = read
            try:
                again = registers.Registers(fram)
            finally:
                chip.i2c_read = genuine
            assert (again.sequence, again.pattern_day) == (3, 9), (skipped, bit)


def test_an_event_that_is_not_kept_is_an_error_and_its_number_the_next_ones(chip, fram):
    log = events.EventLog(fram)
    log.find_end(0)
    log.append(16, 1, 5)
    chip.keeps_nothing = events.BASE
    with pytest.raises(ChipError):
        log.append(16, 2, 5)
    chip.keeps_nothing = False
    assert log.next_number == 2
    log.append(16, 3, 5)
    assert [log.record(n)[4] for n in (1, 2)] == [1, 3]


def test_the_scratch_cell_tells_a_part_that_keeps_from_one_that_does_not(chip, fram):
    for _ in range(3):
        scratch.prove(fram)
        before = bytes(chip.data)
        chip.keeps_nothing = True
        with pytest.raises(ChipError):
            scratch.prove(fram)
        chip.keeps_nothing = False
        assert bytes(chip.data) == before
