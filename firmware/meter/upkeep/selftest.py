# SPDX-License-Identifier: Apache-2.0
"""The self-test at start: each part found or not, on the console, and on the display when there is one.

One line a part, with what to look at; then one line for programs:
    SELFTEST board=esp32_devkit version=0.6.0 slot=a micropython=1.28.0 reset=power meter_ic=ok display=missing
    clock=unset fram=ok card=ok relay=open storage=ok settings=ok tariff=ok keys=none heap=36234 idf_free=82016
    idf_largest=53248 result=fail
Each value is one word. A part is ok, missing (it does not answer, or not as it should), or off (this board has none, or
nobody looks at it, as in safe mode); the clock may be unset; the FRAM is fault when it answers and holds no ledger that
can be read, or does not keep what is written to it; the relay is open, closed or fault; storage may be fault; a
document is ok or none, refused ones too.
heap: bytes free in MicroPython's own heap; idf_free, idf_largest: what ESP-IDF has beside it, and its largest piece.
result=ok: nothing is missing, unset, none or fault. It decides nothing: every part is started by its own driver, and
tried again for ever.
"""

import gc
import os
import sys

import board
import machine
from micropython import const

from meter.upkeep.parts import table

_SAID_MS = const(900)
_SAID_WRONG_MS = const(4000)
_ROW = const(20)  # characters of the display
_GOOD = ("ok", "off", "open", "closed")
_RESETS = ("?", "power", "hard", "watchdog", "deepsleep", "soft")


def run(books, panel, buses) -> None:
    """Say what is there. buses: see parts.py. panel: or None."""
    free_kib = _free_kib()
    if free_kib > 0:
        print("selftest: %d KiB of flash are free" % free_kib)
    line = "SELFTEST board=%s version=%s slot=%s micropython=%s reset=%s" % (
        board.NAME, _version(), sys.path[-1][1:], ".".join([str(n) for n in sys.implementation.version[:3]]),
        _RESETS[machine.reset_cause()],
    )  # fmt: skip
    wrong = []
    for name, state, hint in table(books, panel, buses, free_kib):
        line += " %s=%s" % (name, state)
        if state in _GOOD:
            print("selftest: %-9s %s" % (name, state))
        else:
            wrong.append(name)
            print("selftest: %-9s %s: %s" % (name, state, hint))
    from meter.upkeep.status import own_free

    gc.collect()
    line += " heap=%d idf_free=%d idf_largest=%d" % own_free()
    print("%s result=%s" % (line, "fail" if wrong else "ok"))
    if panel and not panel.said:  # what comes of a card is told once
        names = ["", ""]
        for name in wrong:
            names[len(names[0]) + len(name) > _ROW] += name + " "
        panel.say(
            ("Pennywatt " + _version(), "Self-test: look at" if wrong else "Self-test: ok", names[0], names[1]),
            _SAID_WRONG_MS if wrong else _SAID_MS,
        )


def _free_kib():
    """In the file system; -1: it does not say."""
    try:
        found = os.statvfs("/")
    except OSError:
        return -1
    return found[0] * found[3] // 1024


def _version():
    """From the slot's manifest: the loader has just checked it."""
    try:
        with open(sys.path[-1] + "/manifest", "rb") as f:
            f.seek(70)
            return f.readline().decode().split()[-1]
    except (OSError, ValueError, IndexError):
        return "none"
