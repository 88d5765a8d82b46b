# SPDX-License-Identifier: Apache-2.0
"""Numbers as people write them, strictly: ASCII digits, a point, a sign; no 1_0, no other script's digits, no exponent.

Results are integers. Raises ValueError with what is wrong, as the rest of a sentence.
"""

import re

from .errors import shown

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{1,18}))?")


def integer(text: str, low: int, high: int, name: str = "") -> int:
    """low <= result <= high. name: what the number is, for the error."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(_said(name, text, "a whole number is expected, in digits 0 to 9"))
    return _between(int(text), low, high, name, text, 0)


def decimal(text: str, places: int, low: int, high: int, name: str = "") -> int:
    """A decimal like -12.5 times 10 ** places, exactly; low and high are such multiples, too.

    Digits beyond `places` may be zeros only."""
    found = _DECIMAL.fullmatch(text)
    if not found:
        raise ValueError(_said(name, text, "a decimal number is expected, like 12.5"))
    sign, whole, part = found[1], found[2], (found[3] or "").rstrip("0")
    if len(part) > places:
        raise ValueError(_said(name, text, f"at most {places} digits may follow the point"))
    value = int(whole + part.ljust(places, "0"))
    return _between(-value if sign == "-" else value, low, high, name, text, places)


def _between(value, low, high, name, text, places):
    if not low <= value <= high:
        limits = f"{plain(low, places)} to {plain(high, places)}"
        raise ValueError(_said(name, text, f"{limits} is possible"))
    return value


def plain(value: int, places: int) -> str:
    """1500, 3 -> 1.5"""
    sign, digits = "-" if value < 0 else "", str(abs(value)).rjust(places + 1, "0")
    if not places:
        return sign + digits
    return (sign + digits[:-places] + "." + digits[-places:]).rstrip("0").rstrip(".")


def _said(name, text, why):
    return f"{name + ' ' if name else ''}is {shown(text) if text else 'empty'}, and {why}"
