# SPDX-License-Identifier: Apache-2.0
"""A document read in parts, straight from its file: as one tree it takes four times its length of heap.

The outermost object, and each longer object or list right in it, is a Part, whose values are read when they are asked
for. What lies deeper is read whole. The text is checked to its end first: nothing is made of one that is not JSON.
"""

import json

from micropython import const

_PIECE = const(128)  # bytes: what is not longer is read whole
_LEVELS = const(2)
_SPACE = b" \t\n\r"
_QUOTE = const(0x22)
_COLON = const(0x3A)
_BACKSLASH = const(0x5C)
_BRACE = const(0x7B)
_TO_CLOSING = const(2)  # in ASCII, from an opening bracket or brace to the one that closes it


class Part:
    """An object or a list, as `kind` says: of a dict or a list what checks ask of it. ValueError: it is not JSON."""

    def __init__(self, f, cuts, levels, kind):
        self.file = f
        self.cuts = cuts
        self.levels = levels
        self.kind = kind
        self.places = range(len(cuts) - 1)
        if kind is list:
            for _ in self:
                pass
            return
        if not len(cuts) & 1:
            raise ValueError
        places = {}
        for i in range(0, len(cuts) - 1, 2):
            key = self[i]
            if type(key) is not str:
                raise ValueError
            self[i + 1]
            places[key] = i + 1
        self.places = places

    def __len__(self):
        return len(self.places)

    def __iter__(self):
        return iter(self.places) if self.kind is dict else map(self.__getitem__, self.places)

    def __getitem__(self, key):
        i = self.places[key]
        return value(self.file, self.cuts[i] + 1, self.cuts[i + 1], self.levels)

    def get(self, key, default=None):
        return self[key] if key in self.places else default


def value(f, start=0, end=None, levels=_LEVELS):
    """Return what json.load() does of the text from start on, before end, but a Part of what is long. Raise ValueError
    when it is not JSON."""
    if end is None:
        end = f.seek(0, 2)
    cuts = _cuts(f, start, end) if levels and end - start > _PIECE else ()
    if len(cuts) > 2:
        f.seek(cuts[0])
        return Part(f, cuts, levels - 1, dict if f.read(1) == b"{" else list)
    f.seek(start)
    return json.loads(str(f.read(end - start), "utf-8"))


def _cuts(f, start, end):
    """Where an object or a list opens, has its commas and colons (not those of its values), and closes. Empty: it
    is neither."""
    cuts = []
    depth = opening = 0
    quoted = escaped = False
    fit = True
    at = start
    f.seek(at)
    while at < end:
        for byte in f.read(min(_PIECE, end - at)):
            if escaped:
                escaped = False
            elif quoted:
                escaped = byte == _BACKSLASH
                quoted = byte != _QUOTE
            elif byte == _QUOTE:
                quoted = True
            elif byte in b"[{":
                if not depth:
                    opening = byte
                    cuts.append(at)
                depth += 1
            elif byte in b"]}":
                depth -= 1
                if depth < 1:
                    cuts.append(at)
                    f.seek(start)
                    beside = f.read(cuts[0] - start)
                    f.seek(at + 1)
                    beside += f.read(end - at - 1)
                    if fit and byte == opening + _TO_CLOSING and not beside.strip(_SPACE):
                        return cuts
                    raise ValueError
            elif depth == 1 and byte in b",:":
                fit = fit and (byte == _COLON) == (opening == _BRACE and len(cuts) & 1 == 1)
                cuts.append(at)
            at += 1
    if depth:
        raise ValueError
    return ()
