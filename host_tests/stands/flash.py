# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/flash share: a MicroPython image for flashing, a loader and a firmware of a few lines.

The image has what an official one has where the tools look: a boot loader with header and SHA-256, a partition table,
a program. Its code is noise. The loader does with /deploy.pwb what the meter's own is to do, as far as the console
tells; the firmware's self-test finds what of a bare board there is.
"""

import hashlib
import importlib.util
import struct

import pytest

from host_tests.stands import wasm_repl
from scripts.image.boards import Board, load
from scripts.image.partition_table import APP, DATA, Row, encode

CHIP_IDS = {"esp32": 0, "esp32s3": 9}
STOCK = [
    Row("nvs", DATA, 2, 0x9000, 0x6000),
    Row("phy_init", DATA, 1, 0xF000, 0x1000),
    Row("factory", APP, 0, 0x10000, 0x1F0000),
]
BOOT = b"# loader\n"
MAIN = b"""
import os
def read(name):
    try:
        with open(name, "rb") as f:
            return f.read()
    except OSError:
        return b""
new = read("/deploy.pwb")
if new:
    print("loader: version 1.2.3 goes into slot a")
    os.remove("/deploy.pwb")
    with open("/boot.bin", "wb") as f:
        f.write(b"state")
    print("loader: installed")
if read("/boot.bin"):
    import sys
    sys.modules["meter"] = sys
    print("selftest: display: nothing answers at 0x27; check VCC, GND, SDA=21, SCL=22")
    print("SELFTEST board=esp32_devkit version=1.2.3 slot=a micropython=1.28.0 reset=power meter_ic=ok display=missing "
          "clock=unset fram=ok card=missing relay=ok storage=ok keys=none heap=61234 result=fail newkey=x")
"""
FILES = {"main.py": MAIN, "boot.py": BOOT, "boot/loader.mpy": b"M\x06" + b"loader" * 50}


def noise(name: str, size: int) -> bytes:
    return hashlib.shake_128(name.encode()).digest(size)


def program(chip: str, size_code: int, code: bytes) -> bytes:
    """An image as a boot loader or a program has it: header, one segment, checksum, SHA-256 (ESP-IDF, App Image
    Format)."""
    assert len(code) % 4 == 0
    head = struct.pack("<BBBBI", 0xE9, 1, 2, size_code << 4, 0x40080400)
    head += struct.pack("<B3sHBHHIB", 0xEE, bytes(3), CHIP_IDS[chip], 0, 0, 0xFFFF, 0, 1)
    body = head + struct.pack("<II", 0x40080400, len(code)) + code
    folded = 0xEF
    for byte in code:
        folded ^= byte
    body += bytes(15 - len(body) % 16) + bytes((folded,))
    return body + hashlib.sha256(body).digest()


def micropython(chip: str = "esp32", offset: int = 0x1000, size: int = 60_000) -> bytes:
    """An image for flashing, as it lies from offset on."""
    image = program(chip, 2, noise("boot loader", 20_000)).ljust(0x8000 - offset, b"\xff")
    image += encode(STOCK).ljust(0x10000 - 0x8000, b"\xff")
    return image + program(chip, 2, noise("program", size))


def pinned(board: Board, content: bytes, url: str = "http://127.0.0.1:9/none.bin") -> Board:
    """A board whose pinned image this is."""
    from dataclasses import replace

    sha256 = hashlib.sha256(content).hexdigest()
    return replace(board, micropython=replace(board.micropython, sha256=sha256, url=url, size=len(content)))


def devkit() -> Board:
    return load("esp32_devkit")


def programs_missing() -> str:
    """What of the tools for a real board is not installed; empty: all are."""
    for name in ("serial", "esptool", "mpremote"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed here: make device-tools"
    return ""


needs_tools = pytest.mark.skipif(bool(programs_missing()), reason=programs_missing())
needs_board = pytest.mark.skipif(
    bool(programs_missing() or wasm_repl.missing()), reason=programs_missing() or wasm_repl.missing()
)
