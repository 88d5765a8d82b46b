# SPDX-License-Identifier: Apache-2.0
"""FRAM: the driver's addresses and errors, and the model's wrap, wear, torn write and faults."""

import pytest
from meter.core.errors import BusError
from meter.drivers.fram import SIZE, Fram

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips import I2cNak
from scripts.chips.mb85rc256v import Mb85rc256vChip


@pytest.fixture
def chip():
    chip = Mb85rc256vChip()
    chip.power_on(0)
    return chip


@pytest.fixture
def fram(chip):
    return Fram(DirectI2C(VirtualTime(), [chip]))


def read(fram, offset, n):
    buf = bytearray(n)
    fram.read_into(offset, buf)
    return bytes(buf)


@pytest.mark.parametrize("offset", [0, 1, 255, 256, 4095, SIZE - 5])
def test_what_is_written_is_read_back_from_its_offset(chip, fram, offset):
    fram.write(offset, b"penny")
    assert read(fram, offset, 5) == b"penny"
    assert bytes(chip.data[offset : offset + 5]) == b"penny"
    assert bytes(chip.data).count(0) == SIZE - 5


def test_a_write_longer_than_an_eeprom_page_is_kept_whole(fram):
    record = bytes(range(256)) * 2
    fram.write(200, record)
    assert read(fram, 200, 512) == record


def test_the_bytes_survive_power_off(chip, fram):
    fram.write(7, b"kept")
    chip.power_off(0)
    with pytest.raises(BusError):
        read(fram, 7, 4)
    chip.power_on(0)
    assert read(fram, 7, 4) == b"kept"


@pytest.mark.parametrize(("offset", "n"), [(-1, 1), (SIZE, 1), (SIZE - 1, 2)])
def test_an_access_that_would_wrap_never_reaches_the_part(chip, fram, offset, n):
    with pytest.raises(ValueError):
        fram.write(offset, bytes(n))
    with pytest.raises(ValueError):
        fram.read_into(offset, bytearray(n))
    assert sum(chip.accesses) == 0


def test_a_silent_part_is_a_bus_error(chip, fram):
    chip.absent = True
    with pytest.raises(BusError):
        fram.write(0, b"x")
    with pytest.raises(BusError):
        read(fram, 0, 1)


def test_a_disturbed_transfer_is_a_bus_error_and_the_next_one_works(chip, fram):
    chip.nak_next = 1
    with pytest.raises(BusError):
        fram.write(0, b"x")
    fram.write(0, b"y")
    assert read(fram, 0, 1) == b"y"


@pytest.mark.parametrize("kept", range(5))
def test_a_cut_keeps_the_bytes_before_it_and_takes_the_power(chip, fram, kept):
    fram.write(0, b"old..")
    cuts = []
    chip.on_cut = cuts.append
    chip.cut_after_bytes = kept
    with pytest.raises(BusError):
        fram.write(0, b"NEW!!")
    assert bytes(chip.data[:5]) == b"NEW!!"[:kept] + b"old.."[kept:]
    assert len(cuts) == 1 and not chip.powered
    chip.power_on(0)
    fram.write(0, b"NEW!!")


def test_a_cut_can_lie_in_a_later_write(chip, fram):
    chip.cut_after_bytes = 7
    fram.write(0, b"12345")
    with pytest.raises(BusError):
        fram.write(8, b"abcde")
    assert bytes(chip.data[:13]) == b"12345\0\0\0ab\0\0\0"


def test_reads_wear_as_writes_do_and_a_row_of_eight_wears_together(chip, fram):
    fram.write(6, b"1234")  # rows 0 and 1
    read(fram, 8, 8)  # row 1
    assert chip.accesses[:3] == [1, 2, 0]


def test_a_flipped_cell_reads_back_wrong(chip, fram):
    fram.write(3, b"\x10")
    chip.flip_bit(3, 0)
    assert read(fram, 3, 1) == b"\x11"


def test_model_ignores_the_top_address_bit_and_wraps(chip):
    chip.i2c_write(b"\xff\xffAB", 0, 10)
    assert chip.data[0x7FFF] == ord("A") and chip.data[0] == ord("B")
    chip.i2c_write(b"\x7f\xff", 0, 10)
    assert chip.i2c_read(2, 0, 10) == b"AB"


def test_model_reads_on_from_its_address_counter(chip):
    chip.data[:4] = b"wxyz"
    chip.i2c_write(b"\x00\x00", 0, 10)
    assert chip.i2c_read(2, 0, 10) + chip.i2c_read(2, 0, 10) == b"wxyz"


def test_model_does_not_answer_without_power(chip):
    chip.power_off(0)
    with pytest.raises(I2cNak):
        chip.i2c_write(b"\x00\x00", 0, 10)
    with pytest.raises(I2cNak):
        chip.i2c_read(1, 0, 10)
