# SPDX-License-Identifier: Apache-2.0
"""A MicroPython board on a serial port, through the program mpremote.

Each call is one run of `python -m mpremote connect PORT resume …`: its raw REPL, without the soft reset it would do by
itself. A soft reset runs boot.py again, and boot.py counts starts. The first call stops a running firmware (Ctrl-C),
gives its watchdog an hour, because nothing stops it and nobody feeds it any more, and lets go of the heap it held.
A board whose firmware does not run gets no watchdog.

Sizes are bytes, times seconds. Raises DeviceError and PortError; nothing else leaves this module.
"""

import base64
import contextlib
import hashlib
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scripts.board import agent, console, ports, process
from scripts.board.errors import DeviceError, FlashError, FullError, NoReplError, ToolsMissingError

Progress = Callable[[int, int], None]  # (bytes done, bytes altogether)

_GONE = r"Input/output error|device disconnected|multiple access|not configured"  # what pyserial says of a dead port
SILENCE_S = 20  # a part is a quarter of a second, and the erase of a block of flash two
_PART = 1536  # bytes written in one go: 2 KB of text at the board, some 7 KB of its heap while it is compiled
_RUN = 64 * _PART  # bytes in one run of mpremote


class Device:
    """A board. Every method raises DeviceError (or PortError) with the reason and what to do."""

    def __init__(self, port: str):
        self.port = port
        self._calm, self._reset_at = False, 0.0
        ports.check(port)

    def run(self, code: str, timeout_s: float = 30) -> str:
        """Run code on the board; what it printed. Names it defines stay until the next reset."""
        self._first()
        return self._exec(code, timeout_s)

    def put(self, path: str, content: bytes, progress: Progress | None = None) -> None:
        """Write a file, whole or not at all, and read it back by its SHA-256. path is absolute; folders are made."""
        digest = hashlib.sha256(content).hexdigest()
        names = {"path": path, "new": path + ".new", "digest": digest}
        folders = [str(f) for f in list(Path(path).parents)[::-1] if str(f) != "/"]
        self._first()
        there, left, free = self._exec(agent.PREPARE.format(folders=folders, **names), 60).split()
        if there != digest:
            if int(free) + int(left) < len(content) + 4096:
                raise FullError(
                    f"The board's file system has {int(free):,} bytes left, and {path} needs {len(content):,}. Remove"
                    " what does not belong there (mpremote rm), or flash the board again (make flash), which clears it."
                )
            self._write(content, names, progress)
        if progress:
            progress(len(content), len(content))

    def get(self, path: str) -> bytes | None:
        """A file's content; None: there is no such file."""
        digest = self.hashes([path])[0]
        if not digest:
            return None
        with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
            target = Path(tmp) / "content"
            self._mpremote(["fs", "cp", "-f", ":" + path, str(target)], 60 + 600)  # it says nothing while it copies
            content = target.read_bytes()
        if digest != hashlib.sha256(content).hexdigest():
            raise DeviceError(f"{path} arrived damaged. Check the cable, and start again.")
        return content

    def hashes(self, paths: list[str]) -> list[str]:
        """SHA-256 of files on the board, in hexadecimal; empty where there is no such file."""
        self._first()
        return [line if line != "-" else "" for line in self._exec(agent.HASHES.format(paths=paths), 120).split()]

    def reset(self) -> None:
        """Hard reset. Does not wait for what starts then; to hear all of it, console.restart() keeps the port open."""
        self._mpremote(["reset"], 20)
        self._calm, self._reset_at = False, time.monotonic()

    def close(self) -> None:
        """Nothing is held between calls; the board stays as it is, stopped if it was stopped."""

    # -- one run of mpremote ----------------------------------------------------------------------

    def _first(self):
        if not self._calm:
            # mpremote has the board reset a tenth of a second later: a Ctrl-C before that would stop it.
            time.sleep(max(0.0, self._reset_at + 0.3 - time.monotonic()))
            self._calm = True
            try:
                console.wake(self.port)
                self._exec(agent.CALM, 30)
            except FlashError:
                self._calm = False
                raise

    def _write(self, content, names, progress):
        heard = ""

        def written(text):
            nonlocal heard
            heard = (heard + text)[-100:]  # a number may come in pieces
            found = re.findall(r"at (\d+)\r?\n", heard)
            if found and progress:
                progress(int(found[-1]), len(content))

        said = ""
        try:
            for start in range(0, max(len(content), 1), _RUN):
                parts = _parts(content, start, names["new"])
                if start + _RUN >= len(content):
                    parts.append(agent.FINISH.format(**names))
                said = self._run(parts, SILENCE_S, written)
        except DeviceError:
            with contextlib.suppress(FlashError):  # it is the first failure that counts
                self._exec(agent.GIVE_UP.format(**names), 10)
            raise
        if f"written {names['digest']}" not in said:
            raise DeviceError(
                f"{names['path']} reads back differently from what was written. Check the cable, and start again."
            )

    def _exec(self, code: str, timeout_s: float) -> str:
        return self._run([code], timeout_s)

    def _run(self, parts: list[str], timeout_s: float, watch: Callable[[str], None] | None = None) -> str:
        """Pieces of code, one after the other. As files nobody else can read: a command line everybody can, and a file
        that is written may hold keys."""
        with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
            args = []
            for n, code in enumerate(parts):
                script = Path(tmp) / f"{n}.py"
                script.write_text(code)
                args += ["+", "run", str(script)]
            return self._mpremote(args[1:], timeout_s, watch)

    def _mpremote(self, args: list[str], timeout_s: float, watch: Callable[[str], None] | None = None) -> str:
        command = [sys.executable, "-m", "mpremote", "connect", self.port, "resume", *args]
        # 12: to start, and to enter the raw REPL
        done = process.run(command, timeout_s + 12, watch, lambda: ports.exists(self.port))
        if done.code == 0:
            return done.out.replace("\r\n", "\n")
        raise self._failure(done, args)

    def _failure(self, done: process.Done, args: list[str]) -> FlashError:
        said = done.out + done.err
        if "No module named mpremote" in said:
            return ToolsMissingError("mpremote is not installed. Run 'make device-tools' once.")
        if not ports.exists(self.port) or re.search(_GONE, done.err):
            return console.unplugged(self.port)
        if "failed to access" in said:
            try:
                ports.check(self.port)
            except FlashError as e:
                return e
            return ports.busy(self.port)
        if "could not enter raw repl" in said or (done.code == process.TIMEOUT and not done.out):
            return NoReplError(
                f"Nothing at {self.port} answers like MicroPython. Press the board's reset button and try again; on a"
                " board that has no MicroPython yet, run 'make flash' first."
            )
        if done.code == process.TIMEOUT:
            return DeviceError(f"The board at {self.port} fell silent. Press its reset button, and start again.")
        return plain(said, args)

    def __repr__(self):
        return f"Device({self.port!r})"


