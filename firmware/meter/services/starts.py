# SPDX-License-Identifier: Apache-2.0
"""Starts in a row that did not last, and what becomes of them: safe mode.

The loader counts a start before anything else runs (loader/start.py); one that lasts takes the count back (lasted()).
The count is in the RTC's memory, which every reset leaves alone and a power cut clears: no wear, and pulling the plug
is always a fresh start.

    starts in a row   what runs
    1 to 5            everything
    6 to 8            safe mode: metering, supply, ledger, clock, display. No card desk: it is the largest part
                      and takes in what others wrote, so a card left in the slot must not keep the meter down.
                      Alarms, trips and the button work as ever.
    9 to 12           the same without the display
    13 and more       the other slot, if there is firmware in it (loader/state.py)

Safe mode lasts ten minutes, ten more each time in a row, at most an hour; then the meter restarts with
everything, and one more start that does not last is safe mode again.
Memory: u8 starts in a row, u8 safe modes in a row, then the last trouble as text.
"""

import sys
import time

import board
import machine
from micropython import const

from meter.core import codes

_LIMIT = const(5)
_BARE = const(8)
_VITAL = const(codes.FAULT_METER_IC | codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS | codes.FAULT_RELAY | codes.FAULT_HEAP)
_SAFE_S = const(600)
_SAFE_MAX = const(6)


def _read():
    memory = machine.RTC().memory()
    return (memory[0], memory[1], memory[2:]) if len(memory) >= 2 else (0, 0, b"")


def mode() -> tuple:
    """(0 everything, 1 safe mode, 2 without display; how long in s; why). Forgets why: it is said once."""
    n, safes, trouble = _read()
    if n > _LIMIT:
        safes = min(safes + 1, _SAFE_MAX)
    if machine.reset_cause() == machine.WDT_RESET and not trouble:
        trouble = b"watchdog"
    machine.RTC().memory(bytes((n, safes)))
    level = 2 if n > _BARE else 1 if n > _LIMIT else 0
    return level, _SAFE_S * safes, trouble.decode()


def note(trouble: str) -> None:
    """Keep for the next start what went wrong in this one."""
    n, safes, _ = _read()
    machine.RTC().memory(bytes((n, safes)) + trouble.encode())


def lasted(faults: int) -> None:
    """This start has lasted. After safe mode comes a restart with everything. A version on trial is confirmed, but not
    one that finds metering IC, FRAM or relay faulty, or too little heap: it starts again, and after the last try the
    one before does."""
    n, safes, _ = _read()
    if n > _LIMIT:
        machine.RTC().memory(bytes((_LIMIT - 1, safes)))
        machine.reset()
    machine.RTC().memory(b"")
    if _on_trial():
        if faults & _VITAL:
            print("starts: a version on trial with faults: it is not confirmed")
            machine.reset()
        _confirm()


def up() -> None:
    """The firmware has come up: enough for a version that a person has put there."""
    if _on_trial() and _state()[7]:
        _confirm()


def _state():
    # As loader/state.py has it, which costs too much to load at each start only to find that there is no trial.
    try:
        with open("/boot.bin", "rb") as f:
            return f.read(8)
    except OSError:
        return b""


def _on_trial():
    """Does a version on trial run? One whose start could not be counted waits, and the one in force runs."""
    state = _state()
    return len(state) == 8 and state[5] in (1, 2) and sys.path[-1] == ("/a", "/b")[state[5] - 1]


def _confirm():
    path = sys.path[:]
    sys.path[:] = [".frozen"]
    try:
        loader = _loader()
        print("starts: version confirmed" if loader.confirm() else "starts: nothing to confirm")
    except OSError as e:
        print("starts: version not confirmed:", e)  # the flash takes nothing: it meters, and the next start asks again
    finally:
        sys.path[:] = path
        for name in list(sys.modules):
            if name.startswith("loader"):
                del sys.modules[name]


def _loader():
    try:
        import loader
    except ImportError:  # not frozen, as boot.py has it
        sys.path.append("/boot")
        import loader
    return loader


def failed(e) -> None:
    """Starting, or asyncio itself, has fallen: file it as far as that goes, and start again."""
    sys.print_exception(e)
    note("start " + type(e).__name__)
    try:
        from meter.drivers import buses
        from meter.drivers.fram import Fram
        from meter.services import crash
        from meter.storage import crashes

        text = crash.words("start", e)[1]
        crashes.write(Fram(buses.i2c(), board.FRAM_ADDR), 0, None, 0, text.encode())
    except Exception as more:
        print("not filed:", more)
    # Not a race: whoever is at the console may want to read this, and the parts get a rest.
    time.sleep_ms(1000 * min(_read()[0], 10))
    machine.reset()
