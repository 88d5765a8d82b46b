# SPDX-License-Identifier: Apache-2.0
"""Energy out of an ATM90E32AS, to the count: registers that are cleared by being read, over a wire that errs.

What the wire does to a frame must not reach the ledger:
    data bits     LastSPIData (78H, datasheet 4.2.2) repeats what the part really handed out
    address bits  nothing in a frame tells which register answered. The registers of the phases count the same
                  energy as the totals: an audit compares them (audit.py), at once if a check
                  disagreed, or a total is more than the power at both ends of the tick, or, for reactive
                  energy, the tick before it suggest
Any one flipped bit in a tick moves at most 2 counts (22.5 J), which the audits that follow even out. Several in
the energy frames of one tick can misplace counts. With three phases every tick is audited, for the counts by
phase (phases.py). Apparent energy has one register and no audit: LastSPIData, and what mains can deliver.
Should the heap run out in an audit, what was read is owed to the next tick as it was read, and the MemoryError goes on.
"""

import time

from micropython import const

from meter import heap
from meter.core.errors import ChipError
from meter.drivers.atm90e32.regs import AP_ENERGY_T, LAST_SPI_DATA, SA_ENERGY_T
from meter.drivers.metering_ic.checked_read import take

_AUDIT_EVERY = const(16)  # ticks; a phase register fills in 32 s at 100 A
_WARY_TICKS = const(32)  # after a disagreement, audit each tick for so long
_MARGIN = const(4)  # counts a total may be above what is expected of it
_MAX_VA = const(35_000)  # per phase: 100 A at 350 V


