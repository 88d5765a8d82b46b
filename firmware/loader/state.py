# SPDX-License-Identifier: Apache-2.0
"""The boot state: which slot is in force, which is on trial, and what each must hold.

/boot.bin, byte by byte: layout.py. 88 bytes, so LittleFS keeps it in its folder's log: a third of a hundredth of an
erase a change. It is replaced by a rename, so after a power cut it is the old one or the new one. A damaged one is made
again from the slots (slots.py).
"""

import os
import struct
from binascii import crc32

from micropython import const

from loader.layout import CHECKED, STATE

TRIES = const(3)  # starts of a slot on trial
SWITCH = const(12)  # starts in a row that did not last: the other slot's turn; safe mode comes before (starts.py)
_FORMAT = "<4sBBBB32s32sIBBIBB"
_MAGIC = b"PWS2"
_NONE = bytes(32)


class State:
    def __init__(self):
        self.active = 0
        self.trial = 0
        self.tries = 0
        self.needs = 0
        self.heads = [_NONE, _NONE, _NONE]  # by slot; the first is of none
        self.waits = [0] * 6  # which, tries, cuts of one bundle, then of the other

    def holds(self, slot: int) -> bool:
        return self.heads[slot] != _NONE

    def any(self) -> bool:
        return self.holds(1) or self.holds(2)

    def forget(self, slot: int) -> None:
        """Nothing in this slot is to be started."""
        self.heads[slot] = _NONE
        if self.trial == slot:
            self.trial = 0
        if self.active == slot:
            self.active = 0

    def settle(self) -> None:
        """A slot that holds nothing is neither in force nor on trial. On trial with nothing to go back to is in
        force; so is, with nothing in force, what is held."""
        if self.trial == self.active or not self.holds(self.trial):
            self.trial = 0
        if not self.holds(self.active):
            self.active = self.trial or (1 if self.holds(1) else 2 if self.holds(2) else 0)
            self.trial = 0


def load(root: str = ""):
    """The State, or None when there is none that is whole."""
    try:
        with open(root + STATE, "rb") as f:
            data = f.read(CHECKED + 5)
    except OSError:
        return None
    if len(data) != CHECKED + 4 or data[:4] != _MAGIC:
        return None
    if struct.unpack("<I", data[CHECKED:])[0] != crc32(data[:CHECKED]) & 0xFFFFFFFF:
        return None
    s = State()
    _, s.active, s.trial, s.tries, s.needs, a, b, *s.waits = struct.unpack(_FORMAT, data[:CHECKED])
    s.heads = [_NONE, a, b]
    if s.active > 2 or s.trial > 2:
        return None
    return s


def store(s, root: str = "") -> None:
    """Replace what is stored. OSError when the flash takes nothing."""
    try:
        _store(s, root)
    except OSError:
        for name in ("/boot.new", STATE):
            _remove_folder(root + name)
        _store(s, root)


def _remove_folder(path):
    """A folder where a file should be is nobody's."""
    from loader.bundle import remove

    try:
        if os.stat(path)[0] & 0x4000:
            remove(path)
    except OSError:
        pass


def _store(s, root):
    _, a, b = s.heads
    data = struct.pack(_FORMAT, _MAGIC, s.active, s.trial, min(s.tries, 255), s.needs, a, b, *s.waits)
    with open(root + "/boot.new", "wb") as f:
        f.write(data)
        f.write(struct.pack("<I", crc32(data) & 0xFFFFFFFF))
    os.rename(root + "/boot.new", root + STATE)


def begin(s, starts: int) -> bool:
    """Decide which slot this start is for: s.trial while there is one, else s.active. True: s has changed.

    starts: in a row that did not last, this one counted.
        on trial, fewer than TRIES starts     one more of them
        on trial, TRIES starts                it has failed: back to the slot in force
        in force, up to SWITCH starts         again: its own safe mode sees to that
        in force, more, and another is held   the other is in force
        nothing in force                      whatever is held, that on trial first
    """
    before = s.active, s.trial
    s.settle()
    if s.trial:
        if s.tries < TRIES:
            s.tries += 1
        else:
            s.forget(s.trial)
            s.tries = 0
        return True
    if starts > SWITCH and s.active and s.holds(3 - s.active):
        s.active = 3 - s.active
    return before != (s.active, s.trial)


def confirm(root: str = "") -> bool:
    """The slot on trial is in force from now on. False: there is none."""
    s = load(root)
    if s is None or not s.trial:
        return False
    s.active = s.trial
    s.trial = s.tries = 0
    store(s, root)
    return True
