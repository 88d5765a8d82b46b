# SPDX-License-Identifier: Apache-2.0
"""Every word and figure format people see on the display.

The display has 20 columns; tables are one string each, cut in cells of 20, so that what is written here
looks as it is shown and costs no object per line. Figures are cut toward zero: nobody is shown credit or
energy that is not there yet.
"""

from meter.core.energy import COUNTS_PER_KWH

VERSION = "0.1.0"
COLUMNS = 20

# Two cells each, in the order of the CLAIM_ bits: the reason, the remedy.
_REASONS = (
    "Disconnected by     supplier. Call them."
    "Credit used up      Buy and insert card "
    "Low credit          Insert card to go on"
    "Load too high       Reduce, insert card "
    "Meter is blocked    Call your supplier  "
    "Supply not safe     Call your supplier  "
)
_REMOTE_READY = "Ready to reconnect: press button or card"

# Two cells each, in the order of the FAULT_ bits: the name, the remedy.
_FAULTS = (
    "Meter chip fault    Call your supplier  "
    "Memory fault        Call your supplier  "
    "Clock fault         Set or check clock  "
    "Card reader fault   Call your supplier  "
    "Display fault       Check its cable     "
    "Relay fault         Call your supplier  "
    "Tariff refused      Load a valid tariff "
    "Settings refused    Load valid settings "
    "Card keys missing   Provision this meter"
    "Program fault       It was restarted    "
    "Safe mode: no cards Take card out, wait "
    "Flash memory fault  Call your supplier  "
)

_WEEKDAYS = "MonTueWedThuFriSatSun"


def fit(text: str) -> str:
    """Exactly one display row."""
    return ("%-20s" % text)[:COLUMNS]


def pair(left: str, right: str) -> str:
    """One row with a label on the left and a figure on the right; the label yields, the figure is never
    cut (## when it does not fit at all)."""
    room = COLUMNS - len(right)
    if room < 0:
        return "#" * COLUMNS
    left = left[: max(room - 1, 0)]
    return left + " " * (room - len(left)) + right


def fixed(value: int, divisor: int, decimals: int) -> str:
    """value // divisor, cut toward zero, as a number with so many decimals; no sign on a zero."""
    minor = abs(value) // divisor
    sign = "-" if value < 0 and minor else ""
    if not decimals:
        return "%s%d" % (sign, minor)
    scale = 10**decimals
    return "%s%d.%0*d" % (sign, minor // scale, decimals, minor % scale)


def money(micro: int, decimals: int = 2) -> str:
    """Millionths of the currency unit as an amount."""
    return fixed(micro, 10 ** (6 - decimals), decimals)


def kwh(counts: int, decimals: int = 2) -> str:
    """Energy counts (0.01 pulse) as kWh."""
    return fixed(counts * 10**decimals, COUNTS_PER_KWH, decimals)


def weekday(number: int) -> str:
    """0 = Mon."""
    return _WEEKDAYS[3 * number : 3 * number + 3]


def bits(mask: int) -> list:
    """The numbers of the bits that are set, lowest first."""
    numbers = []
    number = 0
    while mask >> number:
        if mask >> number & 1:
            numbers.append(number)
        number += 1
    return numbers


def reason(claim_number: int, remote_ready: int = 0) -> tuple:
    """(reason, remedy) for a claim, by its bit number."""
    if claim_number == 0 and remote_ready:
        return cells(_REMOTE_READY, 0, 2)
    return cells(_REASONS, claim_number, 2)


def fault(fault_number: int) -> tuple:
    """(name, remedy) of a fault, by its bit number."""
    return cells(_FAULTS, fault_number, 2)


def cells(table: str, index: int, n: int) -> tuple:
    """The index-th group of n cells of a table."""
    at = index * n * COLUMNS
    return tuple([table[i : i + COLUMNS] for i in range(at, at + n * COLUMNS, COLUMNS)])
