# SPDX-License-Identifier: Apache-2.0
"""ATM90E26, the metering half: energy integration, line selection, measured values and states over a set of registers.

Source: Atmel-46002B (M90E26 datasheet, 2014), 3.2 to 3.5, 5.3 to 5.5; Atmel-46102 for the thresholds' unit. Nothing
runs by itself: the instant of a read or of a change brings everything up to it. Energy is integrated exactly, in
integers.

Where the datasheet is silent, the model decides, and says so here:
    the sensors are those of the datasheet's example: with PL_constant 0015D174H and the power-on PGA gains a pulse is
        1/3200 kWh; start power is 1.966953 mW per count of a threshold
    energy follows PGA, Lgain/Ngain and PL_constant; RMS and power registers follow PGA and Ugain/Igain, and power
        Lgain/Ngain, too
    counting begins at the start threshold and ends at or below the no-load threshold
    a measured value is a mean over 16 periods; without measurement these registers read 0000H
    in anti-tampering mode the lines are compared at each change of their powers, as they are then
    N line power has the line's phase angle, or none where the line has no current
Without effect: phase angles, offsets, high-pass filters, zero-crossing output, small-power mode.
"""

from math import atan2, degrees, isqrt

CYCLES = 16
_PL_REF = 0x15D174
_PJ_PER_COUNT = 11_250_000_000_000  # 0.01 pulse of 3200 a kWh
_NW_PER_TH = 1_966_953
AP, AN, AT, RP, RN, RT = range(0x40, 0x46)
_L_PGA = (4, 8, 16, 24, 1, 1, 1, 1)
_N_PGA = (2, 4, 1, 1)
_PERCENT_E4 = (1250, 625, 3125 / 10, 15625 / 100, *range(100, 1300, 100))  # Pthresh, 0.01 %
CAL_ERR, ADJ_ERR, LN_CHANGE, REV_Q_CHANGE, REV_P_CHANGE, SAG_WARN = 0xC000, 0x3000, 0x80, 0x40, 0x20, 0x02


def s16(word):
    return word - 0x10000 if word & 0x8000 else word


def sign_magnitude(n):
    return 0x8000 | -n if n < 0 else n


