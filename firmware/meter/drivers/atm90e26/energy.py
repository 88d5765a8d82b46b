# SPDX-License-Identifier: Apache-2.0
"""Energy out of an ATM90E26, to the register's step: registers that are cleared by being read, over a wire that errs.

A register's step is 0.1 pulse, ten counts. What the wire does to a frame must not reach the ledger:
    data bits     LastData (06H, datasheet 4.1.2) repeats what the part really handed out
    address bits  nothing in a frame tells which register answered. Forward and reverse energy, added up, are the
                  absolute energy (42H, 45H) but for what cancels within 0.01 pulse; a tick in which they are not, or
                  in which the net energy is not what the power at both ends of it says, is read once more, and what
                  still does not fit is judged (audit.py)
Any one flipped bit in a tick moves at most 20 counts (225 J), which the ticks that follow even out. Several in
the energy frames of one tick can misplace counts: by what the power at its ends leaves open.
Should the heap run out in a judgement, what was read is owed to the next tick, and the MemoryError goes on.
"""

import time

from micropython import const

from meter import heap
from meter.core.errors import ChipError
from meter.drivers.atm90e26.regs import AP_ENERGY, LAST_DATA, LEAST_OPEN, MOST_OPEN
from meter.drivers.metering_ic.checked_read import take

_WARY_TICKS = const(32)  # the judge stays loaded for so long
_MARGIN = const(2)  # steps the net energy may be off what is expected of it
_MAX_VA = const(35_000)  # 100 A at 350 V


class Energy:
    """The energy registers of one part, read through it. owed: counts, import, export, and the same reactive."""

    def __init__(self, ic, pulse_constant: int):
        self.ic = ic
        self._mj = 360_000_000 // pulse_constant  # per step
        self.owed = [0] * 4  # for the next tick
        self._reads = [0] * 12  # a tick's forward, reverse, absolute, each with a second candidate; and once more
        self._open = [0, 0]  # absolute - forward - reverse so far, active and reactive
        self._net = 0  # reactive, of the tick before
        self._w = 0
        self._read_ms = 0
        self._limit = 0
        self._wary = 0
        self.other = -1
        self._over = None
        self._starved = None

    def restart(self) -> None:
        """The registers were emptied just now; what they held is owed, or was not worth keeping."""
        self._open[0] = self._open[1] = 0
        self._read_ms = time.ticks_ms()

    def noise(self) -> None:
        """A frame was bad."""
        self.ic.disturbed += 1
        self._beware()

    def _beware(self):
        if not self._wary:
            heap.borrow("atm90e26_audit")
        self._wary = _WARY_TICKS

    def read(self, p: int, sample) -> int:
        """Put the energy since the last tick into sample; p is the power now, in W. Return the milliseconds.

        ChipError if there is more than the mains can deliver; what can be believed stays for the next tick.
        """
        now_ms = time.ticks_ms()
        ms = time.ticks_diff(now_ms, self._read_ms)
        self._read_ms = now_ms
        self._limit = min(0xFFFF, _MAX_VA * (ms + 100) // self._mj)
        w = self._w * ms // self._mj
        self._w = p
        p = p * ms // self._mj
        self._group(0, w, p, ms)
        self._group(1, self._net, self._net, ms)
        if self._wary:
            self._wary -= 1
            if not self._wary:
                heap.give_back("atm90e26_audit")
        if self._starved:
            error = self._starved
            self._starved = None
            raise error
        if self._over:
            reason = self._over
            self._over = None
            self.ic.check()
            raise ChipError(0, "energy, register %02XH: %d and %d, more than mains can deliver" % reason)
        owed = self.owed
        sample.import_counts = owed[0]
        sample.export_counts = owed[1]
        sample.q_import_counts = owed[2]
        sample.q_export_counts = owed[3]
        owed[0] = owed[1] = owed[2] = owed[3] = 0
        sample.booked = False
        return ms

    def _round(self, at, group, expect):
        # Take a group's three registers; return by how much the absolute one is more than the others.
        reads = self._reads
        base = AP_ENERGY + 3 * group
        for n in range(3):
            reads[at + 2 * n] = take(self, LAST_DATA, base + n, -expect if n == 1 else abs(expect) if n else expect)
            reads[at + 2 * n + 1] = self.other
        return reads[at + 4] - reads[at] - reads[at + 2]

    def _group(self, group, start, end, ms):
        # This tick's forward and reverse steps, active or reactive; between start and end, in any order, the net is
        # expected.
        reads = self._reads
        diff = self._open[group] + self._round(0, group, start)
        forward = reads[0]
        reverse = reads[2]
        limit = self._limit
        low = min(start, end)
        high = max(start, end)
        margin = _MARGIN + (max(high, -low) >> (1 if group else 5))
        fits = LEAST_OPEN <= diff <= MOST_OPEN
        if not (fits and low - margin <= forward - reverse <= high + margin and forward + reverse <= limit):
            # Registers a read missed still hold their counts.
            diff += self._round(6, group, 0)
            forward += reads[6]
            reverse += reads[8]
            # Reactive power has not been read yet, and what was read as active power may itself have been hit.
            p = self.ic.read_power(group) * ms // self._mj
            low = p if forward + reverse > limit else min(start, p)
            high = max(low, start, p)
            margin = _MARGIN + (max(high, -low) >> 3)
            if not fits:
                self.noise()
            fits = LEAST_OPEN <= diff <= MOST_OPEN and forward + reverse <= limit
            if not (fits and low - margin <= forward - reverse <= high + margin):
                self._beware()
                try:
                    from meter.drivers.atm90e26.audit import judge  # seldom: let go when all has been quiet again

                    found = judge(reads, self._open[group], low, high, margin, limit)
                    if found is None:
                        self._over = AP_ENERGY + 3 * group, forward, reverse
                        found = (0, 0, 0)
                    forward, reverse, diff = found
                except MemoryError as error:
                    self._starved = error  # as read, as far as the power says so
                    diff = 0
                    forward = max(0, low - 1, min(forward, high + 1))
                    reverse = max(0, -high - 1, min(reverse, 1 - low))
        # What has cancelled within 0.01 pulse is in the absolute energy only.
        self._open[group] = min(diff, MOST_OPEN - 1)
        if group:
            self._net = forward - reverse
        self.owed[2 * group] += 10 * forward
        self.owed[2 * group + 1] += 10 * reverse
