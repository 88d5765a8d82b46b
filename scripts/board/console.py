# SPDX-License-Identifier: Apache-2.0
"""What a board says on its serial console: waiting for its REPL, following a start up to the SELFTEST line.

The line is of the form `SELFTEST key=value key=value …`, without spaces in values; keys not known are kept as they
are. Times in seconds. Raises PortError, NoReplError, StartError, BundleRefusedError.
"""

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from scripts.board import ports
from scripts.board.errors import BundleRefusedError, NoReplError, PortError, StartError, UnpluggedError

START_S = 60  # from the reset to the SELFTEST line; a chip needs 3 to 20. Installing a bundle is not in it
INSTALL_S = 180  # for the loader to verify a bundle and write its files: it says nothing meanwhile
_LOOK_S = 0.5  # progress is told so often
_BANNER = b"raw REPL; CTRL-B to exit"
_REFUSED = "loader: bundle refused: "
INSTALLING = " goes into slot "  # of the loader's line before it writes
_RESCUE = "RESCUE "
_ENDED = ("MicroPython v", ">>>")  # the interpreter's own banner and prompt


@dataclass
class Start:
    """A start of the firmware. parts: what the SELFTEST line says; hints: the human lines before it."""

    parts: dict[str, str] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    loader: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        return [name for name, value in self.parts.items() if value in ("missing", "fault", "unset", "none")]


class Lines:
    """A port, as lines. Opens it again for a while where it goes away: a chip with its own USB does so at a reset."""

    def __init__(self, port: str, back_s: float = 5, serial=None):
        self._port, self._back_s = port, back_s
        self._serial = serial or _opened(port, back_s)
        self._rest = b""

    def read(self, until: float) -> str | None:
        """The next line; None: none came by then (time.monotonic())."""
        while b"\n" not in self._rest:
            if time.monotonic() > until:
                return None
            try:
                self._rest += self._serial.read(max(1, self._serial.in_waiting))
            except OSError:  # serial.SerialException is one
                self.close()
                time.sleep(0.1)
                self._serial = _opened(self._port, self._back_s)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace").strip("\r\x00")

    def close(self):
        with contextlib.suppress(OSError):
            self._serial.close()


def _opened(port: str, back_s: float):
    give_up = time.monotonic() + back_s
    while True:
        try:
            return ports.opened(port)
        except PortError as e:
            if back_s <= 0:
                raise
            if time.monotonic() > give_up:
                raise UnpluggedError(
                    f"{port} did not come back after the restart ({e}). Plug the cable in again."
                ) from None
            time.sleep(0.1)


def wake(port: str, timeout_s: float = 8, back_s: float = 0) -> None:
    """Get the attention of a MicroPython that runs something, starts, or waits at its prompt. NoReplError.

    back_s: how long the port may be away, after a restart.
    """
    line = _raw_repl(port, timeout_s, back_s)
    with contextlib.closing(line), contextlib.suppress(OSError):
        line.write(b"\x02")
        line.flush()
        time.sleep(0.1)
        line.reset_input_buffer()


def restart(port: str, timeout_s: float = 8) -> Lines:
    """Hard reset by the REPL; all that is said from then on, for the port stays open. Close it."""
    line = _raw_repl(port, timeout_s, 0)
    try:
        line.write(b"import machine\nmachine.reset()\x04")
        heard, give_up = b"", time.monotonic() + 2
        while not heard.endswith(b"OK") and time.monotonic() < give_up:
            heard += line.read(1)
    except OSError:  # its USB chip may go with it
        line.close()
        return Lines(port)
    return Lines(port, serial=line)


def _raw_repl(port: str, timeout_s: float, back_s: float):
    """The port, with a board in its raw REPL."""
    give_up, knock, heard = time.monotonic() + timeout_s, 0.0, b""
    line = _opened(port, back_s)
    while _BANNER not in heard:
        now = time.monotonic()
        if now > give_up:
            line.close()
            raise NoReplError(_silent(port, heard))
        try:
            if now >= knock:
                line.write(b"\r\x03\x03\r\x01")  # stop what runs, then the raw REPL
                knock = now + 1
            heard += line.read(max(1, line.in_waiting))
        except OSError:
            line.close()
            if back_s <= 0:
                raise unplugged(port) from None
            line = _opened(port, back_s)
    return line


