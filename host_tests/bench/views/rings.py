# SPDX-License-Identifier: Apache-2.0
"""What the raw partition holds, read from the flash chip's bytes: what a reader sees after the meter is gone."""

import struct
from binascii import crc32
from typing import NamedTuple

from meter.core.state import MeterState
from meter.storage import flash_ledger, profile_reader
from meter.storage.incidents import Incidents

from host_tests.bench.plant.flash import RINGS_AT, RINGS_SIZE, SECTOR, NorFlash
from host_tests.bench.views.ledger import Event
from host_tests.bench.views.registers import maxima_of, rates_of


class Row(NamedTuple):
    """A slot of the load profile, as profile_reader.Reader.rows() gives it. None: not in its row, or not known."""

    number: int
    from_s: int
    end_s: int
    mask: int
    covered_s: int
    flags: int
    period_min: int
    import_counts: int | None = None
    export_counts: int | None = None
    q_import_counts: int | None = None
    q_export_counts: int | None = None
    va_counts: int | None = None
    voltage_cv: int | None = None
    current_ca: int | None = None
    pf_milli: int | None = None
    peak_10w: int | None = None
    u1_cv: int | None = None
    u2_cv: int | None = None
    u3_cv: int | None = None
    i1_ca: int | None = None
    i2_ca: int | None = None
    i3_ca: int | None = None


class Incident(NamedTuple):
    """What was measured when something began or ended (storage/incidents.py), phases in threes."""

    number: int
    event: int
    utc_s: int
    lasted_s: int
    code: int
    phase: int
    marks: int
    value: int
    u_dv: tuple
    i_ca: tuple
    p_w: tuple
    pf_milli: tuple
    freq_chz: int


def named(row: list) -> Row:
    """What the reader gives, by name."""
    channels = Row._fields[7:]
    chosen = [name for bit, name in enumerate(channels) if row[3] >> bit & 1]
    return Row(*row[:7], **dict(zip(chosen, row[7:], strict=True)))


class Rings:
    """The partition as esp32.Partition gives it, to be read only."""

    def __init__(self, flash: NorFlash):
        self.flash = flash

    def readblocks(self, block, buf, offset=0):
        buf[:] = self.flash.read(RINGS_AT + block * SECTOR + offset, len(buf))


def read_profile(flash: NorFlash, after_s: int = 0, until_s: int = 1 << 32) -> list[Row]:
    """All sound rows of slots that end in the range, in order of time."""
    return [named(row) for row in profile_reader.Reader(Rings(flash)).rows(after_s, until_s)]


def erases(flash: NorFlash) -> list[int]:
    """How often each block of the partition has been erased."""
    first = RINGS_AT // SECTOR
    return flash.erases[first : first + RINGS_SIZE // SECTOR]


def read_flash_ledger(flash: NorFlash) -> MeterState:
    """The newest sound record of a board without FRAM; a new state if there is none."""
    state = MeterState()
    flash_ledger.FlashLedger(Rings(flash)).load(state)
    return state


def read_flash_events(flash: NorFlash) -> list[Event]:
    """All sound records of a board without FRAM, in order of number."""
    log = flash_ledger.FlashEvents(Rings(flash))
    found = [log.record(number) for number in range(max(1, log.find_end(0) - 1500), log.next_number)]
    return [Event(*record) for record in found if record]


def read_incidents(flash: NorFlash) -> list[Incident]:
    """All sound records, in order of number."""
    log = Incidents(Rings(flash))
    found = [log.read(number) for number in range(max(1, log.ring.next_number - 2400), log.ring.next_number)]
    return [Incident(*r[:7], r[8], r[9:12], r[12:15], r[15:18], r[18:21], r[21]) for r in found if r]


class Frozen(NamedTuple):
    """All registers as they were when the days (or months) `first` to `last` began (or ended). phases: import of each,
    export, reactive import, reactive export. rates, maxima: as in registers_view.Registers."""

    number: int
    utc_s: int
    first: int
    last: int
    totals: tuple
    rate_counts: tuple
    rate_cost_micro: tuple
    charges_micro: int
    credit_micro: int
    debt_micro: int
    phases: tuple
    rates: list
    maxima: list


def _frozen(buf: bytes) -> Frozen:
    return Frozen(
        *struct.unpack_from("<IIHH", buf),
        struct.unpack_from("<5Q", buf, 16),
        struct.unpack_from("<8Q", buf, 56),
        struct.unpack_from("<8q", buf, 120),
        *struct.unpack_from("<QqQ", buf, 184),
        struct.unpack_from("<12Q", buf, 208),
        rates_of(buf[304:560]),
        maxima_of(buf[560:688]),
    )


def read_frozen(flash: NorFlash, months: bool = False) -> list[Frozen]:
    """All sound readings of midnights, or of month-ends, in order of number: by FORMAT.md alone."""
    first, count, kind = (181, 10, 6) if months else (157, 24, 5)
    size = 692
    found = []
    for block in range(first, first + count):
        data = flash.read(RINGS_AT + block * SECTOR, SECTOR)
        if struct.unpack_from("<HBB", data) != (0x5250, 1, kind):
            continue
        for at in range(16, SECTOR - size + 1, size):
            record = data[at : at + size]
            if struct.unpack("<I", record[-4:]) == (crc32(record[:-4]),) and any(record):
                found.append(_frozen(record))
    return sorted(found)
