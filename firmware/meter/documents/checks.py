# SPDX-License-Identifier: Apache-2.0
"""Checks for the JSON documents people write by hand.

Each takes a value and the path to name in the ConfigError that refuses it. Loaded only while a document is
read.
"""

from micropython import const

from meter.core import calendar
from meter.core.errors import ConfigError

MICRO = const(1_000_000)
_MAX_DIGITS = const(10)
DIGITS = b"0123456789"
CAPITALS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digits(text: str) -> bool:
    """Is text a string of one or more of 0..9? (str.isdigit differs between interpreters.)"""
    return only(text, DIGITS)


def only(text: str, allowed: bytes) -> bool:
    """Is text a string of one or more characters, each of them allowed?

    Looked at as bytes: each character of a string that MicroPython takes apart stays on the heap as a name.
    """
    return type(text) is str and text != "" and all(byte in allowed for byte in text.encode())


def integer(value, path: str, low: int, high: int) -> int:
    """A whole number in range; ConfigError naming path otherwise."""
    if type(value) is not int:
        raise ConfigError(path, "must be a whole number")
    if low == high != value:
        raise ConfigError(path, f"must be {low}")
    if not low <= value <= high:
        raise ConfigError(path, f"{value} is not between {low} and {high}")
    return value


def micro(value, path: str, low: int, high: int) -> int:
    """A decimal string in exact millionths, low..high millionths; ConfigError naming path otherwise."""
    if type(value) is not str:
        raise ConfigError(path, 'must be an amount in quotes, such as "0.25"')
    whole, point, part = value.partition(".")
    negative = whole[:1] == "-"
    if negative:
        whole = whole[1:]
    if not digits(whole) or len(whole) > _MAX_DIGITS or (point and not digits(part)):
        raise ConfigError(path, f'"{value}" is not an amount such as "0.25"')
    if len(part) > 6:
        raise ConfigError(path, f'"{value}" has more than 6 decimals')
    n = int(whole) * MICRO + int((part + "000000")[:6])
    if negative:
        n = -n
    if n < low:
        raise ConfigError(path, f'"{value}" is below {low // MICRO}')
    if n > high:
        raise ConfigError(path, f'"{value}" is above {high // MICRO}')
    return n


def minute_of_day(value, path: str) -> int:
    """Minutes since midnight of "HH:MM"; ConfigError naming path otherwise."""
    if type(value) is str and len(value) == 5 and value[2] == ":" and digits(value[:2]) and digits(value[3:]):
        hour = int(value[:2])
        minute = int(value[3:])
        if hour < 24 and minute < 60:
            return hour * 60 + minute
    raise ConfigError(path, 'must be a time from "00:00" to "23:59"')


def name(value, path: str, most: int) -> str:
    """A name people see: 1..most characters the display can show; ConfigError naming path otherwise."""
    if type(value) is not str or not 1 <= len(value) <= most or not all(32 <= byte <= 126 for byte in value.encode()):
        raise ConfigError(path, f"must be 1 to {most} plain letters, digits or signs")
    return value


def currency(value, path: str) -> str:
    """A currency code of three capitals; ConfigError naming path otherwise."""
    if not only(value, CAPITALS) or len(value) != 3:
        raise ConfigError(path, 'must be three capitals such as "EUR"')
    return value


def kind(value):
    """Its type; of what is read in parts (members.py), dict or list."""
    return getattr(value, "kind", None) or type(value)


def keys(doc, path: str, known) -> None:
    """Refuse what is no JSON object or has a key that is not known, naming the nearest known one.

    path is "" for the document itself.
    """
    if kind(doc) is not dict:
        raise ConfigError(path or "document", "must be a JSON object")
    for key in doc:
        if key not in known:
            near = _nearest(key, known)
            hint = f'; did you mean "{near}"?' if near else ""
            raise ConfigError(f"{path}.{key}" if path else key or "document", "is not known here" + hint)


def _nearest(key, known):
    """The known name sharing the longest beginning and end, if that is more than half of it."""
    best = None
    most = 0
    key = key.encode()
    for other in (name.encode() for name in known):
        size = min(len(key), len(other))
        i = j = 0
        while i < size and key[i] == other[i]:
            i += 1
        while j < size - i and key[-1 - j] == other[-1 - j]:
            j += 1
        if i + j > most and (i + j) * 2 > len(other):
            most = i + j
            best = other
    return best and best.decode()


def month_day(text, path: str, year: int) -> tuple:
    """(month, day) of "MM-DD" in a year; ConfigError naming path otherwise."""
    if type(text) is not str or len(text) != 5 or text[2] != "-" or not digits(text[:2] + text[3:]):
        raise ConfigError(path, "is not a date")
    month = int(text[:2])
    day = int(text[3:])
    if not 1 <= month <= 12 or not 1 <= day <= calendar.month_days(year, month):
        raise ConfigError(path, f"{text} is not a day of the calendar")
    return month, day


def day_of(text, path: str) -> tuple:
    """(year - 2000, month, day) of "2026-12-25"; (EVERY_YEAR, month, day) of "*-12-25"; ConfigError otherwise."""
    if type(text) is str and text[:2] == "*-":
        return (calendar.EVERY_YEAR,) + month_day(text[2:], path, 2000)
    if type(text) is str and text[:2] == "20" and digits(text[:4]) and text[4:5] == "-":
        year = int(text[:4])
        return (year - 2000,) + month_day(text[5:], path, year)
    raise ConfigError(path, 'must be a date such as "2026-12-25" or "*-12-25"')