def unplugged(port: str) -> UnpluggedError:
    return UnpluggedError(
        f"{port} went away in the middle. Plug the cable in again, and start again from the beginning."
    )


def _silent(port, heard):
    text = heard.decode(errors="replace")
    if re.search(r"waiting for download|DOWNLOAD\(", text):
        return f"The board at {port} waits in its ROM loader. Press its reset button, without BOOT, and try again."
    if "invalid header" in text or "flash read err" in text:
        return f"The flash of the board at {port} holds no program. Run 'make flash' first."
    if "selftest:" in text or "SELFTEST" in text:
        return (
            f"The firmware runs at {port}, but its REPL is off: it is a production build, which takes updates in other"
            " ways. To put a development build on it, run 'make flash'."
        )
    return (
        f"Nothing at {port} answers like MicroPython. Press the board's reset button and try again; on a board that has"
        " no MicroPython yet, run 'make flash' first."
    )


def follow(
    lines: Lines,
    tell: Callable[[str], None] | None = None,
    start_s: float = START_S,
    first_s: float = 0,
    waited: Callable[[float, float], None] | None = None,
) -> Start:
    """A start up to its SELFTEST line. first_s: for the loader's first line, where a bundle waits for it. While it
    installs, the time to the SELFTEST line does not run. waited: told of the seconds that have passed, and of how
    many there are."""
    start, installing = Start(), False
    allowed, began = max(start_s, first_s), time.monotonic()
    while True:
        now = time.monotonic()
        if waited:
            waited(now - began, allowed)
        line = lines.read(min(now + _LOOK_S, began + allowed))
        if line is None:
            if time.monotonic() < began + allowed:
                continue
            raise StartError(_last_words(start, allowed))
        if not line.strip():
            continue
        start.lines.append(line)
        if tell:
            tell(line)
        if line.startswith(_REFUSED):
            raise BundleRefusedError(
                f"The board refused the bundle: {line.removeprefix(_REFUSED).rstrip('.')}. It runs what it ran before;"
                " deploy a bundle that is made for this board and signed with its key."
            )
        if line.startswith(_RESCUE):
            raise StartError(
                "No firmware on the board can be started, and it waits for one. Deploy again; if it says the same,"
                " flash it again (make flash)."
            )
        if line.startswith("loader: "):
            start.loader.append(line.removeprefix("loader: "))
            if INSTALLING in line or installing:  # a start that falls over and begins again gets no more time
                installing = INSTALLING in line
                allowed, began = INSTALL_S if installing else start_s, time.monotonic()
        elif line.startswith("selftest: "):
            start.hints.append(line.removeprefix("selftest: "))
        elif line.startswith("SELFTEST "):
            start.parts = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
            return start
        elif line.startswith(_ENDED):  # nothing follows when main.py has come to its end
            raise StartError(_last_words(start))


def stopped(start: Start) -> str:
    """By what a start ended, as a sentence and a blank; empty: by nothing that was said."""
    trace = [i for i, line in enumerate(start.lines) if line.startswith("Traceback")]
    if not trace:
        return ""
    last = [line for line in start.lines[trace[-1] + 1 :] if not line.startswith((" ", *_ENDED))]
    return f"It stopped with {last[0].rstrip('.') if last else 'a traceback'}. "


def _last_words(start: Start, within_s: float = 0) -> str:
    """Why a start failed, and what to do. within_s: how long it was waited for, if that ended it."""
    said, fell = start.lines, stopped(start)
    if fell:
        why = "it" + fell.rstrip(". ")[2:]
    elif said and said[-1].startswith(_ENDED):
        why = "main.py came to its end"
    elif said:
        why = f"the last it said was: {said[-1].rstrip('.')}"
    else:
        why = "it said nothing at all"
    within = f" within {within_s:.0f} s" if within_s else ""
    return (
        f"The firmware did not come up{within}: {why}. Press the board's reset button and look at its console"
        " (mpremote); then deploy again, or flash it again."
    )
