# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS metering IC: frames, conversions, start-up and the one-second read.

Source: Atmel-46003B (M90E32AS datasheet, 2015), sections 3.5, 4.2, 5. SPI mode 3, at most 1.1 Mbit/s.
A frame is 32 clocks, MSB first: 1 = read, 5 ignored bits, 10 address bits, 16 data bits; one register per
chip select. Frames (1 | 3 phases):
    read_tick   14 | 24   CRC status 1; U, I, P 5 per phase; four energy registers, each with its check, 8
                +8 | 24   an audit, every 16th tick, and every tick while the line is noisy
    read_slow   10 | 24   check 2   start 272 | 288, and 75 ms of waiting; 97 | 113 if the part kept all

Energy registers are cleared by being read, so what the wire does to a frame must not reach the ledger:
    data bits     LastSPIData (78H) repeats what the part really handed out
    address bits  nothing in a frame tells which register answered. The registers of the phases count the same
                  energy as the totals: an audit compares them (atm90e32_audit.py), at once if a check
                  disagreed, or a total is more than the power at both ends of the tick, or, for reactive
                  energy, the tick before it suggest
    read/write    the part takes writes at any time: its CRC status is read before the energy, every tick
Any one flipped bit in a tick moves at most 2 counts (25 J), held against the audits that follow. What
remains: several flips in the energy frames of one tick can misplace counts; a configuration upset costs what
was counted since the tick before. Measured values are shown as read: a bad one lasts a second.
"""

import time

from micropython import const

from meter import unload
from meter.core.errors import ChipError
from meter.drivers.atm90e32_regs import (
    AP_ENERGY_T,
    CRC_ERR_STATUS,
    EMM_STATE0,
    EMM_STATE1,
    FREQ,
    I_RMS_A,
    LAST_SPI_DATA,
    P_MEAN_A,
    P_START_TH,
    PF_MEAN_A,
    Q_MEAN_A,
    S_MEAN_A,
    U_RMS_A,
)

_AUDIT_EVERY = const(16)  # ticks; a phase register fills in 32 s at 100 A
_WARY_TICKS = const(32)  # after a disagreement, audit each tick for so long
_MARGIN = const(4)  # counts a total may be above what is expected of it
_SOME_W = const(100)  # a power at which a tick without a count is odd
_TRIES = const(5)
_MAX_VA = const(35_000)  # per phase: 100 A at 350 V


def put_read(tx, addr: int) -> None:
    """Make tx (4 bytes) the frame that reads a register."""
    tx[0] = 0x80 | addr >> 8
    tx[1] = addr & 0xFF
    tx[2] = tx[3] = 0


def put_write(tx, addr: int, value: int) -> None:
    """Make tx (4 bytes) the frame that writes a register."""
    tx[0] = addr >> 8
    tx[1] = addr & 0xFF
    tx[2] = value >> 8
    tx[3] = value & 0xFF


def signed(word: int) -> int:
    """A two's complement word as a number."""
    return word - 0x10000 if word & 0x8000 else word


def power_m(high: int, low: int) -> int:
    """A power of two words, 0.00032 W (var, VA) per count, in mW (mvar, mVA)."""
    return (signed(high) << 16 | low) * 8 // 25


class Sample:
    """What was read last. Lists are per phase A, B, C; filled in place."""

    def __init__(self):
        self.urms_mv = [0, 0, 0]
        self.irms_ma = [0, 0, 0]
        self.p_mw = [0, 0, 0]
        self.q_mvar = [0, 0, 0]
        self.s_mva = [0, 0, 0]
        self.pf_milli = [0, 0, 0]
        self.p_total_mw = 0
        self.freq_chz = 0
        self.state0 = 0
        self.state1 = 0
        # Energy since the last tick, in 0.01 pulse.
        self.import_counts = 0
        self.export_counts = 0
        self.q_import_counts = 0
        self.q_export_counts = 0


