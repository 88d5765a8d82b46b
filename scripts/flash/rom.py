# SPDX-License-Identifier: Apache-2.0
"""The ROM loader of a chip, through the program esptool (5, whose commands have hyphens).

Raises ChipError, NoAnswerError, WriteError, PortError. The first run leaves esptool's stub running in the chip, so that
a board without automatic reset needs its BOOT button held once only.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from scripts.board import console, ports, process
from scripts.board.errors import ChipError, FlashError, FlashTooSmallError, NoAnswerError, ToolsMissingError, WriteError
from scripts.image.boards import Board
from scripts.image.partition_table import AT, LENGTH, TableError, decode

BAUD = 460800  # CP210x, CH340 and FT232 all take it
ERASE_S = 150  # esptool says nothing while a chip erases its whole flash; large ones need two minutes
CONNECT_ATTEMPTS = 7  # esptool's own
_NAMES = {"esp32": "ESP32", "esp32s3": "ESP32-S3"}

Progress = Callable[[int, int], None]


def probe(port: str, board: Board, attempts: int = CONNECT_ATTEMPTS) -> int:
    """The flash's size in bytes, once chip and size are those the board needs."""
    connect = ["--connect-attempts", str(attempts), "--after", "no-reset-stub"]
    said = _esptool(port, board, [*connect, "flash-id"], 30)
    found = re.search(r"Detected flash size: (\d+)([KM])B", said)
    if not found:
        raise WriteError(
            "The chip answers, but its flash does not say how large it is. Check the board's supply; on a module with"
            " a flash of its own, check its pins."
        )
    size = int(found[1]) << (20 if found[2] == "M" else 10)
    if size < board.flash_size:
        raise FlashTooSmallError(
            f"This board's flash has {size >> 20} MiB, and {board.name} needs {board.flash_size >> 20}. Say BOARD= with"
            " a board of that size, or take another module."
        )
    return size


def maybe_a_meter(port: str, board: Board) -> str:
    """Why this may be somebody's meter, of whichever board: a sentence; "" when new, or with others' software on it.
    What is neither empty nor a partition table may be one under flash encryption."""
    with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
        file = Path(tmp) / "table.bin"
        _esptool(port, board, ["--after", "no-reset-stub", "read-flash", hex(AT), hex(LENGTH), str(file)], 30)
        found = file.read_bytes()
    if not found.strip(b"\xff"):
        return ""
    try:
        ours = any(row.name == "rings" for row in decode(found))
    except TableError:
        return "What is on this board's flash cannot be read: it may be a meter, damaged or encrypted."
    return "This board was flashed before." if ours else ""


def write(
    port: str, board: Board, image: bytes, offset: int, baud: int = BAUD, progress: Progress | None = None
) -> None:
    """Erase the whole flash, write an image, have the chip check it (MD5), and restart it."""

    rest = ""

    def watch(text):
        nonlocal rest  # a busy machine hands over several lines at once, and a line in two pieces
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            found = re.search(r"Writing at .*? (\d+)(?:\.\d+)?% ", line)
            if found and progress:
                progress(int(found[1]) * len(image) // 100, len(image))

    with tempfile.TemporaryDirectory(prefix="pennywatt-") as tmp:
        file = Path(tmp) / "image.bin"
        file.write_bytes(image)
        keep = ["--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
        args = ["--baud", str(baud), "write-flash", "--erase-all", *keep, hex(offset), str(file)]
        said = _esptool(port, board, args, ERASE_S, watch)
    if "Hash of data verified" not in said:
        raise WriteError("esptool wrote the image, but did not check it. Start again.")
    if progress:
        progress(len(image), len(image))


def command(board: Board, file: str, trimmed: bool) -> str:
    """What to type to write a whole image, for a person."""
    erase = " --erase-all" if trimmed else ""
    return f"esptool --chip {board.chip} --port PORT --baud {BAUD} write-flash{erase} 0x0 {file}"


def _esptool(port: str, board: Board, args: list[str], silence_s: float, watch=None) -> str:
    done = process.run(
        [sys.executable, "-m", "esptool", "--chip", board.chip, "--port", port, *args], silence_s, watch,
        lambda: ports.exists(port),
    )  # fmt: skip
    if done.code == 0:
        return done.out
    raise _failure(port, board, done)


def _failure(port: str, board: Board, done: process.Done) -> FlashError:
    said = done.out + done.err
    why = re.sub(r"\s+", " ", said.rpartition("fatal error occurred:")[2]).strip()
    why = why.partition(" For troubleshooting")[0].rstrip(".") or _last(said)
    other = re.search(r"This chip is (\S+), not", said)
    connected = "Chip type:" in said
    if "No module named esptool" in said:
        return ToolsMissingError("esptool is not installed. Run 'make device-tools' once.")
    if not ports.exists(port) or re.search(r"Input/output error|device disconnected|multiple access", said):
        return console.unplugged(port)
    if other:
        return ChipError(
            f"This board has an {other[1]}, and {board.name} is for an {_NAMES[board.chip]}. Say BOARD= with a board of"
            " that chip, or take another module."
        )
    if "Could not open" in said or "could not open port" in said:
        try:
            ports.check(port)
        except FlashError as e:
            return e
        return ports.busy(port)
    if "MD5 of file does not match" in said:
        return WriteError(
            "The flash does not hold what was written to it: its MD5 differs. Try again with a slower line (--baud"
            " 115200); if that fails, too, the flash is worn out or its supply too weak."
        )
    if "will not fit in" in said:
        return FlashTooSmallError(f"The flash is too small: {why}. Say BOARD= with a board of its size.")
    if not connected:
        return NoAnswerError(
            f"The chip's loader at {port} does not answer ({why or 'silence'}). Hold BOOT while you press and release"
            " the reset button (EN), let go of BOOT, and start again; and check that this is the board's port."
        )
    return WriteError(
        f"The flash could not be written: {why or 'the chip fell silent'}. Check cable and supply, and start again"
        " from the beginning; a slower line may help (--baud 115200)."
    )


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
