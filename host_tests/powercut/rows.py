# SPDX-License-Identifier: Apache-2.0
"""The load profile under power cuts: what was written whole stays, and no slot in which the meter ran is missing.

One exception: the row of a slot that ended in an outage is written right after the first tick of the next start. If
that start is cut between the two, the row is missing; its energy is in the next one.
"""

import struct

from meter.storage import profile

from host_tests.bench.plant.flash import RINGS_AT, SECTOR
from host_tests.bench.views.rings import read_profile

_SLOT_S = 900


class Rows:
    def __init__(self):
        self._written = {}  # number -> end of the slot
        self._slots = set()  # ends of the slots a tick fell into

    def tick(self, utc_s: int) -> None:
        self._slots.add(-(-utc_s // _SLOT_S) * _SLOT_S)

    def programmed(self, offset: int, data: bytes) -> None:
        block = (offset - RINGS_AT) // SECTOR
        if profile.FIRST <= block < profile.FIRST + profile.BLOCKS and len(data) == profile.SIZE and any(data):
            number, end_s = struct.unpack_from("<II", data)
            self._written[number] = end_s

    def check(self, flash, state, cut_again: bool):
        """Sentences about what is wrong, at the end. cut_again: a start after a cut was cut itself."""
        rows = read_profile(flash)
        kept = {row.number: row.end_s for row in rows}
        if list(kept) != sorted(kept) or list(kept.values()) != sorted(kept.values()):
            yield "profile rows are out of order"
        for number, end_s in self._written.items():
            if kept.get(number) != end_s:
                yield f"profile row {number} is not there any more"
        ends = [row.end_s for row in rows]
        for end_s in sorted(self._slots):
            if end_s < state.utc_s and ends.count(end_s) != 1 and not (cut_again and end_s not in ends):
                yield f"the slot that ended at {end_s} has {ends.count(end_s)} profile rows"
        if any((row.import_counts or 0) > state.import_counts for row in rows):
            yield "a profile row holds more than the ledger"
