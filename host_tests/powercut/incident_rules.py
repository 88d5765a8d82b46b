# SPDX-License-Identifier: Apache-2.0
"""Incidents under power cuts: the evidence for each event that is watched for is there for good, under a number of its
own, unless the power failed between the event and its evidence.
"""

import struct

from meter.core import codes
from meter.storage import events, incidents

from host_tests.bench.plant.flash import RINGS_AT, SECTOR
from host_tests.bench.views.rings import read_incidents

# Tampering, but not the alarms in between; quality of the supply.
_WATCHED = {
    *range(codes.LOG_COVER_OPEN, codes.LOG_PULSES + 2),
    *range(codes.LOG_NEUTRAL, codes.LOG_COVER_UNPOWERED + 2),
    *range(codes.LOG_OVER_VOLTAGE, codes.LOG_HIGH_FREQUENCY + 2),
}


def is_there(offset: int) -> bool:
    block = (offset - RINGS_AT) // SECTOR
    return incidents.FIRST <= block < incidents.FIRST + incidents.BLOCKS


class IncidentRules:
    """All methods give sentences about what is wrong."""

    def __init__(self, plant):
        self._flash = plant.flash
        self._kept = {}  # number -> (offset, bytes) of what was written whole
        self._without = None  # the event whose evidence is to come

    def power_on(self):
        self._without = None
        return self._kept_whole()

    def logged(self, data):
        """An event is written."""
        number, _, code = struct.unpack_from("<IIB", data)
        if code in _WATCHED:
            if self._without:
                yield f"there is no evidence for event {self._without}"
            self._without = number

    def programmed(self, offset, data, logged):
        """A program is complete. logged: the events, number -> bytes."""
        if not is_there(offset) or len(data) != incidents.SIZE or not any(data):
            return
        number, event, utc_s, _, code, phase = struct.unpack_from("<IIIIBB", data)
        (value,) = struct.unpack_from("<i", data, 20)
        if self._kept and number <= max(self._kept):
            yield f"incident {number} was written after incident {max(self._kept)}"
        self._kept[number] = offset, bytes(data)
        if event != self._without:
            yield f"incident {number} is about event {event}, expected {self._without}"
        self._without = None
        told = events.unpack(logged[event]) if event in logged else None
        if told is None or (told[1], told[2], told[4]) != (utc_s, code, value * 4 + phase):
            yield f"incident {number} is not what event {event} tells: {told}"

    def _kept_whole(self):
        for number, (offset, data) in self._kept.items():
            if self._flash.read(offset, len(data)) != data:
                yield f"incident {number} is not there any more"

    def close(self):
        """The end: is each there, and does a reader find the same?"""
        yield from self._kept_whole()
        if self._without:
            yield f"there is no evidence for event {self._without}"
        found = [incident.number for incident in read_incidents(self._flash)]
        if found != sorted(self._kept):
            yield f"the incidents are {found}, written were {sorted(self._kept)}"
