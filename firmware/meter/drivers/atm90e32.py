# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS metering IC: frames, conversions, start-up and the one-second read.

Source: Atmel-46003B (M90E32AS datasheet, 2015), sections 3.5, 4.2, 5. SPI mode 3, at most 1.1 Mbit/s.
A frame is 32 clocks, MSB first: 1 = read, 5 ignored bits, 10 address bits, 16 data bits; one register per
chip select. Frames (1 | 3 phases):
    read_tick   14 | 24: CRC status 1, U I P 5 per phase, four energy registers with their check 8;
                every 16th tick, and while the line is noisy each, an audit: 8 | 24 more
    read_slow   10 | 24    check  2    start  about 330, then 110 ms of waiting

Energy registers are cleared by being read, so what the wire does to a frame must not reach the ledger:
    data bits     LastSPIData (78H) repeats what the part really handed out
    address bits  nothing in a frame tells which register answered. Each phase's registers count the same
                  energy as the totals; both are compared in an audit (atm90e32_audit.py), at once if a check
                  disagreed or a total is more than the measured U*I allows
    writes        the part takes writes at any time: its CRC status is read before the energy, every tick
What remains: two flips in one tick's energy frames may move a few counts; an upset configuration costs what
was counted since the tick before. Measured values are shown as read: a bad one lasts a second.
"""

import asyncio
import time

from micropython import const

from meter.core.errors import ChipError
from meter.drivers import atm90e32_regs as regs
from meter.drivers.atm90e32_audit import Evidence

_AUDIT_EVERY = const(16)  # ticks; a phase register fills in 32 s at 100 A
_WARY_TICKS = const(32)  # after a disagreement, audit each tick for so long
_MARGIN = const(4)  # counts a total may exceed what the power of the two ends of a tick allows
_SOME_W = const(100)  # a power at which a tick without a count is odd
_TRIES = const(5)
_MAX_VA = const(35_000)  # per phase: 100 A at 350 V
_LAST = const(0x78)
_CRC = const(0x79)
_ENERGY = const(0x80)


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
        self._owed = [0] * 4  # held over to the next tick; negative: booked too much before
        self._open = [0, 0]  # total - phases, active and reactive, since the last audit
        self._q_before = 0  # net reactive counts of the last tick
        self._wary = 0
        self._audit_in = _AUDIT_EVERY
        self._read_ms = 0
        self._void = None
        self._va = self._w = 0
        if setup is not None:
            self._configure(setup)

    # -- frames -----------------------------------------------------------------------------------

    def _read(self, addr):
        tx = self._tx
        rx = self._rx
        cs = self._cs
        tx[1] = addr  # all else of the frame stays
        cs(0)
        self._spi.write_readinto(tx, rx)
        cs(1)
        return rx[2] << 8 | rx[3]

    def _write(self, addr, value):
        tx = self._tx
        put_write(tx, addr, value)
        self._cs(0)
        self._spi.write_readinto(tx, self._rx)
        self._cs(1)
        put_read(tx, addr)

    def _is(self, addr, value):
        # Does the register hold this? One answer that says so is enough; a bad frame is tried again. The frame
        # carries the value in its data half: a read that noise turns into a write then changes nothing.
        put_write(self._tx, addr, value)
        self._tx[0] |= 0x80
        found = False
        for _ in range(_TRIES):
            if self._read(addr) == value:
                found = True
                break
        put_read(self._tx, addr)
        return found

    def _noise(self):
        self.disturbed += 1
        self._wary = _WARY_TICKS

    def _pair(self, addr):
        # A power's two words, high first, until no update fell between them.
        high = self._read(addr)
        for _ in range(_TRIES):
            low = self._read(addr + 0x10)
            again = self._read(addr)
            if again == high:
                break
            high = again
        return power_m(high, low) * self._scale

    def _take(self, addr, expect):
        # Read and clear an energy register; what was handed out, by two frames that agree. If a second value is
        # possible, it is left in _other.
        self._other = -1
        got = self._read(addr)
        check = self._read(_LAST)
        if got == check:
            return got
        self._noise()
        for _ in range(_TRIES):
            again = self._read(_LAST)
            if again == got:
                return got
            if again == check:
                break
            check = again
        # Either the answer was hit, by one bit, or the check went astray and LastSPIData repeats what it found.
        self._other = check
        bits = got ^ check
        if bits & (bits - 1) == 0 and abs(check - expect) < abs(got - expect):
            self._other = got
            got = check
        return got

    # -- start ------------------------------------------------------------------------------------

    def _configure(self, setup):
        self._setup = setup
        self._phases = setup.phases
        self._scale = getattr(setup, "current_scale", 1)
        self._sign = 1 if getattr(setup, "absolute", False) else -1
        self._mj = 36_000_000 // setup.pulse_constant  # per count
        self._limit = 0xFFFF
        self._start_th = regs.start_threshold(setup)

    async def start(self, setup=None) -> None:
        """Bring the part up. One that has kept power and configuration keeps its counts for the first tick;
        any other is reset. ChipError names stage, register and what to look at."""
        if setup is not None:
            self._configure(setup)
        self._wary = 0
        if not self._configured():
            await self._set_up()
        for g in (0, 1):
            self._open[g] = 0
        owed = self._owed
        for k in range(4):
            kept = self._take(_ENERGY + 4 * k, 0)
            phases = 0
            for n in range(self._phases):
                phases += self._take(_ENERGY + 1 + n + 4 * k, kept)
            # After a reset this is what the filters let through while settling.
            owed[k] = min(kept, phases) if self._kept else 0
            self._before[k] = 0
        self._read_ms = time.ticks_ms()
        self._audit_in = _AUDIT_EVERY

    def _configured(self):
        self._kept = False
        for _, addr, value in regs.init_table(self._setup):
            if not self._is(addr, value):
                return False
        self._kept = self._is(regs.CFG_REG_ACC_EN, regs.CFG_CLOSED) and self._is(_CRC, 0)
        return self._kept

    async def _set_up(self):
        self._write(regs.SOFT_RESET, regs.RESET_KEY)
        await asyncio.sleep_ms(45)  # DS 6.4: up to 40 after a reset
        self._put("presence", regs.CFG_REG_ACC_EN, regs.CFG_OPEN)
        last = ""
        for stage, addr, value in regs.init_table(self._setup):
            if stage != last:
                last = stage
                await asyncio.sleep_ms(0)
            self._put(stage, addr, value)
        # A write whose address was hit has changed another register: look at all of them, mend, look again.
        for _ in range(_TRIES):
            whole = True
            for stage, addr, value in regs.init_table(self._setup):
                if not self._is(addr, value):
                    whole = False
                    self._put(stage, addr, value)
            await asyncio.sleep_ms(0)
            if whole:
                break
        else:
            self._fail("read-back", addr, "does not keep its value: check 3.3 V and the SPI wires")
        self._put("latches", regs.EMM_INT_STATE0, 0xFFFF)
        self._put("latches", regs.EMM_INT_STATE1, 0xFFFF)
        self._put("supervision", regs.CFG_REG_ACC_EN, regs.CFG_CLOSED)
        await asyncio.sleep_ms(30)  # two passes of the CRC engine over 112 words of 125 us
        if not self._is(_CRC, 0):
            self._fail("supervision", _CRC, "reports a configuration CRC error: check 3.3 V")

    def _put(self, stage, addr, value):
        # Write, and see by LastSPIData that the part took it.
        seen = 0
        for _ in range(_TRIES):
            self._write(addr, value)
            now = self._read(_LAST)
            if now == value:
                return
            self.disturbed += 1
            seen = now if seen in (0, 0xFFFF) else seen
        if seen in (0, 0xFFFF):
            self._fail(stage, addr, "no answer: check CS, MISO, 3.3 V, PM1/PM0")
        self._fail(stage, addr, f"took {seen:04X} for {value:04X}: check part number, SPI mode 3, rate")

    def _fail(self, stage, addr, reason):
        raise ChipError(0, f"{stage}, register {addr:02X}H: {reason}")

    # -- reading ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Is it the part we configured, and is its configuration whole? ChipError otherwise."""
        if not self._is(regs.P_START_TH, self._start_th):
            seen = self._read(regs.P_START_TH)
            if seen in (0, 0xFFFF):
                # An answer of all zeros is also what a part gives that was reset behind our back.
                self._fail("identity", regs.P_START_TH, "no answer, or reset: check CS, MISO, 3.3 V, PM1/PM0")
            self._fail("identity", regs.P_START_TH, f"reads {seen:04X}, was set to {self._start_th:04X}")
        if not self._is(_CRC, 0):
            self._fail("configuration CRC", _CRC, "a register changed by itself: check 3.3 V, noise on SPI")

    def read_tick(self, sample: Sample) -> None:
        """The one-second read: U, I, P and the energy since the last one. Never waits, allocates only ints.

        ChipError before anything is booked if the part does not answer, its configuration is upset, or it
        counted what the mains cannot deliver.
        """
        # Config first: what was counted under another one is not booked.
        if self._read(_CRC):
            self.check()
            self._noise()  # passed: the frame was hit
        sign = self._sign
        p = va = 0
        for n in range(self._phases):
            u = self._read(regs.U_RMS_A + n)
            i = self._read(regs.I_RMS_A + n) * self._scale
            sample.urms_mv[n] = u * 10
            sample.irms_ma[n] = i
            sample.p_mw[n] = w = self._pair(regs.P_MEAN_A + n)
            p += w if sign < 0 or w > 0 else -w
            va += (u >> 2) * i // 25_000
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
        for k in range(4):
            counts[k] = self._take(_ENERGY + 4 * k, counts[k])
            self._others[k] = self._other

        # What the tick can have brought at most, if nothing but its two ends is known.
        p //= 1000
        top = (va if va > self._va else self._va) * ms // mj + _MARGIN
        top += top >> 5
        self._va = va
        self._audit_in -= 1
        audit = self._audit_in <= 0 or self._wary > 0
        for k in range(4):
            if counts[k] > top:
                audit = True
        if audit:
            found = self._audit(0, self._w * ms // mj, p * ms // mj, top, ms, 0)
            self._audit(2, 0, 0, top, ms, found)
            self._audit_in = _AUDIT_EVERY
            if self._wary:
                self._wary -= 1
        else:
            before = self._before
            for k in range(4):
                before[k] = counts[k]
            self._open[0] += counts[0] + sign * counts[1]
            self._open[1] += counts[2] - counts[3]
        self._w = p
        self._q_before = counts[2] - counts[3]
        if self._void or (p > _SOME_W and not counts[0] and not counts[1]):
            self.check()
        for k in range(4):
            n = counts[k] + owed[k]
            owed[k] = n if n < 0 else 0
            counts[k] = n if n > 0 else 0
        if self._void:
            reason = self._void
            self._void = None
            for k in range(4):
                owed[k] += counts[k]  # what can be believed is for the next tick
            self._fail("energy", _ENERGY, reason)
        sample.import_counts = counts[0]
        sample.export_counts = counts[1]
        sample.q_import_counts = counts[2]
        sample.q_export_counts = counts[3]

    def _audit(self, k, low, high, top, ms, found):
        # Confirm this tick's counts[k] and [k + 1] by the phase registers; gives what was read by mistake.
        counts = self._counts
        before = self._before
        base = _ENERGY + 4 * k
        forward = counts[k]
        reverse = counts[k + 1]
        limit = self._limit
        group = k >> 1
        e = Evidence(self._open[group], -1 if k else self._sign, limit)
        e.expect(low, high)
        e.total(forward, self._others[k], False)
        e.total(reverse, self._others[k + 1], True)
        # Fractions of a count per phase, and what flows between the first read and the last.
        tolerance = self._phases + (top >> 8)
        odd = forward > top or reverse > top or (k == 0 and e.far(forward, reverse) > _MARGIN + (top >> 5))
        for again in (False, True):
            for n in range(1, self._phases + 1):
                e.phase(self._take(base + n, e.forward), self._other, False)
                e.phase(self._take(base + 4 + n, e.reverse), self._other, True)
            agree = -tolerance <= e.diff <= tolerance
            if again or (agree and not odd):
                break
            if not agree:
                self._noise()
            e.total(self._take(base, 0), self._other, False)
            e.total(self._take(base + 4, 0), self._other, True)
        if again:
            if before[k]:
                e.may(-before[k], -before[k], 0)
            if before[k + 1]:
                e.may(-self._sign * before[k + 1], 0, -before[k + 1])
            if found:
                e.may(found, found, 0)
                e.may(-found, 0, 0)
            if k:
                # No reactive power was read so far: between the last tick and now.
                now = 0
                for n in range(self._phases):
                    now += self._pair(regs.Q_MEAN_A + n) // 1000
                e.expect(self._q_before, now * ms // self._mj)
            e.settle(tolerance)
        if e.forward > limit or e.reverse > limit:
            self._void = f"{e.forward} and {e.reverse} counts, more than mains can deliver"
            e.forward = e.reverse = 0
        self._open[group] = e.diff if self._wary else 0
        before[k] = before[k + 1] = 0
        counts[k] = e.forward
        counts[k + 1] = e.reverse
        return forward - e.forward if again and forward > e.forward else 0

    def read_slow(self, sample: Sample) -> None:
        """Q, S and power factor per phase, frequency and the state bits (EMMState0/1)."""
        for n in range(self._phases):
            sample.q_mvar[n] = self._pair(regs.Q_MEAN_A + n)
            sample.s_mva[n] = self._pair(regs.S_MEAN_A + n)
            sample.pf_milli[n] = signed(self._read(regs.PF_MEAN_A + n))
        sample.freq_chz = self._read(regs.FREQ)
        sample.state0 = self._read(regs.EMM_STATE0)
        sample.state1 = self._read(regs.EMM_STATE1)
