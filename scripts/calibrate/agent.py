# SPDX-License-Identifier: Apache-2.0
"""The part of this tool that runs on the meter's board, as text: plain SPI, and a file written whole or not at all.

It needs nothing of the firmware, whose linked modules have no names to import. The firmware's watchdog cannot be
stopped once it runs: the agent sets it to ten minutes and feeds it with every access. Metering rests meanwhile.
"""

from scripts.common import board_files

from .errors import LinkError

_SOURCE = """
import machine, os
_w = machine.WDT(timeout=600000)
_p = machine.Pin
_s = machine.SPI(
    {SPI_ID}, {SPI_BAUDRATE}, polarity=1, phase=1, sck=_p({SPI_SCK}), mosi=_p({SPI_MOSI}), miso=_p({SPI_MISO}))
_c = _p({METER_CS}, _p.OUT, value=1)
_a = bytearray(4)

def _x(b):
    _w.feed()
    _c(0)
    _s.write_readinto(b, _a)
    _c(1)

def r(a):
    _x(bytes((128 | a >> 8, a & 255, 0, 0)))
    return _a[2] << 8 | _a[3]

def w(a, v):
    _x(bytes((a >> 8, a & 255, v >> 8, v & 255)))

def cat(n):
    _w.feed()
    try:
        with open(n) as f:
            return f.read()
    except OSError:
        return ''

def put(n, t, mode):
    _w.feed()
    with open(n, mode) as f:
        f.write(t)

def swap(n):
    b = n[:-4]
    try:
        os.rename(n, b + 'old')
    except OSError:
        pass
    os.rename(b + 'new', n)
"""
_NEEDS = ("SPI_ID", "SPI_BAUDRATE", "SPI_SCK", "SPI_MOSI", "SPI_MISO", "METER_CS")


def source(board: str) -> str:
    """The agent for a board of boards/. Raises LinkError."""
    known = board_files.names()
    if board not in known:
        raise LinkError(f"There is no board {board}. Name one of these with --board: {', '.join(known)}.")
    try:
        constants = board_files.constants(board)
    except board_files.BoardFileError as e:
        raise LinkError(str(e)) from None
    if constants.get("MeterIc") != "Atm90e32":
        raise LinkError(f"The board {board} has another metering IC. This tool knows the ATM90E32AS only.")
    return _SOURCE.format(**{name: constants[name] for name in _NEEDS})
