# SPDX-License-Identifier: Apache-2.0
"""The figure formats of the display, and rows of exactly 20 characters.

Figures are cut toward zero: nobody is shown credit or energy that is not there yet. The words are with the pages
that show them (pages.py, troubles.py, figures.py, cards/pages.py, cards/refusals.py).
"""

from micropython import const

_COLUMNS = const(20)


def fit(text: str) -> str:
    """Exactly one display row."""
    return ("%-20s" % text)[:_COLUMNS]


def pair(left: str, right: str) -> str:
    """One row with a label on the left and a figure on the right; the label yields, the figure is never
    cut (## when it does not fit at all)."""
    room = _COLUMNS - len(right)
    if room < 0:
        return "#" * _COLUMNS
    left = left[: max(room - 1, 0)]
    return left + " " * (room - len(left)) + right


def pairs(labels: str, a: str, b: str, c: str, d: str) -> tuple:
    """Four rows: a line of labels each, with a figure at its right."""
    left = labels.split("\n")
    return pair(left[0], a), pair(left[1], b), pair(left[2], c), pair(left[3], d)


def fixed(value: int, divisor: int, decimals: int) -> str:
    """value // divisor, cut toward zero, as a number with these decimals; no sign on a zero."""
    minor = abs(value) // divisor
    sign = "-" if value < 0 and minor else ""
    if not decimals:
        return "%s%d" % (sign, minor)
    scale = 10**decimals
    return "%s%d.%0*d" % (sign, minor // scale, decimals, minor % scale)


def money(micro: int, decimals: int) -> str:
    """Millionths of the currency unit as an amount."""
    return fixed(micro, 10 ** (6 - decimals), decimals)
