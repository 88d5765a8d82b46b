# SPDX-License-Identifier: Apache-2.0
"""A person at the meter: a card is put in and taken out, Ctrl-C is typed."""

import os
import signal
import time


def show(b, card, seconds=6.0):
    """Put a card in; what the display said meanwhile, each screen once."""
    b.plant.reader.insert(card, b.plant.clock.now_us)
    seen = []
    for _ in range(int(seconds / 0.1)):
        b.run_s(0.1)
        if b.screen() not in seen:
            seen.append(b.screen())
    b.plant.reader.remove(b.plant.clock.now_us)
    b.run_s(2)
    return " | ".join(seen)


def ctrl_c(b):
    """Typed while it sleeps; what it asks for from now on is another thing."""
    asleep = b.plant.buf[0]
    os.kill(b.meter.pid, signal.SIGINT)
    patience = time.monotonic() + 10
    while b.plant.buf[0] == asleep and time.monotonic() < patience:
        time.sleep(0.01)
    b.plant.sleep_until_us = None


def screens(b, seconds: int) -> str:
    """All that the display shows in that time."""
    seen = set()
    for _ in range(seconds):
        b.run_s(1)
        seen.add(b.screen())
    return " | ".join(seen)
