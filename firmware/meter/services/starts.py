# SPDX-License-Identifier: Apache-2.0
"""Starts in a row that did not last, and what becomes of them: safe mode.

boot.py counts a start before anything else runs; one that lasts takes the count back (lasted()). The count is
in the RTC's memory, which every reset leaves alone and a power cut clears: no wear, and pulling the plug is
always a fresh start.

    starts in a row   what runs
    1 to 5            everything
    6 to 8            safe mode: metering, supply, ledger, clock, display. No card desk: it is the largest part
                      and takes in what others wrote, so a card left in the slot must not keep the meter down.
                      Alarms, trips and the button work as ever.
    9 and more        the same without the display

Safe mode lasts ten minutes, ten more each time in a row, at most an hour; then the meter restarts with
everything, and one more start that does not last is safe mode again.
Memory: u8 starts in a row, u8 safe modes in a row, then the last trouble as text.
"""

import sys
import time

import board
import machine
from micropython import const

_LIMIT = const(5)
_BARE = const(8)
_WATCHDOG_MS = const(30_000)
_SAFE_S = const(600)
_SAFE_MAX = const(6)


def _read():
    memory = machine.RTC().memory()
    return (memory[0], memory[1], memory[2:]) if len(memory) >= 2 else (0, 0, b"")


def begin() -> None:
    """Count this start. The watchdog runs from here on: what hangs or falls in between ends in the next start."""
    n, safes, trouble = _read()
    n = min(n + 1, 255)
    if n > _LIMIT:
        safes = min(safes + 1, _SAFE_MAX)
    if machine.reset_cause() == machine.WDT_RESET and not trouble:
        trouble = b"watchdog"
    machine.RTC().memory(bytes((n, safes)) + trouble)
    machine.WDT(timeout=_WATCHDOG_MS)


def mode() -> tuple:
    """(0 everything, 1 safe mode, 2 without display; how long in s; why). Forgets why: it is said once."""
    n, safes, trouble = _read()
    note("")
    level = 2 if n > _BARE else 1 if n > _LIMIT else 0
    return level, _SAFE_S * safes, trouble.decode()


def note(trouble: str) -> None:
    """Keep for the next start what went wrong in this one."""
    n, safes, _ = _read()
    machine.RTC().memory(bytes((n, safes)) + trouble.encode())


def lasted() -> None:
    """This start has lasted. After safe mode comes a restart with everything."""
    n, safes, _ = _read()
    if n > _LIMIT:
        machine.RTC().memory(bytes((_LIMIT - 1, safes)))
        machine.reset()
    machine.RTC().memory(b"")


def failed(e) -> None:
    """Starting, or asyncio itself, has fallen: file it as far as that goes, and start again."""
    sys.print_exception(e)
    note("start " + type(e).__name__)
    try:
        from meter.drivers.fram import Fram
        from meter.services import crash
        from meter.storage import crashes

        pin = machine.Pin
        i2c = machine.I2C(board.I2C_ID, scl=pin(board.I2C_SCL), sda=pin(board.I2C_SDA), freq=board.I2C_FREQ)
        text = crash.words("start", e)[1]
        crashes.write(Fram(i2c, board.FRAM_ADDR), 0, None, 0, text.encode())
    except Exception as more:
        print("not filed:", more)
    # Not a race: whoever is at the console may want to read this, and the parts get a rest.
    time.sleep_ms(1000 * min(_read()[0], 10))
    machine.reset()
