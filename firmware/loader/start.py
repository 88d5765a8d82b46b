# SPDX-License-Identifier: Apache-2.0
"""The first thing that runs: count the start, install what waits, choose the slot, and look nowhere else.

Memory of the RTC, which every reset leaves alone and a power cut clears: u8 starts in a row that did not last, u8 safe
modes in a row, then the last trouble as text (meter/services/starts.py reads it and takes the count back).
"""

import gc
import os
import sys
import time

import machine
from micropython import const

from loader.bundle import remove
from loader.errors import LoaderError
from loader.slots import WAITING, choose, install, known
from loader.state import SLOTS

_WATCHDOG_MS = const(30_000)
_RESCUE_S = const(600)


def run() -> None:
    """Sets sys.path to the slot chosen, or stays in rescue() until a reset."""
    starts = _count()
    watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    slot = 0
    version = ""
    try:
        for path in WAITING:
            _install(path, watchdog.feed)
        slot, version, other = choose(starts, "", watchdog.feed)
        if other:
            machine.RTC().memory(b"\x01\x00")  # its own safe mode is its own
    except Exception as e:
        sys.print_exception(e)
    if slot:
        print("loader: version", version, "in slot", SLOTS[slot][1:])
        sys.path[:] = [".frozen", SLOTS[slot]]
        for name in list(sys.modules):
            if name.startswith("loader"):
                del sys.modules[name]
    else:
        rescue(watchdog)


def _count():
    """This start, counted before anything else is done. What hangs or falls in it ends in the next."""
    memory = machine.RTC().memory()
    starts = min(memory[0] + 1, 255) if len(memory) > 1 else 1
    machine.RTC().memory(bytes((starts, memory[1] if len(memory) > 1 else 0)) + memory[2:])
    return starts


def _install(path, feed):
    try:
        os.stat(path)
    except OSError:
        return
    try:
        s = known("", feed)
        slot = install(path, s, _board(s), "", feed)
        print("loader:", "installed" if slot else "it is installed already")
    except LoaderError as e:
        print("loader: bundle refused:", e)
    except Exception as e:  # whatever it is, it must not come again at each start
        print("loader: bundle refused:", repr(e))
    gc.collect()
    try:
        remove(path)
    except Exception as e:
        print("loader:", path, "cannot be removed:", repr(e))


def _board(s):
    """The name of this board: that of the firmware it has. None if it has none that is whole."""
    from loader.bundle import about, open_head

    for slot in (s.active, s.trial, 1, 2):
        try:
            f, _, head = open_head(SLOTS[slot] + "/manifest")
        except LoaderError:
            continue
        try:
            if s.holds(slot) and head == s.heads[slot]:
                return about(f)[1]
        finally:
            f.close()
    return None


def rescue(watchdog) -> None:
    """No slot can be started: say so, leave every pin alone, and try again after ten minutes. Ctrl-C gives the REPL,
    on a board that has one, with time to repair."""
    print("RESCUE no slot can be started: run `make deploy PORT=...`; where the REPL is off, write the flash anew")
    boot = sys.modules.get("_boot")  # of production firmware: why there is no file system
    if boot and getattr(boot, "trouble", ""):
        print("RESCUE", boot.trouble)
    try:
        for n in range(_RESCUE_S):
            watchdog.feed()
            if n % 10 == 9:
                print("RESCUE no slot can be started")
            time.sleep_ms(1000)
    except KeyboardInterrupt:
        machine.WDT(timeout=3_600_000)
        raise
    machine.reset()
