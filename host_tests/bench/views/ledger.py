# SPDX-License-Identifier: Apache-2.0
"""What the FRAM holds, read from its bytes: what a reader sees after the meter is gone."""

import re
from typing import NamedTuple

from meter.core.state import MeterState
from meter.storage import crashes, events, ledger


class Event(NamedTuple):
    number: int
    utc_s: int
    code: int
    quality: int
    value: int


class Crash(NamedTuple):
    number: int
    utc_s: int
    uptime_s: int
    text: bytes


class _Bytes:
    """A Fram over the model's bytes, without a bus."""

    def __init__(self, chip):
        self.data = chip.data

    def read_into(self, offset, buf):
        buf[:] = self.data[offset : offset + len(buf)]


def read_ledger(chip) -> MeterState:
    """The newest sound record. An empty FRAM gives a new state."""
    state = MeterState()
    ledger.Ledger(_Bytes(chip)).load(state)
    return state


def read_events(chip, last: int = events.SLOTS) -> list[Event]:
    """All sound records in order of number, the newest `last` of them."""
    found = []
    for slot in range(events.SLOTS):
        at = events.BASE + slot * events.SIZE
        record = events.unpack(bytes(chip.data[at : at + events.SIZE]))
        if record is not None:
            found.append(Event(*record))
    return sorted(found)[-last:]


def read_crashes(chip) -> list[Crash]:
    """All sound crash reports, the newest last."""
    slots = range(crashes.BASE, crashes.BASE + crashes.SLOTS * crashes.SIZE, crashes.SIZE)
    found = [crashes.unpack(chip.data[at : at + crashes.SIZE]) for at in slots]
    return sorted(Crash(*record) for record in found if record)


def explain(crash: Crash) -> str:
    """A report's text with its places as in the sources (those of its image, if they are today's)."""
    from scripts import bundle

    *words, places = crash.text.decode().split("\n")
    frames = re.sub(r"(\S+):(\d+)", r'File "\1", line \2, in ?', places)
    return "\n".join([*words, bundle.explain(frames)])