class Atm90e32:
    """One part behind an SPI bus (write_readinto) and a chip select pin. `disturbed`: bad frames seen."""

    def __init__(self, spi, cs, setup=None):
        self._spi = spi
        self._cs = cs
        self._tx = bytearray(4)
        put_read(self._tx, 0)
        self._rx = bytearray(4)
        self.disturbed = 0
        self._counts = [0] * 4  # of this tick: import, export, reactive import, export
        self._others = [-1] * 4  # second candidate of each total
        self._other = -1
        self._before = [0] * 4  # of the tick before, where no audit has confirmed them
        self._owed = [0] * 4  # for the next tick
        self._open = [0, 0]  # total - phases, active and reactive, since the last audit
        self._wary = 0
        self._audit_in = _AUDIT_EVERY
        self._read_ms = 0
        self._over = None
        self._w = 0
        self._short = 0  # what the last tick lacked, by its power
        if setup is not None:
            self._configure(setup)

    # -- frames -----------------------------------------------------------------------------------

    def read(self, addr: int) -> int:
        """A register, 00H to FFH, by one frame; whatever the frame brought."""
        tx = self._tx
        rx = self._rx
        cs = self._cs
        tx[1] = addr  # all else of the frame stays
        cs(0)
        self._spi.write_readinto(tx, rx)
        cs(1)
        return rx[2] << 8 | rx[3]

    def write(self, addr: int, value: int) -> None:
        """Write a register, unverified."""
        tx = self._tx
        put_write(tx, addr, value)
        self._cs(0)
        self._spi.write_readinto(tx, self._rx)
        self._cs(1)
        put_read(tx, addr)

    def holds(self, addr: int, value: int) -> bool:
        """Does the register hold this? One answer that says so is enough; a bad frame is tried again."""
        # The frame carries the value in its data half: a read that noise turns into a write changes nothing.
        put_write(self._tx, addr, value)
        self._tx[0] |= 0x80
        found = False
        for _ in range(_TRIES):
            if self.read(addr) == value:
                found = True
                break
        put_read(self._tx, addr)
        return found

    def _noise(self):
        self.disturbed += 1
        self._wary = _WARY_TICKS

    def _pair(self, addr):
        # A power's two words, high first, until no update fell between them.
        high = self.read(addr)
        for _ in range(_TRIES):
            low = self.read(addr + 0x10)
            again = self.read(addr)
            if again == high:
                break
            high = again
        return power_m(high, low) * self._scale

    def _take(self, addr, expect):
        # Read and clear an energy register: what was handed out, by two frames that agree. A second value
        # that is possible too is left in _other.
        self._other = -1
        got = self.read(addr)
        check = self.read(LAST_SPI_DATA)
        if got == check:
            return got
        self._noise()
        for _ in range(_TRIES):
            again = self.read(LAST_SPI_DATA)
            if again == got:
                return got
            if again == check:
                break
            check = again
        # The answer was hit, by one bit, or the check went astray and LastSPIData repeats what it found.
        self._other = check
        bits = got ^ check
        if bits & (bits - 1) == 0 and abs(check - expect) < abs(got - expect):
            self._other = got
            got = check
        return got

    async def start(self, setup=None) -> None:
        """Bring the part up. ChipError names stage, register and what to look at.

        A part that has kept power and configuration keeps its counts for the first tick; any other is reset.
        """
        from meter.drivers import atm90e32_start

        if setup is not None:
            self._configure(setup)
        try:
            self._start_th = atm90e32_start.start_threshold(self._setup)
            kept = atm90e32_start.configured(self, self._setup)
            if not kept:
                await atm90e32_start.set_up(self, self._setup)
        finally:
            unload("drivers.atm90e32_start", "drivers.atm90e32_regs")
        self._wary = 0
        for k in range(4):
            counts = self._take(AP_ENERGY_T + 4 * k, 0)
            phases = 0
            for n in range(self._phases):
                phases += self._take(AP_ENERGY_T + 1 + n + 4 * k, counts)
            if kept:
                self._owed[k] += min(counts, phases)
            # Else it is what the filters let through while settling.
            self._before[k] = 0
        self._open[0] = self._open[1] = 0
        self._read_ms = time.ticks_ms()
        self._audit_in = _AUDIT_EVERY

    def _configure(self, setup):
        self._setup = setup
        self._phases = setup.phases
        self._scale = getattr(setup, "current_scale", 1)
        self._sign = 1 if getattr(setup, "absolute", False) else -1
        self._mj = 36_000_000 // setup.pulse_constant  # per count

    def _fail(self, what, addr, reason):
        raise ChipError(0, f"{what}, register {addr:02X}H: {reason}")

    # -- reading ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Is it the part we configured, and is its configuration whole? ChipError otherwise."""
        if not self.holds(P_START_TH, self._start_th):
            seen = self.read(P_START_TH)
            if seen in (0, 0xFFFF):
                # An answer of all zeros is also what a part gives that was reset behind our back.
                self._fail("identity", P_START_TH, "no answer, or reset: check CS, MISO, 3.3 V, PM1/PM0")
            self._fail("identity", P_START_TH, f"reads {seen:04X}, was set to {self._start_th:04X}")
        if not self.holds(CRC_ERR_STATUS, 0):
            self._fail("configuration CRC", CRC_ERR_STATUS, "a register changed: check 3.3 V, noise on SPI")

    def read_tick(self, sample: Sample) -> None:
        """The one-second read: U, I, P and the energy since the last one. Never waits, allocates only ints.

        ChipError before anything is booked if the part does not answer, its configuration is upset, or it
        counted what the mains cannot deliver.
        """
        # Config first: what was counted under another one is not booked.
        if self.read(CRC_ERR_STATUS):
            self.check()
            self._noise()  # passed: the frame was hit
        sign = self._sign
        p = 0
        for n in range(self._phases):
            u = self.read(U_RMS_A + n)
            sample.urms_mv[n] = u * 10
            sample.irms_ma[n] = self.read(I_RMS_A + n) * self._scale
            sample.p_mw[n] = w = self._pair(P_MEAN_A + n)
            p += w if sign < 0 or w > 0 else -w
        if u == 0 or u == 0xFFFF:
            self.check()
        sample.p_total_mw = p

        now_ms = time.ticks_ms()
        ms = time.ticks_diff(now_ms, self._read_ms)
        self._read_ms = now_ms
        mj = self._mj
        self._limit = min(0xFFFF, self._phases * _MAX_VA * (ms + 100) // mj)
        counts = self._counts
        owed = self._owed
        q = counts[2] - counts[3]
        for k in range(4):
            counts[k] = self._take(AP_ENERGY_T + 4 * k, counts[k])
            self._others[k] = self._other

        # What the power at its two ends says of a tick; of reactive power, what the last tick said.
        w = self._w * ms // mj
        self._w = p = p // 1000
        p = p * ms // mj
        margin = _MARGIN + (max(w, p, -w, -p) >> 5)
        q_top = abs(q) + (abs(q) >> 1) + _MARGIN
        self._audit_in -= 1
        if (
            self._audit_in <= 0
            or self._wary > 0
            or counts[0] > max(w, p, 0) + margin
            or counts[1] > max(-w, -p, 0) + margin
            or counts[2] > q_top
            or counts[3] > q_top
            or max(counts) > self._limit
        ):
            # A read that went astray leaves its counts for the next tick.
            low = min(w, p) + min(self._short, 0)
            void = self._audit(0, low, max(w, p) + max(self._short, 0), margin, ms, 0)
            self._audit(2, q, q, q_top, ms, void)
            self._audit_in = _AUDIT_EVERY
            if self._wary:
                self._wary -= 1
                if not self._wary:
                    unload("drivers.atm90e32_audit")
        else:
            before = self._before
            for k in range(4):
                before[k] = counts[k]
            self._open[0] += counts[0] + sign * counts[1]
            self._open[1] += counts[2] - counts[3]
        net = counts[0] - counts[1]
        self._short = min(w, p) - net if net < min(w, p) else min(0, max(w, p) - net)
        if self._over or (not counts[0] and not counts[1] and abs(self._w) > _SOME_W):
            self.check()
        for k in range(4):
            owed[k] += counts[k]
        if self._over:
            reason = self._over
            self._over = None
            self._fail("energy", AP_ENERGY_T, reason)  # what can be believed stays for the next tick
        sample.import_counts = owed[0]
        sample.export_counts = owed[1]
        sample.q_import_counts = owed[2]
        sample.q_export_counts = owed[3]
        owed[0] = owed[1] = owed[2] = owed[3] = 0

    def _audit(self, k, low, high, margin, ms, void):
        # Confirm this tick's counts[k] and [k + 1] by the phase registers; gives what was read by mistake.
        counts = self._counts
        base = AP_ENERGY_T + 4 * k
        group = k >> 1
        sign = -1 if k else self._sign
        forward = counts[k]
        reverse = counts[k + 1]
        reads = [base, forward, self._others[k], base + 4, reverse, self._others[k + 1]]
        diff = self._open[group] + forward + sign * reverse
        odd = not low - margin <= forward - reverse <= high + margin
        # Fractions of a count per phase, and what flows between the first read and the last. A sum of absolute
        # values does not see a phase's fractions cancel when it turns round.
        tolerance = self._phases * (2 + sign) + (max(low, high, -low, -high) >> 8)
        for again in (0, 1):
            if again:
                # Registers a read missed still hold their counts.
                f = self._take(base, 0)
                reads += (base, f, self._other)
                r = self._take(base + 4, 0)
                reads += (base + 4, r, self._other)
                forward += f
                reverse += r
                diff += f + sign * r
            for n in range(1, self._phases + 1):
                f = self._take(base + n, forward)
                reads += (base + n, f, self._other)
                r = self._take(base + 4 + n, reverse)
                reads += (base + 4 + n, r, self._other)
                diff -= f + sign * r
            agree = -tolerance <= diff <= tolerance
            if agree and not odd:
                break
            if not agree:
                self._noise()
        taken = 0
        if not agree or forward > self._limit or reverse > self._limit:
            from meter.drivers.atm90e32_audit import Evidence  # seldom: let go when all has been quiet again

            self._noise()
            if k:
                # Reactive power has not been read yet.
                high = 0
                for n in range(self._phases):
                    high += self._pair(Q_MEAN_A + n) // 1000
                high = high * ms // self._mj
            e = Evidence(self._open[group], sign, self._limit, low, high)
            for n in range(0, len(reads), 3):
                e.read(reads[n], reads[n + 1], reads[n + 2])
            e.before(self._before[k], self._before[k + 1])
            e.taken(void)
            e.settle(tolerance)
            diff = e.diff
            forward = e.forward
            reverse = e.reverse
            taken = e.void
            if forward > self._limit or reverse > self._limit:
                self._over = f"{forward} and {reverse} counts, more than mains can deliver"
                forward = reverse = 0
        self._open[group] = diff if self._wary else 0
        self._before[k] = self._before[k + 1] = 0
        counts[k] = forward
        counts[k + 1] = reverse
        return taken

    def read_slow(self, sample: Sample) -> None:
        """Q, S and power factor per phase, frequency and the state bits (EMMState0/1)."""
        for n in range(self._phases):
            sample.q_mvar[n] = self._pair(Q_MEAN_A + n)
            sample.s_mva[n] = self._pair(S_MEAN_A + n)
            sample.pf_milli[n] = signed(self.read(PF_MEAN_A + n))
        sample.freq_chz = self.read(FREQ)
        sample.state0 = self.read(EMM_STATE0)
        sample.state1 = self.read(EMM_STATE1)
