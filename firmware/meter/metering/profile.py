# SPDX-License-Identifier: Apache-2.0
"""The load profile: adds up each second; profile_rows.py makes rows of it, and is loaded for that moment only.

Owns the raw flash partition. A row the flash does not take is tried again; neither metering nor anything else
waits for it.
"""

from micropython import const

from meter import heap
from meter.storage.profile import CLOCK_INVALID, NOT_MEASURED, SUPPLY_OFF

_MINUTE_S = const(60)


class Profile:
    def __init__(self, books, dev):
        self.books = books
        self.dev = dev
        self.now_s = 0
        self.end_s = 0  # of the row that is running; 0: none yet
        self.flags = 0  # of that row, see storage/profile.py
        # Over its measured seconds: their number, the highest power; of each phase mV, mA, power factor.
        self.sums = [0] * 11
        self.cfg = books.cfg  # what the row began with
        self.before = None  # registers at the start, until the first tick
        s = books.s
        if s.utc_s:  # as the power left it
            self.now_s = s.utc_s
            self.before = s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts, s.va_counts
        self.waiting = []  # rows the flash has not taken yet
        self.known = 0  # what the ring's next number is, if nothing was cut

    async def run(self, beat):
        books = self.books
        sums = self.sums
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
                self._rows(now_s)
            self.now_s = now_s
            if books.s.relay_closed != 1:
                flags |= SUPPLY_OFF
            sample = books.sample
            if sample is None:
                flags |= NOT_MEASURED
            elif max(sample.urms_mv):  # the meter lives on the mains: 0 V everywhere is an IC that has just started
                sums[0] += 1
                for i in range(books.cfg.phases):
                    sums[2 + i] += sample.urms_mv[i]
                    sums[5 + i] += sample.irms_ma[i]
                    sums[8 + i] += sample.pf_milli[i]
                if sample.p_total_mw > sums[1]:
                    sums[1] = sample.p_total_mw
            self.flags |= flags
            if now_s == self.end_s or (not now_s % _MINUTE_S and (self.waiting or self.cfg is not books.cfg)):
                self._rows(0)

    def _rows(self, now_s):
        heap.borrow("profile_rows")
        try:
            from meter.metering import profile_rows

            profile_rows.work(self, now_s)
        finally:
            heap.give_back("profile_rows")
