# SPDX-License-Identifier: Apache-2.0
"""A bundle that waits: each try is counted before it begins, so that none is tried without an end.

Counted in the boot state (state.py), which power cuts leave alone, and in the RTC's memory (layout.py), which they
clear: that tells them apart.

    a try that ends          installed or refused: the bundle is removed, and all counts with it
    one that hangs or falls  the third is the last one: the bundle is given up
    one that power ended     is none of the three; 20 give it up as well (a supply that does not bear writing)
    given up                 removed and reported when a slot has been found to start; one that cannot be removed, in
                             three starts, is passed over from then on
    no slot can be started   it may be the only whole firmware there is: it is tried again at each start
"""

import gc
import os
from binascii import crc32

import machine
from micropython import const

from loader.bundle import about, open_head, remove
from loader.errors import LoaderError
from loader.layout import ITS_TRIES, REPORT, REPORT_STAYS, SLOTS, TRIED, WAITING
from loader.slots import install, keep, known, look

TRIES = const(3)
CUTS = const(20)
_GIVEN_UP = const(252)  # in place of its tries, and up to three more for the tries to remove it
_STAYS = const(255)  # it cannot be removed
_PART = const(128)


def install_all(memory, feed, before) -> int:
    """Install what waits. Return a bit for each bundle that has had its tries. before: what the RTC knew of those when
    this start began; None: they are no matter."""
    skipped = 0
    for n in (0, 1):
        if not _install(n, memory, feed, before):
            skipped |= 1 << n
    return skipped


def give_up(skipped: int, memory, before) -> None:
    """A slot can be started without these: remove and report them."""
    s = known()
    for n in (0, 1):
        if skipped >> n & 1:
            print("loader:", WAITING[n], "is given up: no start came past it")
            at = 3 * n + 1
            tries = max(0, s.waits[at] - _GIVEN_UP)
            if before[0] == n + 1:
                tries = max(tries, before[1] - TRIES)
            if tries < TRIES:
                # First: to remove it may be what no start comes past.
                memory[TRIED] = n + 1
                memory[ITS_TRIES] = TRIES + tries + 1
                memory[REPORT] |= 1 << n
                machine.RTC().memory(memory)
                s.waits[at] = _GIVEN_UP + tries + 1
                keep(s, "")
                _end(n, s, memory)


def _install(n, memory, feed, before):
    """False: it has had its tries."""
    path = WAITING[n]
    try:
        size = os.stat(path)[6]
    except OSError:
        return True
    s = known("", feed)
    if s.any() and before is not None and not _count(n, s, _which(path, size), memory, before):
        return False
    try:
        slot = install(path, s, _board(s), "", feed)
        print("loader:", "installed" if slot else "it is installed already")
    except LoaderError as e:
        print("loader: bundle refused:", e)
    except Exception as e:  # whatever it is, it must not come again at each start
        print("loader: bundle refused:", repr(e))
    gc.collect()
    _end(n, s, memory)
    return True


def _which(path, size):
    """What tells this bundle from the next one: CRC-32 of how it begins, signature and all, and of its size."""
    begins = b""
    try:
        with open(path, "rb") as f:
            begins = f.read(_PART)
    except OSError:
        pass
    return crc32(begins + b"%d" % size) & 0xFFFFFFFF


def _count(n, s, which, memory, before):
    """One more try, counted in both places. False: there have been enough."""
    at = 3 * n
    w = s.waits
    mine = before[0] == n + 1
    if w[at] != which:
        if w[at]:  # of another bundle, and so is what the RTC knows
            mine = False
        w[at] = which
        w[at + 1] = w[at + 2] = 0
    elif not mine and 0 < w[at + 1] <= TRIES:
        w[at + 1] -= 1
        w[at + 2] += 1
    tries = max(w[at + 1], before[1] if mine else 0)
    if tries >= TRIES or w[at + 2] >= CUTS:
        return False
    w[at + 1] = tries + 1
    memory[TRIED] = n + 1
    memory[ITS_TRIES] = tries + 1
    machine.RTC().memory(memory)
    keep(s, "")
    return True


def _end(n, s, memory):
    """Remove the bundle; one that stays is not tried again."""
    at = 3 * n
    memory[TRIED] = memory[ITS_TRIES] = 0
    machine.RTC().memory(memory)
    before = s.waits[at + 1]
    try:
        remove(WAITING[n])
        s.waits[at] = s.waits[at + 1] = s.waits[at + 2] = 0
    except Exception as e:
        print("loader:", WAITING[n], "cannot be removed:", repr(e))
        s.waits[at + 1] = max(_GIVEN_UP, before)
        if s.waits[at + 1] == _STAYS:
            memory[REPORT] |= 1 << n | REPORT_STAYS
            machine.RTC().memory(memory)
    if s.waits[at + 1] != before and s.any():
        keep(s, "")


def _board(s):
    """The name of this board: that of the firmware it has. None if it has none that is whole."""
    for slot in (s.active, s.trial, 1, 2):
        try:
            if s.holds(slot):
                return look(slot, lambda: _meant_for(slot, s.heads[slot]))  # noqa: B023
        except LoaderError:
            pass
    return None


def _meant_for(slot, head):
    """The board of the firmware in a slot, whose head has this SHA-256. Raises LoaderError."""
    f, _, found = open_head(SLOTS[slot] + "/manifest")
    try:
        if found != head:
            raise LoaderError("its manifest is another")
        return about(f)[1]
    finally:
        f.close()
