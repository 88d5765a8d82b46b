# SPDX-License-Identifier: Apache-2.0
"""The slots: does one hold what was signed, and putting a bundle into the one that is not in use.

Power may fail anywhere in install(): until its last store() the boot state has no hash for the slot being written, so
nothing half-written is ever started; after it, a bundle that still lies there is already in its slot and is removed.
"""

import os

from micropython import const

from loader.bundle import HEAD, about, check_file, entries, key, open_head, remove, signed
from loader.errors import LoaderError
from loader.layout import SLOTS, UP, WAITING
from loader.state import State, begin, load, store

_FOLDER = const(0x4000)
_carrier = []  # what in_place() has found


def in_place():
    """The partition in which slots run in place (romfs.py), or None: LittleFS has them."""
    if not _carrier:
        try:
            from vfs import rom_ioctl  # builds that can have it there
        except ImportError:
            return None
        from loader import romfs

        _carrier.append(romfs.attach(rom_ioctl))
    return _carrier[0]


def look(slot: int, into):
    """What into() returns of a slot's files: of those in place or, when there are none or it raises, of LittleFS's."""
    rom = in_place()
    if rom and rom.mount(slot):
        try:
            return into()
        except (LoaderError, OSError) as e:
            print("loader: slot", SLOTS[slot][1:], "in place:", e)
            rom.umount(slot)
    return into()


def check(slot: int, head, root: str = "", quick: bool = False) -> str:
    """look() into a slot with _check()."""
    return look(slot, lambda: _check(slot, head, root, quick))


def _check(slot, head, root, quick):
    """The version in a slot. Raises LoaderError unless it holds what its manifest says, and the manifest is the one
    with this SHA-256. Files that do not belong to it are removed: they could hide some of its own.

    quick: only the manifest, and that there are as many .mpy files as it names and nothing else. Reading all takes
    LittleFS six times as many reads as a start: that is for trials, and starts after one that did not last.
    """
    place = root + SLOTS[slot]
    f, length, digest = open_head(place + "/manifest")
    try:
        if digest != head:
            raise LoaderError("its manifest is another")
        version = about(f)[0]
        if quick:
            if _count(place) == f.read(length).count(b"\n") + 1:
                return version
            f.seek(HEAD)
            about(f)
        mine = {place + "/manifest"}
        for digest, size, path in entries(f, length):
            path = place + "/" + path
            _check_one(path, digest, size)
            mine.add(path)
            while path != place:
                path = path.rpartition("/")[0]
                mine.add(path)
    finally:
        f.close()
    _tidy(place, mine)
    return version


def _count(place, deep=0):
    """How many files a slot has, the manifest among them; 1000 more for one that none of ours is named like."""
    n = 0
    for name, kind, *_ in os.ilistdir(place):
        if kind == _FOLDER:
            # An empty one hides a module of its name; one that deep is none of ours.
            n += (_count(place + "/" + name, deep + 1) if deep < 3 else 0) or 1000
        else:
            n += 1 if name.endswith(".mpy") or name == "manifest" else 1000
    return n


def _check_one(path, digest, size):
    try:
        with open(path, "rb") as f:
            if not check_file(f, digest, size) or f.read(1):
                raise LoaderError(path + " is damaged")
    except OSError:
        raise LoaderError(path + " is missing")


def _tidy(place, mine):
    for name, kind, *_ in list(os.ilistdir(place)):
        path = place + "/" + name
        if path not in mine:
            print("loader: removed", path)
            remove(path)
        elif kind == _FOLDER:
            _tidy(path, mine)


def install(path: str, s, board, root: str = "", feed=None) -> int:
    """Put a bundle into the slot that is not in force. Return the slot, or 0 if it is there already.

    s: the boot State, stored when this returns. board: the name of this board, or None if nobody knows yet.
    feed: called often. Raises LoaderError, and nothing has changed; OSError when the flash is full or worn.
    """
    public = key(root)
    if public is None:
        raise LoaderError("this meter knows no key to check it with: provision it")
    if feed:
        feed()
    signed(path, public)
    f, length, head = open_head(path)
    try:
        _settle(s, root, feed)
        if s.active and head in (s.heads[s.trial], s.heads[s.active]):
            return 0
        version, meant_for, oldest = about(f)
        if board is not None and meant_for != board:
            raise LoaderError("it is for the board %s, this is %s" % (meant_for, board))
        _old_enough(oldest)
        _check_all(f, length, feed)
        if s.trial:
            s.forget(s.trial)
        slot = 3 - s.active if s.active else 1
        rom = in_place()
        s.heads[slot] = State().heads[0]
        store(s, root)
        print("loader: version", version, "goes into slot", SLOTS[slot][1:])
        try:
            if rom:
                rom.write(f, length, slot, feed)
            else:
                _copy(f, length, root + SLOTS[slot], feed)
            check(slot, head, root)
        except Exception:
            if not rom:
                remove(root + SLOTS[slot])  # half of it is of no use, and fills the flash
            raise
    finally:
        f.close()
    s.heads[slot] = head
    s.needs = UP if path.endswith(WAITING[1]) else 0
    s.tries = 0
    if s.active:
        s.trial = slot
    else:
        s.active = slot  # there is nothing to go back to
    store(s, root)
    return slot


