# SPDX-License-Identifier: Apache-2.0
"""The first commit a meter ever makes: cut anywhere in it, the meter is a new one still, and starts."""

import pytest
from meter.core.errors import BusError, StorageError
from meter.core.state import MeterState
from meter.drivers.fram import Fram
from meter.storage import ledger

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip


@pytest.fixture(params=[0x00, 0xFF], ids=["zeros", "ones"])
def chip(request):
    chip = Mb85rc256vChip(0x50)
    chip.data[:] = bytes((request.param,)) * len(chip.data)
    chip.power_on(0)
    return chip


def commit(chip, times=1, phases=1):
    book = ledger.Ledger(Fram(DirectI2C(VirtualTime(), [chip])))
    s = MeterState()
    found = book.load(s)
    s.phase_counts = [0] * 12 if phases == 3 else []
    for _ in range(times):
        s.credit_micro += 1
        book.commit(s)
    return found


@pytest.mark.parametrize("phases, size", [(1, ledger.SIZE), (3, ledger.SIZE_3)])
def test_cut_at_any_byte_it_is_a_new_meter_that_starts(chip, phases, size):
    before = bytes(chip.data)
    for keep in range(size):
        chip.data[:] = before
        chip.cut_after_bytes = keep
        with pytest.raises(BusError):
            commit(chip, phases=phases)
        chip.power_on(0)
        assert commit(chip, phases=phases) == ledger.FRESH, keep
        assert commit(chip, phases=phases) == ledger.LOADED


def test_a_whole_first_record_that_was_damaged_is_not_written_over(chip):
    commit(chip)
    chip.flip_bit(ledger.SLOT_B + 60, 1)
    chip.data[ledger.SLOT_B + ledger.SIZE - 1] ^= 0x55  # neither a blank's last byte
    with pytest.raises(StorageError, match="damaged"):
        commit(chip)


def test_a_first_record_of_a_newer_version_is_not_taken_for_a_cut_one(chip):
    """Whatever the last byte of its CRC is."""
    blank = chip.data[0]
    commit(chip)
    at = ledger.SLOT_B
    for spare in range(4096):
        record = bytearray(chip.data[at : at + ledger.SIZE])
        record[2] = ledger._VERSION + 1
        ledger.struct.pack_into("<I", record, 8, spare)
        ledger.struct.pack_into("<I", record, ledger._BODY, ledger.crc32(record[: ledger._BODY]))
        if record[-1] == blank:
            break
    assert record[-1] == blank
    chip.data[at : at + ledger.SIZE] = record
    with pytest.raises(StorageError, match=f"version {ledger._VERSION + 1}"):
        commit(chip)


def test_with_a_second_commit_made_a_damaged_copy_is_no_cut_one(chip):
    commit(chip, times=2)
    for slot in (ledger.SLOT_A, ledger.SLOT_B):
        chip.data[slot + 9] ^= 1
        chip.data[slot + ledger.SIZE - 1] = 0
    with pytest.raises(StorageError, match="damaged"):
        commit(chip)
