# SPDX-License-Identifier: Apache-2.0
"""The settings' utc_offset_min and dst of a place, from the time zone database: `provision zone Africa/Cairo`.

The last line of a zone's TZif file (RFC 8536, section 3.3) says by which rule it goes on, in POSIX's words. A rule is
all that a meter knows: what a government announces year by year (Morocco's and Gaza's Ramadan) comes with a settings
card each time.
"""

import importlib.resources
import re
import zoneinfo
from pathlib import Path

from .errors import RefusedError

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_TIME = r"[+-]?\d{1,3}(?::\d\d){0,2}"
_RULE = re.compile(f"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,([^,/]+)(?:/({_TIME}))?,([^,/]+)(?:/({_TIME}))?)?")


def settings(name: str) -> dict:
    """utc_offset_min and dst for an IANA name. Raise RefusedError."""
    text = rule(name)
    try:
        return from_rule(text)
    except RefusedError as e:
        raise RefusedError(f"{name} goes by {text}. {e}") from None


def rule(name: str) -> str:
    """The POSIX rule a zone goes on by. Raise RefusedError for a name that is not known."""
    if name in zoneinfo.available_timezones():
        for place in _places():
            found = place.joinpath(*name.split("/"))
            if found.is_file():
                return found.read_bytes().rsplit(b"\n", 2)[-2].decode("ascii")
    raise RefusedError(f'No time zone is called "{name}". Names are such as Africa/Cairo.')


def _places():
    """Folders of the database: the system's as zoneinfo has them, then pip's tzdata."""
    yield from map(Path, zoneinfo.TZPATH)
    yield importlib.resources.files("tzdata.zoneinfo")


def from_rule(text: str) -> dict:
    """utc_offset_min and dst from a POSIX rule such as "EET-2EEST,M4.5.5/0,M10.5.4/24"."""
    found = _RULE.fullmatch(text)
    if not found:
        raise RefusedError("That is no rule the settings can say. Give utc_offset_min and dst by hand.")
    west, west_in_summer, start, start_at, end, end_at = found.groups()
    standard_min = -_minutes(west)
    if not start:
        return {"utc_offset_min": standard_min, "dst": None}
    summer_min = -_minutes(west_in_summer) if west_in_summer else standard_min + 60
    edges = [_edge(start, _minutes(start_at or "2")), _edge(end, _minutes(end_at or "2"))]
    if summer_min < standard_min:  # Ireland: winter is the exception
        standard_min, summer_min = summer_min, standard_min
        edges.reverse()
    dst = {"start": edges[0], "end": edges[1], "shift_min": summer_min - standard_min, "basis": "wall"}
    return {"utc_offset_min": standard_min, "dst": dst}


def _minutes(text):
    """Minutes of [+-]h[h[h]][:mm[:ss]]."""
    hours, minutes, seconds = [*text.lstrip("+-").split(":"), "0", "0"][:3]
    if int(seconds):
        raise RefusedError("The settings know whole minutes only. Give utc_offset_min and dst by hand.")
    total = int(hours) * 60 + int(minutes)
    return -total if text.startswith("-") else total


def _edge(day, minutes):
    hours, rest = divmod(abs(minutes), 60)
    at = f"{'-' if minutes < 0 else ''}{hours:02d}:{rest:02d}"
    if found := re.fullmatch(r"M(\d+)\.(\d)\.(\d)", day):
        month, week, weekday = map(int, found.groups())
        if weekday < 7:
            return [month, week, _WEEKDAYS[weekday], at]
    elif found := re.fullmatch(r"J(\d+)", day):  # day of a year without 29 February: the same date each year
        n = int(found[1])
        for month, length in enumerate(_MONTH_DAYS, 1):
            if 1 <= n <= length:
                return [f"{month:02d}-{n:02d}", at]
            n -= length
    raise RefusedError(f"The settings cannot say the day {day}. Give utc_offset_min and dst by hand.")