class Engine:
    """What goes on behind the registers. `_regs` is theirs, shared with the SPI half; `_on`: metering, measurement."""

    def __init__(self):
        self.ln_mode = 0  # pins MMD1:0. 0 larger of L and N, 1 L, 2 L+N, 3 as LNSel says
        self.cf1_dead = False  # the pulse output gives nothing more
        self._in = (0, 0, 0, 0)  # u_mv, i_ma, p_mw, q_mvar of the line
        self._neutral_ma = None  # None: what goes out comes back
        self._freq_chz = 5000
        self._now_us = 0
        self._regs: list = []
        self._on = [False, False]
        self._pl = _PL_REF

    # -- the plant's side -------------------------------------------------------------------------

    def set_phase(self, n: int, u_mv: int, i_ma: int, p_mw: int, q_mvar: int, now_us: int) -> None:
        """What the line sees from now on. There is one phase, n = 0; of others it sees nothing."""
        new = (u_mv, i_ma, p_mw, q_mvar)
        if n or self._in == new:
            return
        self.advance(now_us)
        self._in = new
        self._rewire(now_us)

    def set_neutral(self, i_ma: int | None, now_us: int) -> None:
        """The neutral's current; None: the line's."""
        self.advance(now_us)
        self._neutral_ma = i_ma
        self._rewire(now_us)

    def set_freq(self, freq_chz: int, now_us: int) -> None:
        """Mains frequency, 0.01 Hz."""
        self.advance(now_us)
        self._freq_chz = freq_chz
        self._rewire(now_us)

    def set_turn(self, b: int, c: int, now_us: int) -> None:
        """Which way three phases turn: there is one."""

    def pulses(self, now_us: int) -> int:
        """Pulses CF1 has given since power-up or reset: absolute energy, or all that was forward or reverse."""
        if self.cf1_dead:
            return 0
        self.advance(now_us)
        forward, reverse, absolute = self._sum[:3]
        return absolute // 100 if self._regs[0x2B] & 0x80 else (forward + reverse) // 100

    def lifetime(self, addr: int) -> int:
        """What an energy register's counter has gone through since power-up or reset, read or not, in 0.01 pulse."""
        return self._sum[addr - AP]

    def advance(self, now_us: int) -> None:
        """Bring energy, measurements and states up to this instant."""
        self._pass(now_us)
        self._now_us = now_us
        self._count(now_us)
        if not self._steady:
            self._measure(now_us)
        self._look(now_us)

    def _reset_engine(self, now_us):
        self._power = [0, 0]  # uW, uvar that are counted now
        self._running = [False, False]
        self._counted_us = now_us
        self._acc = [0, 0]  # signed, within one count; units of pJ / _PL_REF
        self._abs_acc = [0, 0]
        self._sum = [0] * 6  # AP, AN, AT, RP, RN, RT in counts
        self._taken = [0] * 6  # of these, read; in units of the registers
        self._backwards = [False, False]  # the last pulse
        self._l_line = True
        self._status = 0
        self._lsb = 0
        self._t0_us = now_us  # measurement windows are counted from here
        self._value = [0] * 7  # u_mv, i_ma, i_n_ma, p_uw, q_uvar, pn_uw, qn_uvar
        self._mean = [0] * 7
        self._acc_value = [0] * 7
        self._from_us = self._next_us = now_us
        self._steady = True
        self._low_since = None
        self._sagging = False
        self._pl = _PL_REF
        self._rewire(now_us)

    # -- energy, DS 3.3, 5.4 ----------------------------------------------------------------------

    def _count(self, now_us):
        dt = now_us - self._counted_us
        if dt <= 0:
            return
        self._counted_us = now_us
        unit = self._pl * _PJ_PER_COUNT or 1
        for k in (0, 1):
            power = self._power[k]
            if not power:
                continue
            flow = power * dt * _PL_REF
            # Absolute energy never cancels.
            n, self._abs_acc[k] = divmod(self._abs_acc[k] + abs(flow), unit)
            self._sum[3 * k + 2] += n
            acc = self._acc[k] + flow
            n, rest = divmod(abs(acc), unit)
            self._acc[k] = rest if acc > 0 else -rest
            if n:
                at = 3 * k + (acc < 0)
                pulses = self._sum[at] // 100
                self._sum[at] += n
                if self._sum[at] // 100 > pulses:
                    self._pulse(k, acc < 0)

    def _pulse(self, k, backwards):
        if self._regs[0x2B] & (0x80, 0x40)[k]:
            backwards = False  # CFx gives absolute energy
        if backwards != self._backwards[k]:
            self._backwards[k] = backwards
            if self._regs[0x02] & (4, 8)[k]:
                self._status |= (REV_P_CHANGE, REV_Q_CHANGE)[k]

    def _energy(self, addr):
        """(register, what to give to _take_energy when the read is whole)"""
        whole = self._sum[addr - AP] // 10
        return whole - self._taken[addr - AP] & 0xFFFF, whole

    def _rewire(self, now_us):
        # Inputs or configuration have changed: what do measurement and energy engine see from now on?
        regs = self._regs
        if self._steady:
            # A window that is under way keeps what it has seen so far.
            period = self._period_us()
            start = self._t0_us + (now_us - self._t0_us) // period * period
            self._acc_value = [v * (now_us - start) for v in self._value]
            self._next_us = start + period
            self._steady = False
        else:
            dt = now_us - self._from_us
            self._acc_value = [s + v * dt for s, v in zip(self._acc_value, self._value, strict=True)]
        self._from_us = now_us
        u, i, p, q = self._in
        i_n = i if self._neutral_ma is None else self._neutral_ma
        p_n, q_n = (p * i_n // i, q * i_n // i) if i else (u * i_n // 1000, 0)
        mode = regs[0x2B]
        l_trim = _L_PGA[mode >> 13] * (0x8000 + s16(regs[0x23]))
        n_trim = _N_PGA[mode >> 11 & 3] * (0x8000 + s16(regs[0x25]))
        counted = [w * 1000 * l_trim >> 15 for w in (p, q)], [w * 1000 * n_trim >> 15 for w in (p_n, q_n)]
        self._wire_energy(*counted)
        u_gain, l_gain, n_gain = regs[0x31], regs[0x32], regs[0x33]
        l_pga, n_pga = _L_PGA[mode >> 13], _N_PGA[mode >> 11 & 3]
        value = [u * u_gain // 0x6720, i * l_pga * l_gain // 0x7A13, i_n * n_pga * n_gain // 0x7530]
        for words, gain, nominal in ((counted[0], l_gain, 0x7A13), (counted[1], n_gain, 0x7530)):
            value += [w * u_gain * gain // (0x6720 * nominal) for w in words]
        self._value = value if self._on[1] else [0] * 7
        self._look(now_us)

    def _wire_energy(self, line, neutral):
        regs = self._regs
        start_uw = regs[0x27] * _NW_PER_TH // 1000
        use_l = True
        if self.ln_mode == 3:
            use_l = bool(regs[0x2B] & 0x0400)
        elif self.ln_mode == 0:
            use_l = self._larger(abs(line[0]), abs(neutral[0]), start_uw)
        if use_l != self._l_line:
            self._l_line = use_l
            self._status |= LN_CHANGE
        power = line if use_l else neutral
        if self.ln_mode == 2:
            power = [a + b for a, b in zip(line, neutral, strict=True)]
        for k, start, no_load in ((0, 0x27, 0x28), (1, 0x29, 0x2A)):
            limit_uw = regs[no_load if self._running[k] else start] * _NW_PER_TH // 1000
            size = abs(power[k])
            self._running[k] = size > limit_uw if self._running[k] else size >= limit_uw and size > 0
        metering = self._on[0]
        self._power = [power[k] if metering and self._running[k] else 0 for k in (0, 1)]

    def _larger(self, line, neutral, start_uw):
        if all(start_uw < w < 8 * start_uw for w in (line, neutral)):
            return line >= neutral
        margin = _PERCENT_E4[self._regs[0x2B] & 15]
        if self._l_line:
            return (neutral - line) * 10_000 <= margin * line
        return (line - neutral) * 10_000 > margin * neutral

    # -- measurements, DS 3.5.1, 5.5 --------------------------------------------------------------

    def _period_us(self):
        return CYCLES * 100_000_000 // (self._freq_chz or 5000)

    def _measure(self, now_us):
        if now_us < self._next_us:
            return
        period = self._period_us()
        dt = self._next_us - self._from_us
        self._mean = [(s + v * dt) // period for s, v in zip(self._acc_value, self._value, strict=True)]
        self._from_us = self._next_us
        self._next_us += period
        self._acc_value = [0] * 7
        if now_us >= self._next_us:
            # A whole window without a change: it holds the present values, and so will every later one.
            self._mean = self._value
            self._steady = True

    def _measured(self, addr):
        """A measurement register. Reading an RMS or a power puts the bits below into LSB."""
        u, i_l, i_n, p_l, q_l, p_n, q_n = self._mean
        i, p, q = (i_l, p_l, q_l) if addr < 0x60 else (i_n, p_n, q_n)
        at = addr & 15
        if not self._on[1]:
            return 0
        if at == 0xC:
            return self._freq_chz if u else 0
        if at == 0xD:
            apparent = max(u * i, isqrt(p * p + q * q)) or 1
            return sign_magnitude((2000 * p + apparent) // (2 * apparent))
        if at == 0xE:
            return sign_magnitude(round(degrees(atan2(q, p)) * 10) if p or q else 0)
        # In 1/256 of the register's unit.
        fine = {8: i * 10**6, 9: u * 10**5, 0xA: p, 0xB: q, 0xF: u * i}[at] * 256 // 10**6
        low, high = (0, 0xFFFF) if at in (8, 9) else (0, 0x7FFF) if at == 0xF else (-0x8000, 0x7FFF)
        fine = min(max(fine, low * 256), high * 256 + 255)
        self._lsb = (fine & 0xFF) << 8
        return fine >> 8 & 0xFFFF

    # -- states, DS 5.2, 5.4 ----------------------------------------------------------------------

    def _look(self, now_us):
        # Peak values before the gain stage, as SagTh is given.
        peak = self._in[0] * 141_421 * 32768 // (4_000_000 * 0x6720)
        if peak >= self._regs[0x03]:
            self._low_since = None
            self._sagging = False
        elif self._low_since is None:
            self._low_since = now_us
        elif not self._sagging and now_us - self._low_since >= 100_000_000 // (self._freq_chz or 5000):
            self._sagging = True
            if self._regs[0x02] & 0x20:
                self._status |= SAG_WARN

    def _en_status(self):
        word = self.ln_mode | 0x0800 * self._l_line
        word |= 0x4000 * (not self._running[0]) | 0x8000 * (not self._running[1])
        return word | 0x1000 * self._backwards[0] | 0x2000 * self._backwards[1]
