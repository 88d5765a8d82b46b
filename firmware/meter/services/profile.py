# SPDX-License-Identifier: Apache-2.0
"""The load profile: adds up each second; slots.py makes rows of it, and is loaded for that moment only.

Owns the raw flash partition. A row the flash does not take is tried again; neither metering nor anything else
waits for it.
"""

from micropython import const

from meter import unload
from meter.storage.profile import CLOCK_INVALID, NOT_MEASURED, SUPPLY_OFF

_RETRY_S = const(60)


class Profile:
    def __init__(self, books, dev):
        self.books = books
        self.dev = dev
        self.now_s = 0
        self.end_s = 0  # of the slot that is running; 0: none yet
        self.flags = 0  # of that slot, see storage/profile.py
        self.sums = [0] * 5  # over its measured seconds: their number, mV, mA, power factor; the highest power
        self.before = None  # registers at the start, until the first tick
        self.waiting = []  # rows the flash has not taken yet
        self.known = 0  # what the ring's next number is, if nothing was cut

    async def run(self, beat):
        books = self.books
        sums = self.sums
        self._slots(-1)
        while True:
            await books.counted.wait()
            books.counted.clear()
            beat()
            now_s = books.utc_s
            flags = 0
            if now_s is None:
                now_s = self.now_s + 1
                flags = CLOCK_INVALID
            if now_s != self.now_s + 1 or self.before:
                self._slots(now_s)
            self.now_s = now_s
            if books.s.relay_closed != 1:
                flags |= SUPPLY_OFF
            sample = books.sample
            if sample is None:
                flags |= NOT_MEASURED
            else:
                sums[0] += 1
                for i in range(books.cfg.phases):
                    sums[1] += sample.urms_mv[i]
                    sums[2] += sample.irms_ma[i]
                    sums[3] += sample.pf_milli[i]
                if sample.p_total_mw > sums[4]:
                    sums[4] = sample.p_total_mw
            self.flags |= flags
            if now_s == self.end_s or (self.waiting and not now_s % _RETRY_S):
                self._slots(0)

    def _slots(self, now_s):
        from meter.services import slots

        try:
            slots.work(self, now_s)
        finally:
            unload("services.slots", "storage.profile", "storage.ring")
