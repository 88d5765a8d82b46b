# SPDX-License-Identifier: Apache-2.0
"""Starts in a row that did not last, and what comes of them: safe mode.

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

Starts that fall, or are bitten, before they have metered are counted apart: they go without documents, one after the
other (documents/aside.py). Seconds are counted, too: a meter that has metered nothing for an hour opens the relay, by
the pins, for there may be no other part of it that runs. It closes when metering works again, as ever (guard.py).
What the RTC's memory holds: loader/layout.py.
"""

import sys
import time

import board
import machine
from loader import layout
from micropython import const

from meter import heap
from meter.core import codes
from meter.core.errors import BusError
from meter.upkeep import memory
from meter.upkeep.memory import DARK_S, FELL, REPORT, SAFES, SINCE, STARTS

_LIMIT = const(5)
_BARE = const(8)
_VITAL = const(codes.FAULT_METER_IC | codes.FAULT_FRAM | codes.FAULT_FRAM_KEEPS | codes.FAULT_RELAY | codes.FAULT_HEAP)
_SAFE_S = const(600)
_SAFE_MAX = const(6)
_WATCHDOG_S = const(30)
_HOUR_S = const(3600)
_PULSE_MS = const(60)  # of the relay's coil: 50 or more, never above 1 s (drivers/relay.py)
_REST_MS = const(201)
_LOOKS = const(12)
_LOOK_MS = const(2)
_COUNT_MAX = const(255)


def mode() -> tuple:
    """(0 everything, 1 safe mode, 2 without display; how long in s; why; starts that fell before they metered).
    Forgets why: it is said once."""
    m, trouble = memory.read()
    bitten = machine.reset_cause() == machine.WDT_RESET
    if bitten and m[SINCE]:
        _fell(m, _WATCHDOG_S)
    if m[STARTS] > _LIMIT:
        m[SAFES] = min(m[SAFES] + 1, _SAFE_MAX)
    if bitten and not trouble:
        trouble = b"watchdog"
    m[SINCE] = time.ticks_ms() or 1
    memory.write(m)
    if m[DARK_S] >= _HOUR_S:
        _open_relay()
    level = 2 if m[STARTS] > _BARE else 1 if m[STARTS] > _LIMIT else 0
    return level, _SAFE_S * m[SAFES], trouble.decode(), m[FELL]


def _fell(m, s):
    """This start, or the one before, is over and has metered nothing; s: seconds that are not counted yet."""
    m[FELL] = min(m[FELL] + 1, _COUNT_MAX)
    m[DARK_S] = min(m[DARK_S] + s, memory.S_MAX)
    m[SINCE] = 0


def waits() -> None:
    """A start that cannot go on yet, and meters nothing meanwhile: open the relay when that has lasted an hour. Called
    once a minute."""
    m, trouble = memory.read()
    memory.passed(m)
    memory.write(m, trouble)
    if m[DARK_S] >= _HOUR_S:
        _open_relay()


def _open_relay():
    """One pulse, if there is voltage behind the contact."""
    pin = machine.Pin
    pin(board.RELAY_CLOSE, pin.OUT, value=0)
    coil = pin(board.RELAY_OPEN, pin.OUT, value=0)
    sense = pin(board.RELAY_SENSE, pin.IN)
    high = 0
    for _ in range(_LOOKS):
        high += sense()
        time.sleep_ms(_LOOK_MS)
    if high < 2:  # as in relay.py
        return
    print("starts: an hour without metering: the relay opens")
    time.sleep_ms(_REST_MS)  # the reset may have ended a pulse
    try:
        coil(1)
        time.sleep_ms(_PULSE_MS)
    finally:
        coil(0)


