# SPDX-License-Identifier: Apache-2.0
"""The first thing that runs: count the start, install what waits, choose the slot, and look nowhere else.

The count is in the memory of the RTC: layout.py.
"""

import sys
import time

import machine
from micropython import const

from loader.layout import FELL, ITS_TRIES, SAFES, SLOTS, STARTS, TRIED, TROUBLE
from loader.slots import choose
from loader.waiting import give_up, install_all

_WATCHDOG_MS = const(30_000)
_RESCUE_S = const(600)


def run() -> None:
    """Sets sys.path to the slot chosen, or stays in rescue() until a reset."""
    memory = _count()
    watchdog = machine.WDT(timeout=_WATCHDOG_MS)
    slot = 0
    version = ""
    try:
        tried = bytes(memory[TRIED : ITS_TRIES + 1])
        skipped = install_all(memory, watchdog.feed, tried)
        # Should it be the only whole firmware, it must stay: so all of a slot is read before it goes.
        slot, version, other = choose(max(memory[STARTS], 2) if skipped else memory[STARTS], "", watchdog.feed)
        if skipped and slot:
            give_up(skipped, memory, tried)
        elif skipped:
            install_all(memory, watchdog.feed, None)
            slot, version, other = choose(memory[STARTS], "", watchdog.feed)
        if other:
            memory[STARTS] = 1  # its own safe mode is its own
            memory[SAFES] = memory[FELL] = 0
            machine.RTC().memory(memory[:TROUBLE])
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
    """This start, counted before anything else is done. Return the memory of the RTC. What hangs or falls in it ends in
    the next."""
    memory = bytearray(machine.RTC().memory())
    if len(memory) < 2:
        memory = bytearray(TROUBLE)
    elif len(memory) < TROUBLE:
        memory = memory + bytes(TROUBLE - len(memory))
    memory[STARTS] = min(memory[STARTS] + 1, 255)
    machine.RTC().memory(memory)
    return memory


def rescue(watchdog) -> None:
    """No slot can be started: say so, leave every pin alone, and try again after ten minutes. Ctrl-C gives the REPL,
    on a board that has one, with time to repair."""
    print("RESCUE no slot can be started: run `make deploy PORT=...`; where the REPL is off, write the flash again")
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
