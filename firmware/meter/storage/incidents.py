# SPDX-License-Identifier: Apache-2.0
"""What was measured when something watched for began or ended: a ring on raw flash (FORMAT.md, "Incidents").

1,081 records at least: each use of the ring costs a slot. The event log has a line for each; this has the evidence.
"""

import struct

from micropython import const

from meter.storage.map import INCIDENTS_BLOCKS as BLOCKS
from meter.storage.map import INCIDENTS_FIRST as FIRST
from meter.storage.map import INCIDENTS_KIND as KIND
from meter.storage.ring import Ring

SIZE = const(56)
_FORMAT = "<IIIIBBBBi3H3H3h3hHH"
_WRITTEN = "<IIIIIi3H3H3h3hHH"  # the same, with code, phase and marks in one word


class Incidents:
    """Raises StorageError."""

    def __init__(self, dev):
        self.ring = Ring(dev, FIRST, BLOCKS, SIZE, KIND)
        self.ring.open()

    def append(self, event: int, utc_s: int, lasted_s: int, what: int, value: int, figures):
        """event: number in the event log, 0: none. lasted_s: 0 for a beginning. what: the code, the phase << 8, and
        marks << 16: 1 clock not valid, 2 contact open, 4 nothing measured. figures: U in 0.1 V, I in 0.01 A, P in W,
        power factor in 1/1000 of each phase, then frequency in 0.01 Hz."""
        buf = bytearray(SIZE)
        struct.pack_into(_WRITTEN, buf, 0, 0, event, utc_s, lasted_s, what, value, *figures, 0)
        self.ring.append(buf)

    def read(self, number: int):
        """Record `number` as (number, event, utc_s, lasted_s, code, phase, marks, 0, value, 13 figures ..., 0)
        or None."""
        buf = bytearray(SIZE)
        return struct.unpack_from(_FORMAT, buf, 0) if self.ring.read_into(number, buf) else None
