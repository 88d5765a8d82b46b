# SPDX-License-Identifier: Apache-2.0
"""What the test bench says it gives: typed in, or by lines from a reference meter.

A reference meter is anything that writes lines of "U I P PF" (V, A, W, and no unit) to a serial port or a file; of a
file, the last line counts. Set a port's speed beforehand (stty). Raises ReadingError, and InputError for a file.
"""

import os
import re
import select
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from ..common import read_text
from ..common.errors import shown
from .errors import ReadingError

_LINE_S = 10
_PAIR = re.compile(r"(?i)\b(PF)\s*=?\s*([-+.\d]+)|([-+.\d]+)\s*([A-Z]+)")
_LIKE_THIS = "Write decimals with a point, like this: 230.12 V 5.003 A."
_NUMBER = re.compile(r"[-+]?[0-9]{1,12}(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,2})?")
_RANGES = {
    "u": ("the voltage in V", 0, 500), "i": ("the current in A", 0, 200),
    "p": ("the power in W", -100_000, 100_000), "pf": ("PF", -1, 1),
}  # fmt: skip
_FILE_MAX_N = 1 << 24
_TAIL_MAX_N = 1 << 16  # bytes without a line: no reference meter
_UNITS = {"V": "u", "A": "i", "W": "p", "PF": "pf"}


@dataclass(frozen=True)
class Point:
    """What the test bench is to give a phase. pf_milli: 1000, or 500 for a current that lags by 60 degrees."""

    phase: int
    u_mv: int
    i_ma: int
    pf_milli: int = 1000

    def __str__(self) -> str:
        words = f"{self.u_mv / 1000:g} V, {self.i_ma / 1000:g} A"
        if self.i_ma:
            words += ", PF 1" if self.pf_milli == 1000 else f", PF {self.pf_milli / 1000:g} lagging"
        return f"phase {'ABC'[self.phase]}: {words}"


@dataclass(frozen=True)
class Reading:
    """What it really gives."""

    u_uv: int
    i_ua: int
    p_uw: int


class Source(Protocol):
    """Sees to it that the bench gives a point, and says what the reference shows. fixed: it always says the same."""

    fixed: bool

    def at(self, point: Point, /) -> Reading: ...


def _micro(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ReadingError(f'{shown(text)} is not a number. {_LIKE_THIS}')
    return int((Decimal(text) * 1_000_000).to_integral_value())


def _checked(found: dict[str, int]) -> dict[str, int]:
    """What a bench for meters can give, by quantity, in millionths."""
    for name, value in found.items():
        what, low, high = _RANGES[name]
        if not low * 1_000_000 <= value <= high * 1_000_000:
            raise ReadingError(f"{what} is {value / 1e6:g}, and {low} to {high} is possible. {_LIKE_THIS}")
    return found


def parse(text: str, pf_milli: int = 1000) -> Reading:
    """'230.12 V 5.003 A', with '575.6 W' or 'PF 0.5' if that is known better than by the point asked for."""
    found: dict[str, int] = {}
    pairs = _PAIR.findall(text)
    if left := _PAIR.sub("", text).strip(" ,;\t\r\n"):
        raise ReadingError(f'{shown(left)} is not understood. {_LIKE_THIS}')
    for name, value, number, unit in pairs:
        key = _UNITS.get((name or unit).upper())
        if key is None:
            raise ReadingError(f'{shown(unit)} is not a unit used here. {_LIKE_THIS}')
        found[key] = _micro(value or number)
    _checked(found)
    if "u" not in found or "i" not in found:
        raise ReadingError(f'{shown(text.strip())} lacks voltage or current. {_LIKE_THIS}')
    pf = found.get("pf", pf_milli * 1000)
    power = found.get("p", found["u"] * found["i"] * pf // 10**12)
    return Reading(found["u"], found["i"], power)


def parse_line(text: str) -> Reading:
    """'230.12 5.003 1151.3 1.000'."""
    words = text.split()
    if len(words) != 4:
        said = shown(text.strip())
        raise ReadingError(f"{said} is not a line of the reference: four numbers, U I P PF, are expected.")
    found = _checked(dict(zip(("u", "i", "p", "pf"), map(_micro, words), strict=True)))
    return Reading(found["u"], found["i"], found["p"])


class Typed:
    """A person sets the bench and types what the reference shows; always: the same text for every point that has
    current."""

    def __init__(self, ask: Callable[[str], str], always: str = ""):
        self._ask, self._always = ask, always
        self.fixed = bool(always)
        if always and parse(always, 1000) == parse(always, 500):
            raise ReadingError("Power and PF are not the same at every point. Leave them out of --reference.")

    def at(self, point: Point) -> Reading:
        if not point.u_mv or not point.i_ma:
            self._ask(f"Set {point}. Then press Enter")
            return Reading(point.u_mv * 1000, 0, 0)
        if self._always:
            self._ask(f"Set {point}. Then press Enter")
            return parse(self._always, point.pf_milli)
        return parse(self._ask(f"Set {point}. What does the reference show"), point.pf_milli)


class Lines:
    """A person sets the bench; the reference meter's next line is the reading."""

    fixed = False

    def __init__(self, path: Path, ask: Callable[[str], str]):
        self._path, self._ask = path, ask

    def at(self, point: Point) -> Reading:
        self._ask(f"Set {point}. Then press Enter")
        text, line = self._line()
        try:
            return parse_line(text)
        except ReadingError as e:
            where = f"{self._path}, line {line}" if line else f"The reference meter at {self._path}"
            raise ReadingError(f"{where}: {e}") from None

    def _line(self) -> tuple[str, int]:
        """The line, and which it is; 0: the next one of a port."""
        try:
            if not stat.S_ISREG(os.stat(self._path).st_mode):
                return self._next_line(), 0
        except OSError as e:
            raise ReadingError(f"The reference meter at {self._path} cannot be read: {e.strerror}. Check it.") from e
        lines = [(text, n) for n, text in enumerate(read_text(self._path, _FILE_MAX_N).split("\n"), 1) if text.strip()]
        return lines[-1]

    def _next_line(self) -> str:
        # What is there is old, and the first line may be a part: the one after it is read.
        fd = os.open(self._path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            data, end = b"", time.monotonic() + _LINE_S
            while data.count(b"\n") < 2:
                left = end - time.monotonic()
                if left <= 0 or not select.select([fd], [], [], left)[0]:
                    raise ReadingError(
                        f"The reference meter at {self._path} has sent no line for {_LINE_S} s."
                        " Check its cable, and the speed of the port (stty)."
                    )
                part = os.read(fd, 4096)
                if not part:
                    time.sleep(0.05)
                data += part
                if len(data) > _TAIL_MAX_N:
                    raise ReadingError(f"What {self._path} sends are no lines. Name the reference meter's port.")
            return data.split(b"\n")[-2].decode(errors="replace")
        finally:
            os.close(fd)