def _settle(s, root, feed):
    """Forget what is damaged: else the whole slot of the two might be the one written over."""
    changed = False
    for slot in (1, 2):
        try:
            if s.holds(slot):
                check(slot, s.heads[slot], root)
        except Exception as e:
            _forget(s, slot, e)
            changed = True
        if feed:
            feed()
    s.settle()
    if changed:
        keep(s, root)


def _forget(s, slot, e):
    print("loader: slot", SLOTS[slot][1:] + ":", e)
    s.forget(slot)
    s.tries = 0


def _old_enough(oldest):
    import sys

    here = sys.implementation.version
    wanted = tuple([int(n) for n in oldest.split(".") if n.isdigit()])
    if tuple(here[: len(wanted)]) < wanted:
        raise LoaderError("it needs MicroPython " + oldest)


def _check_all(f, length, feed):
    """All contents before anything is written."""
    at = HEAD + length
    for digest, size, path in entries(f, length):
        here = f.tell()
        f.seek(at)
        if not check_file(f, digest, size):
            raise LoaderError(path + " in it is damaged")
        at += size
        f.seek(here)
        if feed:
            feed()
    here = f.tell()
    f.seek(at)
    if f.read(1):
        raise LoaderError("something follows its last file")
    f.seek(here)


def _copy(f, length, place, feed):
    remove(place)
    os.mkdir(place)
    f.seek(HEAD)
    about(f)
    at = HEAD + length
    made = set()
    for digest, size, path in entries(f, length):
        here = f.tell()
        folder = place
        for part in path.split("/")[:-1]:
            folder += "/" + part
            if folder not in made:
                os.mkdir(folder)
                made.add(folder)
        f.seek(at)
        with open(place + "/" + path, "wb") as out:
            check_file(f, digest, size, out)
        at += size
        f.seek(here)
        if feed:
            feed()
    f.seek(0)
    with open(place + "/manifest", "wb") as out:
        left = HEAD + length
        while left > 0:
            part = f.read(min(left, 512))
            out.write(part)
            left -= len(part)


def known(root: str = "", feed=None):
    """The boot State, or one made again if it is lost or names no slot."""
    s = load(root)
    if s is None or not s.any():
        print("loader: no boot state")
        before = s
        s = found(root, feed)
        if before:
            s.waits = before.waits  # what bundles have had their tries is still known
        if s.any():
            keep(s, root)
    return s


def found(root: str = "", feed=None):
    """A boot state made again from the slots, for one that is lost: of those that are whole and signed, the newer."""
    s = State()
    best = []
    for slot in (1, 2):
        if feed:
            feed()
        try:
            head, version = look(slot, lambda: _ours(slot, root))  # noqa: B023
            numbers = [int(n) if n.isdigit() else -1 for n in version.split(".")] + [0]
        except Exception as e:
            print("loader: slot", SLOTS[slot][1:] + ":", e)
            continue
        s.heads[slot] = head
        if not s.active or numbers > best:
            s.active = slot
            best = numbers
    return s


def _ours(slot, root):
    """(SHA-256 of the head, version) of a slot. Raises LoaderError unless it is signed and whole."""
    public = key(root)
    if public is None:
        raise LoaderError("this meter knows no key to check it with")
    path = root + SLOTS[slot] + "/manifest"
    signed(path, public)
    f, _, head = open_head(path)
    f.close()
    return head, _check(slot, head, root, False)


def choose(starts: int, root: str = "", feed=None):
    """(slot that is whole and to be started, or 0; its version; is it another than was in force?). Counts a start on
    trial before it looks at the slot, and starts none that it cannot count."""
    rom = in_place()
    for _ in range(2):  # again with a state made again from what is there, when all it names is damaged
        s = known(root, feed)
        before = s.active
        while s.any():
            kept = not begin(s, starts) or keep(s, root)
            slot = s.trial if kept and s.trial else s.active
            try:
                quick = starts == 1 and not s.trial
                version = check(slot, s.heads[slot], root, quick)
                if rom:
                    rom.umount(3 - slot)  # nothing of the other is in reach of the one that runs
                return slot, version, slot != before
            except Exception as e:
                _forget(s, slot, e)
                keep(s, root)
                starts = 0
    return 0, "", False


def keep(s, root) -> bool:
    """Store the boot state. False: the flash does not take it."""
    try:
        store(s, root)
        return True
    except OSError as e:
        print("loader: the boot state cannot be kept:", e)
        return False