def _parts(content: bytes, start: int, new: str) -> list[str]:
    """Code that writes one run of a file, part for part.

    Not `fs cp`: it writes 256 bytes at a time, spelt out as Python text, and needs three times as long.
    """
    parts = [f"import binascii\n_f = open({new!r}, 'wb')" if start == 0 else "import binascii"]
    for at in range(start, min(start + _RUN, len(content)), _PART):
        part = content[at : at + _PART]
        text = base64.b64encode(part).decode()
        parts.append(f"_f.write(binascii.a2b_base64(b'{text}'))\nprint('at', {at + len(part)})")
    return parts


def plain(said: str, args: list[str]) -> DeviceError:
    """A traceback of the board, or what mpremote says of it, as a sentence."""
    text = said.rpartition("Traceback (most recent call last):")[2].replace("\r", "").strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    last = lines[-1].removeprefix("mpremote: ")
    if re.search(r"OSError: (\[Errno )?28\b|ENOSPC|No space left", text):
        return FullError(
            "The board's file system is full. Remove what does not belong there (mpremote rm), or flash the board again"
            " (make flash), which clears it.",
            last,
        )
    if re.search(r"OSError: (\[Errno )?5\b|EIO|Input/output error", text):
        return DeviceError(
            "The board cannot read or write its file system. Flash it again (make flash); if that happens again,"
            " its flash is worn out.",
            last,
        )
    if "MemoryError" in last:
        return DeviceError("The board has no memory left for this. Press its reset button, and start again.", last)
    if last.startswith("KeyboardInterrupt"):
        return DeviceError("What ran on the board was stopped. Start again.", last)
    what = " (fs cp)" if args[0] == "fs" else ""
    return DeviceError(f"The board did not do what it was asked{what}: {last}. Reset it, and start again.", last)
