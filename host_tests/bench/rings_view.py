# SPDX-License-Identifier: Apache-2.0
"""What the raw partition holds, read from the flash chip's bytes: what a reader sees after the meter is gone."""

from typing import NamedTuple

from meter.core.state import MeterState
from meter.storage import flash_ledger, profile

from .flash import RINGS_AT, SECTOR, NorFlash
from .ledger_view import Event


class Row(NamedTuple):
    """A slot of the load profile, as profile.Rows.rows() gives it."""

    number: int
    from_s: int
    end_s: int
    flags: int
    covered_s: int
    period_min: int
    import_counts: int
    export_counts: int
    q_import_counts: int
    q_export_counts: int
    voltage_cv: int
    current_ca: int
    pf_milli: int
    peak_10w: int


class Rings:
    """The partition as esp32.Partition gives it, to be read only."""

    def __init__(self, flash: NorFlash):
        self.flash = flash

    def readblocks(self, block, buf, offset=0):
        buf[:] = self.flash.read(RINGS_AT + block * SECTOR + offset, len(buf))


def read_profile(flash: NorFlash, after_s: int = 0, until_s: int = 1 << 32) -> list[Row]:
    """All sound rows of slots that end in the range."""
    rows = profile.Rows(Rings(flash))
    rows.ring.open()
    return [Row(*row) for row in rows.rows(after_s, until_s)]


def erases(flash: NorFlash) -> list[int]:
    """How often each block of the partition has been erased."""
    first = RINGS_AT // SECTOR
    return flash.erases[first : first + 128]


def read_flash_ledger(flash: NorFlash) -> MeterState:
    """The newest sound record of a board without FRAM; a new state if there is none."""
    state = MeterState()
    flash_ledger.FlashLedger(Rings(flash)).load(state)
    return state


def read_flash_events(flash: NorFlash) -> list[Event]:
    """All sound records of a board without FRAM, in order of number."""
    log = flash_ledger.FlashEvents(Rings(flash))
    found = [log.read(number) for number in range(max(1, log.open(0) - 1500), log.next_number)]
    return [Event(*record) for record in found if record]
