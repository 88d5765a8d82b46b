# SPDX-License-Identifier: Apache-2.0
"""Documents put aside: each check takes them, and with them no start comes to meter. Loaded at starts and changes.

Starts that fell before they metered (upkeep/starts.py) go without one document at a time:

    starts that fell   what the next one goes without
    0, 1               nothing
    2, 3               settings: those before; those alone that say whose meter this is, and how it is connected
    4, 5               calibration: the one before; none (power-on gains)
    6, 7               tariff: the one before; none (energy is counted at no price)
    8                  what the settings say of `events`: the default ones
    9                  all of these; then it begins again with nothing

What the start went without that meters at last is kept in /aside.json, with size and CRC-32 of the document: that is
passed over from then on, over power cuts too, and never deleted. Another document in its place is none of it.
"""

import json
import os

from micropython import const

from meter.documents import files

NAME = "/aside.json"
SETTINGS = const(0)
CALIBRATION = const(1)
TARIFF = const(2)
EVENTS = const(3)
BEFORE = const(1)  # the document before it is taken
NONE = const(2)  # nor is that: a default
_FILES = ("settings.json", "calibration.json", "tariff.json", "settings.json")
_CALLED = ("settings", "calibration", "tariff", "events")
_FREE = const(2)  # starts that fall as they are
_STEPS = b"\x01\x02\x11\x12\x21\x22\x32"  # which document, and BEFORE or NONE
_ROUND = const(10)


def levels(fell: int, root: str = "") -> bytearray:
    """For each document 0 (as it is), BEFORE or NONE, after this many starts that fell."""
    found = bytearray(4)
    kept = _kept(root)
    for which in range(4):
        entry = kept.get(_CALLED[which])
        if entry and entry[:-1] == _marks(root, which):
            found[which] = entry[-1]
    for which, level in _step(fell):
        found[which] = max(found[which], level)
    return found


def goes_without(fell: int, which: int) -> bool:
    """Does this start go without a document because starts before it fell, and not yet for good?"""
    return any(step[0] == which for step in _step(fell))


def bare(fell: int) -> bool:
    """Is this the start that goes without all of them?"""
    return fell % _ROUND == _ROUND - 1


def mask(found) -> int:
    """The levels as one number, LOG_DOCUMENTS_ASIDE's: bits 0 and 1 settings before and default, 2 and 3 calibration,
    4 and 5 tariff, 7 events."""
    bits = 0
    for which in range(4):
        if found[which]:
            bits |= 1 << 2 * which + found[which] - 1
    return bits


def words(bits: int) -> str:
    """A display row: what is aside."""
    return "Aside: " + " ".join([_CALLED[which] for which in range(4) if bits >> 2 * which & 3])


def keep(fell: int, root: str = "") -> int:
    """The start after those that fell has metered: what it went without is aside from now on. Return mask() of that,
    0 if it was nothing. Raises OSError."""
    steps = _step(fell)
    if steps:
        kept = _kept(root)
        for which, level in steps:
            kept[_CALLED[which]] = _marks(root, which) + [level]
        _store(root, kept)
    fresh = bytearray(4)
    for which, level in steps:
        fresh[which] = level
    return mask(fresh)


def has(root: str, name: str) -> bool:
    """Is this document aside? The settings are not, where only their events are."""
    which = _FILES.index(name)
    entry = _kept(root).get(_CALLED[which])
    return bool(entry) and entry[:-1] == _marks(root, which)


def forget(root: str, name: str) -> None:
    """Another document comes in its place, or the same once more: it is to be tried. Raises OSError."""
    kept = _kept(root)
    for which in range(4):
        if _FILES[which] == name:
            kept.pop(_CALLED[which], None)
    _store(root, kept)


def _step(fell):
    n = fell % _ROUND - _FREE
    if n < 0:
        return []
    if n < len(_STEPS):
        return [(_STEPS[n] >> 4, _STEPS[n] & 15)]
    return [(which, NONE) for which in range(4)]


def _marks(root, which):
    """Bytes and CRC-32 of a document; of a tariff, of the one that came after it, too."""
    found = list(files.check_sum(root, _FILES[which]))
    if which == TARIFF:
        found.extend(files.check_sum(root, "later.json"))
    return found


def _kept(root):
    try:
        with open(root + NAME) as f:
            kept = json.load(f)
    except (OSError, ValueError):
        return {}
    if type(kept) is not dict:
        return {}
    return {name: kept[name] for name in kept if type(kept[name]) is list and kept[name] and kept[name][-1] in (1, 2)}


def _store(root, kept):
    with open(root + "/aside.new", "w") as f:
        json.dump(kept, f)
    os.rename(root + "/aside.new", root + NAME)
