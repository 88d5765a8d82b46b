# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS, the metering half: energy integration, measured values and state bits over a set of registers.

Source: Atmel-46003B (M90E32AS datasheet, 2015), 3.4 to 3.7, tables 10 to 15. Nothing runs by itself: the
instant of a read or of a change brings everything up to it. Energy is integrated exactly (pJ, integers).

Where the datasheet is silent, the model decides, and says so here:
    energy registers wrap at FFFFH, or stay there with `saturates`
    a phase under PPhaseTh, or a total under PStartTh, adds nothing to its phase registers either
    with three wires (MMode0 bit 8), B's channels read 0 and count nothing
    harmonics are zero: fundamental energy and power equal the total ones
    U and I offsets add before their gains (so that offset first, gain second, as the application note has it, leaves
        no offset), a power offset after it; a reading below zero is zero
Without effect: DC offsets, segment, frequency and temperature compensation, the currents' phase order.
"""

from fractions import Fraction
from math import atan2, cos, degrees, isqrt, radians, sin

from scripts.chips.atm90e32_front import FrontEnd, phi_radians, turned

CYCLES = 16  # a measured value is a mean over this many periods of the mains
_UW_PER_LSB = 320  # 0.00032 W
_GAINS = 1 << 45  # three of them, Q15
_PJ_PER_UNIT = 80_000  # of PL_constant
# Energy channel -> its forward register: (active, reactive, apparent, fundamental) x (T, A, B, C).
_FORWARD = (0x80, 0x81, 0x82, 0x83, 0x88, 0x89, 0x8A, 0x8B, 0x90, 0x91, 0x92, 0x93, 0xA0, 0xA1, 0xA2, 0xA3)
CHANNEL = [-1] * 0x100
for _channel, _addr in enumerate(_FORWARD):
    CHANNEL[_addr] = _channel
    if _addr < 0x90 or _addr >= 0xA0:
        CHANNEL[_addr + 4] = _channel


def _s16(word):
    return word - 0x10000 if word & 0x8000 else word


class Engine:
    """What goes on behind the registers. `_regs` is theirs, shared with the SPI half."""

    def __init__(self):
        self.saturates = False
        self.cf1_dead = False  # the pulse output gives nothing more
        self.registers_dead = False  # the energy registers stay where they are
        self._in = [(0, 0, 0, 0)] * 3  # u_mv, i_ma, p_mw, q_mvar at the terminals
        self.front = (FrontEnd(), FrontEnd(), FrontEnd())
        self._turn = (0, 1200, 2400)
        self._freq_chz = 5000
        self._now_us = 0
        self._regs: list = []

    def set_phase(self, n: int, u_mv: int, i_ma: int, p_mw: int, q_mvar: int, now_us: int) -> None:
        """What phase n (0..2) sees from now on."""
        new = (u_mv, i_ma, p_mw, q_mvar)
        if self._in[n] == new:
            return
        self.advance(now_us)
        self._in[n] = new
        self._rewire(now_us)

    def set_freq(self, freq_chz: int, now_us: int) -> None:
        """Mains frequency, 0.01 Hz."""
        self.advance(now_us)
        self._freq_chz = freq_chz
        self._rewire(now_us)

    def set_turn(self, b: int, c: int, now_us: int) -> None:
        """By how much the voltages of B and C lag A's, 0.1 degree: 1200 and 2400 in the right order."""
        self.advance(now_us)
        self._turn = (0, b % 3600, c % 3600)
        self._rewire(now_us)

    def rewire(self, now_us: int) -> None:
        """The front end is another one."""
        self.advance(now_us)
        self._rewire(now_us)

    def advance(self, now_us: int) -> None:
        """Bring energy, measurements and states up to this instant."""
        self._now_us = now_us
        for channel in range(16):
            self._count(channel, now_us)
        if not self._steady:
            self._measure(now_us)
        self._look(now_us)

    def lifetime(self, addr: int) -> int:
        """Counts an energy register's counter has gone through since power-up or reset, read or not."""
        channel = CHANNEL[addr]
        return (self._forward_sum if _FORWARD[channel] == addr else self._reverse_sum)[channel]

    def pulses(self, now_us: int) -> int:
        """Pulses CF1 has given since power-up or reset: all active energy, whichever way it flowed."""
        self._count(0, now_us)
        pulses = (self._forward_sum[0] + self._reverse_sum[0]) // 100
        if not self.cf1_dead:
            self._given += pulses - self._gone_by
        self._gone_by = pulses
        return self._given

    def _reset_engine(self, now_us):
        self._given = self._gone_by = 0  # pulses: on the pin, and with those a dead one has not given
        self._power = [0] * 16  # uW that are counted now
        self._counted_us = [now_us] * 16
        self._acc = [0] * 16  # pJ, signed, within one count
        self._backwards = [False] * 16
        self._forward_sum = [0] * 16
        self._reverse_sum = [0] * 16
        self._t0_us = now_us  # measurement windows are counted from here
        self._value = [0] * 12  # u_mv, i_ma, p_uw, q_uvar per phase as the ADC path delivers them now
        self._sum = [0] * 12
        self._from_us = self._next_us = now_us
        self._steady = True
        self._low_since = [None] * 6  # sag A..C, phase loss A..C
        self._state = (0x0070, 0)
        self._rewire(now_us, quiet=True)

    # -- energy, DS 3.5 ---------------------------------------------------------------------------

    def _count(self, channel, now_us):
        dt = now_us - self._counted_us[channel]
        power = self._power[channel]
        self._counted_us[channel] = now_us
        if not power or dt <= 0:
            return
        acc = self._acc[channel] + power * dt
        unit = self._unit
        if -unit < acc < unit:
            self._acc[channel] = acc
            return
        addr = _FORWARD[channel]
        if acc > 0:
            n, self._acc[channel] = divmod(acc, unit)
            self._backwards[channel] = False
            self._forward_sum[channel] += n
        else:
            n, rest = divmod(-acc, unit)
            self._acc[channel] = -rest
            self._backwards[channel] = True
            self._reverse_sum[channel] += n
            addr += 4
        if self.registers_dead:
            return
        n += self._regs[addr]
        self._regs[addr] = min(n, 0xFFFF) if self.saturates else n & 0xFFFF

    def _rewire(self, now_us, quiet=False):
        # Inputs or configuration have changed: what do measurement and energy engine see from now on?
        regs = self._regs
        # A window that is under way keeps what it has seen so far.
        if self._steady:
            period = self._period_us()
            start = self._t0_us + (now_us - self._t0_us) // period * period
            self._sum = [v * (now_us - start) for v in self._value]
            self._next_us = start + period
            self._steady = False
        else:
            dt = now_us - self._from_us
            self._sum = [s + v * dt for s, v in zip(self._sum, self._value, strict=True)]
        self._from_us = now_us
        value = self._value = []
        self._raw = []
        for n in range(3):
            i_from = regs[0x01] >> 4 * n & 7
            u_from = (regs[0x02] >> 4 * n & 7) - 4
            u = self._in[u_from][0] if 0 <= u_from < 3 else 0
            i = self._in[i_from][1] if i_from < 3 else 0
            p, q = self._in[i_from][2:] if i_from < 3 and i_from == u_from else (0, 0)
            if n == 1 and regs[0x33] & 0x100:
                u = i = p = q = 0  # three wires: B is what A and C are measured against
            front = self.front[n]
            u, i = front.seen_ui(u, i)
            p, q = turned(*front.seen_pq(p, q), phi_radians(regs[0x48 + 2 * n], self._freq_chz))
            pga = (1, 2, 4, 4)[regs[0x34] >> 2 * n & 3]
            self._raw.append((u, i * pga))
            u_gain, i_gain = regs[0x61 + 4 * n], regs[0x62 + 4 * n] * pga
            trim = 0x8000 + _s16(regs[0x47 + 2 * n])
            p = (p * 1000 * u_gain * i_gain * trim // _GAINS) + _s16(regs[0x41 + 2 * n]) * _UW_PER_LSB
            q = (q * 1000 * u_gain * i_gain * trim // _GAINS) + _s16(regs[0x42 + 2 * n]) * _UW_PER_LSB
            u_offset, i_offset = _s16(regs[0x63 + 4 * n]), _s16(regs[0x64 + 4 * n])
            if front.ideal and not u_offset and not i_offset:
                value += [u * u_gain >> 15, i * i_gain >> 15, p, q]
            else:
                u = max(u + Fraction(u_offset * 10, 512), 0)
                i = max(i + Fraction(i_offset, 512), 0)
                value += [Fraction(u * u_gain, 0x8000), Fraction(i * i_gain, 0x8000), p, q]
        self._wire_energy()
        if not quiet:
            self._look(now_us)

    def _wire_energy(self):
        regs = self._regs
        value = self._value
        mode = regs[0x33]
        self._unit = max(1, regs[0x31] << 16 | regs[0x32]) * _PJ_PER_UNIT
        noload = 0
        power = []
        for what, start, phase, absolute, bit in (
            ("p", 0x35, 0x38, 0x08, 0x20),
            ("q", 0x36, 0x39, 0x10, 0x40),
            ("s", 0x37, 0x3A, 0x00, 0x10),
        ):
            each = []
            total = 0
            for n in range(3):
                u, i, p, q = value[4 * n : 4 * n + 4]
                counts = abs(p) + abs(q) > regs[phase] * _UW_PER_LSB
                w = {"p": p, "q": q, "s": u * i}[what] if counts else 0
                each.append(w)
                if mode & 4 >> n:
                    total += abs(w) if mode & absolute else w
            if abs(total) <= regs[start] * _UW_PER_LSB:
                noload |= bit
                total = 0
                each = [0, 0, 0]
            power += [total, *each]
        self._noload = noload
        if regs[0x00] & 0xFF:
            self._power = power + power[:4]
        else:
            self._power = [0] * 16
            self._acc = [0] * 16

    # -- measurements, DS 3.6 ---------------------------------------------------------------------

    def _period_us(self):
        return CYCLES * 100_000_000 // (self._freq_chz or 5000)

    def _measure(self, now_us):
        period = self._period_us()
        if now_us < self._next_us:
            return
        dt = self._next_us - self._from_us
        self._publish([(s + v * dt) // period for s, v in zip(self._sum, self._value, strict=True)])
        self._from_us = self._next_us
        self._next_us += period
        if now_us >= self._next_us:
            # A whole window without a change: it holds the present values, and so will every later one.
            self._publish(self._value)
            self._steady = True
        else:
            self._sum = [0] * 12

    def _publish(self, value):
        regs = self._regs
        mode = regs[0x33]
        p_all = q_all = s_all = 0
        vector = [0.0, 0.0]
        for n in range(3):
            u, i, p, q = value[4 * n : 4 * n + 4]
            s = u * i
            if mode & 4 >> n:
                p_all += abs(p) if mode & 8 else p
                q_all += abs(q) if mode & 16 else q
                s_all += s
            self._power_words(1 + n, p, q, s)
            regs[0xD9 + n] = min(u // 10, 0xFFFF)
            regs[0xE9 + n] = (u % 10 * 256 // 10) << 8
            regs[0xDD + n] = min(i // 1, 0xFFFF)
            regs[0xED + n] = (i % 1 * 256 // 1) << 8
            u_raw, i_raw = self._raw[n]
            regs[0xF1 + n] = min(u_raw * 1414 // 1000 * 8192 // 10 // 0x8000, 0xFFFF)
            regs[0xF5 + n] = min(i_raw * 1414 // 1000 * 8192 // 0x8000, 0xFFFF)
            angle = round(degrees(atan2(q, p)) * 10) % 3600 if p or q else 0
            regs[0xF9 + n] = angle
            regs[0xFD + n] = self._turn[n] if u else 0
            turn = radians(-self._turn[n] / 10 - angle / 10)
            vector[0] += i * cos(turn)
            vector[1] += i * sin(turn)
        self._power_words(0, p_all, q_all, s_all)
        regs[0xDC] = min(round((vector[0] ** 2 + vector[1] ** 2) ** 0.5), 0xFFFF)
        regs[0xF8] = self._freq_chz if any(u for u, _ in self._raw) else 0
        regs[0xFC] = 25

    def _power_words(self, n, p, q, s):
        regs = self._regs
        for high, w in ((0xB0, p), (0xB4, q), (0xB8, s), (0xD0, p)):
            word = (2 * w + _UW_PER_LSB) // (2 * _UW_PER_LSB) & 0xFFFFFFFF
            regs[high + n] = word >> 16
            regs[high + 0x10 + n] = word & 0xFFFF
        apparent = max(s, isqrt(p * p + q * q)) or 1
        regs[0xBC + n] = (2000 * p + apparent) // (2 * apparent) & 0xFFFF

    # -- states, DS table 10 ----------------------------------------------------------------------

    def _look(self, now_us):
        """State bits as they are now; a bit that changed sets its latch."""
        regs = self._regs
        state0 = self._noload
        state1 = 0
        window_us = (regs[0x05] & 0xFF) * 1000
        for n in range(3):
            u, i = self._raw[n]
            u_peak = min(u * 70711 // 1_000_000, 0xFFFF)  # FFFFH: full scale of the ADC
            i_peak = min(i * 70711 // 100_000, 0xFFFF)
            if i_peak > regs[0x0B]:
                state0 |= 0x8000 >> n
            if u_peak > regs[0x06]:
                state0 |= 0x1000 >> n
            for k, threshold, bit in ((n, regs[0x08], 0x4000 >> n), (3 + n, regs[0x09], 0x0400 >> n)):
                if u_peak >= threshold:
                    self._low_since[k] = None
                elif self._low_since[k] is None:
                    self._low_since[k] = now_us
                elif now_us - self._low_since[k] >= window_us:
                    state1 |= bit
            if self._backwards[1 + n]:
                state1 |= 0x0004 >> n
            if self._backwards[5 + n]:
                state1 |= 0x0040 >> n
        if self._turn[1] > self._turn[2] and all(u for u, _ in self._raw):
            state0 |= 0x0200  # B comes after C
        if regs[0xDC] > regs[0x0A]:
            state0 |= 0x0080
        if self._backwards[0]:
            state0 |= 0x000A
            state1 |= 0x0008
        if self._backwards[4]:
            state0 |= 0x0004
            state1 |= 0x0080
        if any(u for u, _ in self._raw):
            if self._freq_chz > regs[0x0D]:
                state1 |= 0x8000
            if self._freq_chz < regs[0x0C]:
                state1 |= 0x0800
        regs[0x73] |= state0 ^ self._state[0]
        regs[0x74] |= state1 ^ self._state[1]
        self._state = (state0, state1)
