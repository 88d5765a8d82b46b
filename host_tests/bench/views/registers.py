# SPDX-License-Identifier: Apache-2.0
"""The register record in FRAM, read from its bytes by FORMAT.md ("Registers") alone: nothing of the firmware's."""

import struct
from binascii import crc32
from typing import NamedTuple

_COPIES = (0x5000, 0x5400)
_BYTES = 508


class Peak(NamedTuple):
    """A maximum: energy of the interval, and its end."""

    counts: int
    utc_s: int


class Maximum(NamedTuple):
    block: Peak
    sliding: Peak


class Registers(NamedTuple):
    """rate: in force since `totals`; None: none yet. Energies: export, reactive import, reactive export, apparent.
    month_costs_micro: of the eight rates, and standing charges, when the month began."""

    sequence: int
    totals: tuple
    rate: int | None
    month: int
    pattern_day: int
    rates: list
    maxima: list
    month_costs_micro: tuple


def rates_of(buf: bytes) -> list:
    """256 bytes: eight times four energies."""
    return list(struct.iter_unpack("<4Q", buf))


def maxima_of(buf: bytes) -> list[Maximum]:
    """128 bytes: eight times block and sliding."""
    return [Maximum(Peak(*four[:2]), Peak(*four[2:])) for four in struct.iter_unpack("<4I", buf)]


def read_registers(chip) -> Registers | None:
    """The newest sound copy; None when there is none."""
    found = []
    for at in _COPIES:
        buf = bytes(chip.data[at : at + _BYTES])
        magic, version, _, sequence = struct.unpack_from("<HBBI", buf)
        if (magic, version) == (0x5250, 1) and struct.unpack("<I", buf[-4:]) == (crc32(buf[:-4]),):
            rate, _, month, pattern_day, _ = struct.unpack_from("<BBHHH", buf, 40)
            known = struct.unpack_from("<4Q", buf, 8), rate - 1 if rate else None, month, pattern_day
            costs = struct.unpack_from("<9q", buf, 432)
            found.append(Registers(sequence, *known, rates_of(buf[48:304]), maxima_of(buf[304:432]), costs))
    return max(found, default=None)


def now_by_rate(record: Registers, totals) -> list:
    """The four energies of each rate, when all of each have come to so much: what has come since is the rate's in
    force."""
    rates = [tuple(rate) for rate in record.rates]
    if record.rate is not None:
        since = zip(rates[record.rate], totals, record.totals, strict=True)
        rates[record.rate] = tuple(rate + now - then for rate, now, then in since)
    return rates