def metered(books) -> None:
    """This start meters: report what was counted until it did, and keep aside the documents it went without."""
    m, trouble = memory.read()
    if m[REPORT]:
        books.log(codes.LOG_BUNDLE_GIVEN_UP, m[REPORT])
    if m[DARK_S] >= _HOUR_S:
        books.log(codes.LOG_NO_METERING, 2)
    fell = m[FELL]
    m[REPORT] = m[FELL] = m[DARK_S] = m[SINCE] = 0
    heap.borrow("aside")
    heap.borrow("wiring")
    try:
        _keep_aside(books, fell)
    except (OSError, BusError) as e:
        print("starts: not kept, what is aside:", e)
        m[FELL] = fell  # the next start goes without it, too
    finally:
        heap.give_back("aside")
        heap.give_back("wiring")
    memory.write(m, trouble)


def _keep_aside(books, fell):
    from meter.documents import aside

    mask = aside.keep(fell)
    if mask:
        print("starts:", aside.words(mask))
        books.log(codes.LOG_DOCUMENTS_ASIDE, mask)
    if board.FRAM_ADDR and aside.goes_without(fell, aside.CALIBRATION):
        from meter.storage import seal

        seal.give_up(books.fram)


def lasted(faults: int) -> None:
    """This start has lasted. After safe mode comes a restart with everything. A version on trial is confirmed, but not
    one that finds metering IC, FRAM or relay faulty, or too little heap: it starts again, and after the last try the
    one before does."""
    m, _ = memory.read()
    if m[STARTS] > _LIMIT:
        m[STARTS] = _LIMIT - 1
        memory.write(m)
        machine.reset()
    m[STARTS] = m[SAFES] = 0
    memory.write(m)
    if _on_trial():
        if faults & _VITAL:
            print("starts: a version on trial with faults: it is not confirmed")
            machine.reset()
        _confirm()


def up() -> None:
    """The firmware has come up: enough for a version that a person has put there."""
    if _on_trial() and _state()[layout.NEEDS] == layout.UP:
        _confirm()


def _state():
    # As loader/state.py has it, which costs too much to load at each start only to find that there is no trial.
    try:
        with open(layout.STATE, "rb") as f:
            return f.read(layout.NEEDS + 1)
    except OSError:
        return b""


def _on_trial():
    """Does a version on trial run? One whose start could not be counted waits, and the one in force runs."""
    state = _state()
    slot = state[layout.ON_TRIAL] if len(state) > layout.NEEDS else 0
    return slot in (1, 2) and sys.path[-1] == (layout.A, layout.B)[slot - 1]


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


def stopped() -> None:
    """Somebody has typed Ctrl-C."""
    machine.WDT(timeout=3_600_000)  # it cannot be stopped
    machine.RTC().memory(b"")  # nor is this a start that did not last
    print("Stopped. machine.reset() starts the meter again, or the watchdog in an hour.")


def failed(e) -> None:
    """Starting, or asyncio itself, has fallen: file it as far as that goes, and start again."""
    sys.print_exception(e)
    m, _ = memory.read()
    memory.passed(m)
    # Not a race: who is at the console may want to read this, and the parts get a rest.
    rest_s = min(m[STARTS], 10)
    if m[SINCE]:
        # Two more: the reset, and what was loaded before seconds were counted.
        _fell(m, rest_s + 2)
    memory.write(m, b"start " + type(e).__name__.encode())
    try:
        from meter.drivers.fram import Fram
        from meter.storage import crashes
        from meter.upkeep import crash

        text = crash.words("start", e)[1]
        crashes.write(Fram(_bus(), board.FRAM_ADDR), 0, None, 0, text.encode())
    except Exception as more:
        print("not filed:", more)
    time.sleep_ms(1000 * rest_s)
    machine.reset()


def _bus():
    """The FRAM's. Not by drivers/buses.py: that is one part with wiring.py, which may be what cannot be loaded."""
    scl = machine.Pin(board.I2C_SCL)
    sda = machine.Pin(board.I2C_SDA)
    if board.SOFT_I2C & 1:
        return machine.SoftI2C(scl=scl, sda=sda, freq=board.I2C_FREQ)
    return machine.I2C(board.I2C_ID, scl=scl, sda=sda, freq=board.I2C_FREQ)