class Energy:
    """The energy registers of one part, read through it. Counts are import, export, and the same reactive."""

    def __init__(self, ic, phases: int, sign: int, pulse_constant: int):
        self.ic = ic
        self.phases = phases
        self.sign = sign  # -1: totals are signed sums of the phases; +1: of absolute values
        self.mj = 36_000_000 // pulse_constant  # per count
        self.owed = [0] * 4  # for the next tick
        self._counts = [0] * 4  # of this tick
        self._others = [-1] * 4  # second candidate of each total
        self.other = -1
        self.before = [0] * 4  # of the tick before, where no audit has confirmed them
        self._open = [0, 0]  # total - phases, active and reactive, since the last audit
        self._wary = 0
        self._audit_in = _AUDIT_EVERY
        self.by_phase = None  # or Phases
        if phases == 3:
            heap.borrow("atm90e32_phases")  # for good
            from meter.drivers.atm90e32.phases import Phases

            self.by_phase = Phases(sign, self.mj)
        self._va_limit = 0
        self._read_ms = 0
        self.ms = 0  # of this tick
        # Of the audit under way, for who judges it: total - phases before, and what they may differ by
        self.opened = self.tolerance = 0
        self._over = None
        self._w = 0
        self._short = 0  # what the last tick lacked, by its power

    def restart(self) -> None:
        """The registers were emptied just now; what they held is owed, or was not worth keeping."""
        if self._wary:
            self._wary = 0
            heap.give_back("atm90e32_audit")
        self._va_limit = 0xFFFF  # how long it has been counting, nobody knows
        for k in range(4):
            self.before[k] = 0
        self._open[0] = self._open[1] = 0
        self._read_ms = time.ticks_ms()
        self._audit_in = _AUDIT_EVERY

    def noise(self) -> None:
        """A frame was bad: audit every tick for a while."""
        self.ic.disturbed += 1
        if not self._wary:
            heap.borrow("atm90e32_audit")
        self._wary = _WARY_TICKS

    def read(self, p: int, sample) -> None:
        """Put the energy since the last tick into sample; p is the power now, in W.

        ChipError if there is more than the mains can deliver; what can be believed stays for the next tick.
        """
        now_ms = time.ticks_ms()
        self.ms = ms = time.ticks_diff(now_ms, self._read_ms)
        self._read_ms = now_ms
        mj = self.mj
        self.limit = min(0xFFFF, self.phases * _MAX_VA * (ms + 100) // mj)
        self._va_limit += self.limit
        counts = self._counts
        owed = self.owed
        q = counts[2] - counts[3]
        for k in range(4):
            counts[k] = take(self, LAST_SPI_DATA, AP_ENERGY_T + 4 * k, counts[k])
            self._others[k] = self.other

        # What the power at its two ends says of a tick; of reactive energy, what the last tick said.
        w = self._w * ms // mj
        self._w = p
        p = p * ms // mj
        low = min(w, p)
        high = max(w, p)
        margin = _MARGIN + (max(high, -low) >> 5)
        q_top = abs(q) + (abs(q) >> 1) + _MARGIN
        self._audit_in -= 1
        odd = counts[0] > max(high, 0) + margin or counts[1] > max(-low, 0) + margin or counts[2] > q_top
        if odd or counts[3] > q_top or self._audit_in <= 0 or self._wary or self.by_phase or max(counts) > self.limit:
            self._audit_all(low, high, margin, q, q_top, sample)
        else:
            for k in range(4):
                self.before[k] = counts[k]
            self._open[0] += counts[0] + self.sign * counts[1]
            self._open[1] += counts[2] - counts[3]
        net = counts[0] - counts[1]
        self._short = max(0, low - net) + min(0, high - net)
        for k in range(4):
            owed[k] += counts[k]
        if self._wary:
            self._wary -= 1
            if not self._wary:
                heap.give_back("atm90e32_audit")
        if self._over:
            reason = self._over
            self._over = None
            self.ic.check()
            raise ChipError(0, "energy, register %02XH: %d and %d, more than mains can deliver" % reason)
        sample.import_counts = owed[0]
        sample.export_counts = owed[1]
        sample.q_import_counts = owed[2]
        sample.q_export_counts = owed[3]
        owed[0] = owed[1] = owed[2] = owed[3] = 0
        if self.by_phase:
            self.by_phase.give(sample)
        sample.booked = False

    def apparent(self) -> int:
        """Apparent energy since it was last asked for; nothing if that is more than the mains can deliver."""
        counts = take(self, LAST_SPI_DATA, SA_ENERGY_T, 0)
        if counts > self._va_limit:
            counts = 0
        self._va_limit = 0
        return counts

    def _audit_all(self, low, high, margin, q, q_top, sample):
        # Both kinds of energy. A read that went astray leaves its counts for the next tick.
        counts = self._counts
        void = -1
        try:
            void = self._audit(0, low + min(self._short, 0), high + max(self._short, 0), margin, 0, sample.p_mw)
            self._audit(2, q, q, q_top, void, sample.q_mvar)
        except MemoryError:
            if void < 0:
                self._open[1] += counts[2] - counts[3]
            for k in range(4):
                if counts[k] <= self.limit:
                    self.owed[k] += counts[k]
            raise
        self._audit_in = _AUDIT_EVERY

    def _audit(self, k, low, high, margin, void, powers):
        # Confirm this tick's counts[k] and [k + 1] by the phase registers; return what was read by mistake.
        # MemoryError: counts are what was read, and _open is what the next audit has to know of it.
        counts = self._counts
        group = k >> 1
        sign = -1 if k else self.sign
        self.opened = self._open[group]
        self._open[group] = self.opened + counts[k] + sign * counts[k + 1]
        # All there is room for, before the first register is cleared.
        reads = [0] * (12 * (self.phases + 1))
        m = self._collect(k, reads, low, high, margin)
        agree = m > 0
        diff = self._open[group]
        self._open[group] = 0
        del reads[abs(m) :]
        forward = counts[k]
        reverse = counts[k + 1]
        taken = 0
        starved = None
        if not agree or forward > self.limit or reverse > self.limit:
            self.noise()
            try:
                from meter.drivers.atm90e32.audit import judge  # seldom: let go when all has been quiet again

                e = judge(self, k, reads, low, high, void)
                diff = e.diff
                forward = e.forward
                reverse = e.reverse
                taken = e.void
            except MemoryError as error:
                starved = error  # as read, as far as the power says so
                forward = max(0, low - 1, min(forward, high + 1))
                reverse = max(0, -high - 1, min(reverse, 1 - low))
            if forward > self.limit or reverse > self.limit:
                self._over = AP_ENERGY_T + 4 * k, forward, reverse
                forward = reverse = 0
                agree = False
        self._open[group] = diff if self._wary else 0
        self.before[k] = self.before[k + 1] = 0
        counts[k] = forward
        counts[k + 1] = reverse
        if self.by_phase:
            hit = self._wary == _WARY_TICKS
            self.by_phase.audited(reads, forward + sign * reverse, hit, agree, powers, self.ms)
        if starved:
            raise starved
        return taken

    def _collect(self, k, reads, low, high, margin):
        # Read the phases' registers, and all of them once more where they disagree with the totals, or the totals with
        # the power. Reads go into `reads`, what the totals came to into counts and _open. Return the number of entries,
        # negative if they still disagree. Takes no memory.
        counts = self._counts
        base = AP_ENERGY_T + 4 * k
        sign = -1 if k else self.sign
        forward = counts[k]
        reverse = counts[k + 1]
        diff = self._open[k >> 1]
        m = _note(reads, _note(reads, 0, base, forward, self._others[k]), base + 4, reverse, self._others[k + 1])
        odd = not low - margin <= forward - reverse <= high + margin
        # Fractions of a count per phase, now and at the last audit, and what flows between the first read and the last.
        # A sum of absolute values does not see a phase's fractions cancel when it turns round.
        tolerance = self.phases * (2 + sign) + 1 + (max(low, high, -low, -high, forward, reverse) >> 8)
        flow = 0
        for again in (0, 1):
            if again:
                # Registers a read missed still hold their counts.
                f = take(self, LAST_SPI_DATA, base, 0)
                m = _note(reads, m, base, f, self.other)
                r = take(self, LAST_SPI_DATA, base + 4, 0)
                m = _note(reads, m, base + 4, r, self.other)
                forward += f
                reverse += r
                diff += f + sign * r
                flow = f + r
            seen = 0
            for n in range(1, self.phases + 1):
                f = take(self, LAST_SPI_DATA, base + n, forward)
                m = _note(reads, m, base + n, f, self.other)
                r = take(self, LAST_SPI_DATA, base + 4 + n, reverse)
                m = _note(reads, m, base + 4 + n, r, self.other)
                diff -= f + sign * r
                seen += f + r
            tolerance += min(flow, seen)  # of a load that has just begun no power tells: what both saw come meanwhile
            agree = -tolerance <= diff <= tolerance
            if agree and not odd:
                break
            if not agree:
                self.noise()
        counts[k] = forward
        counts[k + 1] = reverse
        self._open[k >> 1] = diff
        self.tolerance = tolerance
        return m if agree else -m


def _note(reads, m, addr, counts, other):
    # What was read of a register, as entries m to m + 2; return the next.
    reads[m] = addr
    reads[m + 1] = counts
    reads[m + 2] = other
    return m + 3
