# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS, register by register: SPI slave, energy engine, measurements, states, configuration CRC.

Source: Atmel-46003B (M90E32AS datasheet, 2015). Frames: 4.2. Energy: 3.5, integrated exactly (pJ, integers).
The plant says what the inputs see with set_phase(); everything else happens when a register is read.

Where the datasheet is silent, the model decides, and says so here:
    energy registers wrap at FFFFH, or stay there with `saturates`
    writes to 00H-6FH are never refused: 7FH only starts and stops the CRC comparison (its default, 0000H, is
        the running state); the error bit follows the comparison of the last pass and is not sticky
    a write to a register that cannot be written is dropped, but LastSPIData logs it
    LastSPIData read by a frame is loaded with itself; addresses not listed read 0000H
    a phase under PPhaseTh, or a total under PStartTh, adds nothing to its phase registers either
    harmonics are zero: fundamental energy and power equal the total ones
Held without effect: U/I and DC offsets, phase delay, segment, frequency and temperature compensation, the
low-power detector, zero-crossing, interrupt pins, phase order.
"""

import random
from binascii import crc_hqx
from math import atan2, cos, degrees, isqrt, log, radians, sin

START_US = 40_000  # power-up and SoftReset: the longest the datasheet gives
CRC_PASS_US = 112 * 125
MAX_BAUD = 1_100_000
MIN_BAUD = 400
CYCLES = 16  # a measured value is a mean over so many periods of the mains

_PLAIN, _NONE, _ENERGY, _MEASURE, _LAST, _CRC_STATUS, _CRC_DIGEST, _STATE, _LATCH, _RESET = range(10)
_UW_PER_LSB = 320  # 0.00032 W
_PJ_PER_UNIT = 80_000  # of PL_constant


def _defaults():
    r = {0x01: 0x0210, 0x02: 0x0654, 0x05: 0x143F, 0x06: 0xC000, 0x07: 0x0001, 0x08: 0x1000, 0x09: 0x0400}
    r |= {0x0A: 0xFFFF, 0x0B: 0xC000, 0x0C: 0x1324, 0x0D: 0x13EC, 0x0E: 0x010F, 0x22: 5000, 0x23: 25}
    r |= {0x31: 0x0861, 0x32: 0xC468, 0x33: 0x0087}
    for addr in (0x61, 0x62, 0x65, 0x66, 0x69, 0x6A):
        r[addr] = 0x8000
    return [r.get(addr, 0) for addr in range(0x100)]


def _kinds():
    kind = bytearray([_NONE]) * 0x100
    # Kind, first and last address of each run of registers.
    runs = """
        0 00 02, 0 05 1C, 0 20 2F, 0 31 3A, 0 41 4C, 0 51 56, 0 61 6C, 0 75 76, 0 7F 7F, 2 80 93, 2 A0 AF,
        3 B0 CB, 3 D0 D7, 3 D9 E7, 3 E9 EB, 3 ED EF, 3 F1 F3, 3 F5 FF, 4 78 78, 5 79 79, 6 7A 7A, 7 71 72, 8 73 74,
        9 70 70
    """
    for run in runs.split(","):
        what, first, last = (int(text, 16) for text in run.split())
        for addr in range(first, last + 1):
            kind[addr] = what
    return bytes(kind)


_DEFAULTS = _defaults()
_KIND = _kinds()
# Energy channel -> its forward register: (active, reactive, apparent, fundamental) x (T, A, B, C).
_FORWARD = (0x80, 0x81, 0x82, 0x83, 0x88, 0x89, 0x8A, 0x8B, 0x90, 0x91, 0x92, 0x93, 0xA0, 0xA1, 0xA2, 0xA3)
_CHANNEL = [-1] * 0x100
for _channel, _addr in enumerate(_FORWARD):
    _CHANNEL[_addr] = _channel
    if _addr < 0x90 or _addr >= 0xA0:
        _CHANNEL[_addr + 4] = _channel


def _s16(word):
    return word - 0x10000 if word & 0x8000 else word


class Atm90e32Chip:
    """Fault knobs: absent (MISO floats high), wrong_id (another part), noise (bit error rate), corrupt()."""

    def __init__(self, seed: int = 32):
        self.absent = False
        self.wrong_id = False
        self.saturates = False
        self.on_energy_read = None  # fn(addr, counts, now_us): a register was fetched and cleared
        self.powered = False
        self._random = random.Random(seed)
        self._noise = 0
        self._clean_bits = 0  # until the next one flips
        self._in = [(0, 0, 0, 0)] * 3  # u_mv, i_ma, p_mw, q_mvar at the terminals
        self._freq_chz = 5000
        self._now_us = 0
        self._selected = False
        self._frame = b""
        self._write = None
        self._answer = 0
        self.power_on(0)

    # -- the plant's side -------------------------------------------------------------------------

    def power_on(self, now_us: int) -> None:
        self.powered = True
        self._reset(now_us)

    def power_off(self, now_us: int) -> None:
        self.advance(now_us)
        self.powered = False
        self._reset(now_us)
        self._ready_us = 1 << 62

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

    def advance(self, now_us: int) -> None:
        """Bring energy, measurements and states up to this instant."""
        self._now_us = now_us
        for channel in range(16):
            self._count(channel, now_us)
        if not self._steady:
            self._measure(now_us)
        self._look(now_us)

    def corrupt(self, addr: int, value: int) -> None:
        """An upset: a register has changed, and nobody wrote it."""
        self.advance(self._now_us)
        self._change(addr, value & 0xFFFF, self._now_us)

    def lifetime(self, addr: int) -> int:
        """Counts an energy register's counter has gone through since power-up or reset, read or not."""
        channel = _CHANNEL[addr]
        return (self._forward_sum if _FORWARD[channel] == addr else self._reverse_sum)[channel]

    def peek(self, addr: int) -> int:
        """A register as it stands, without a frame."""
        return self._regs[addr]

    @property
    def noise(self):
        """Bit error rate on MOSI and MISO."""
        return self._noise

    @noise.setter
    def noise(self, rate):
        self._noise = rate
        if rate:
            self._clean_bits = self._gap(rate)

    # -- SPI --------------------------------------------------------------------------------------

    def spi_select(self, now_us: int) -> None:
        self._selected = True
        self._frame = b""
        self._write = None

    def spi_transfer(self, tx: bytes, mode: int, baudrate: int, now_us: int) -> bytes:
        if (
            len(tx) == 4
            and mode == 3
            and baudrate <= MAX_BAUD
            and not (self._frame or self._noise or self.absent or self.wrong_id)
            and now_us >= self._ready_us
            and self._selected
            and baudrate >= MIN_BAUD
        ):
            # What nearly every frame is: one of 32 clocks, undisturbed. Same as below, without the pieces.
            self._frame = tx
            high = tx[0]
            if high & 0x80:
                addr = (high & 3) << 8 | tx[1]
                if addr < 0x100 and _KIND[addr] == _PLAIN:
                    value = self._regs[addr]
                elif addr != 0x78:
                    value = self._fetch(addr, now_us)
                else:
                    return b"\0\0" + self._last.to_bytes(2, "big")
                self._last = value
                return b"\0\0" + value.to_bytes(2, "big")
            self._write = ((high & 3) << 8 | tx[1], tx[2] << 8 | tx[3])
            return b"\0\0\0\0"
        return self._transfer_slowly(tx, mode, baudrate, now_us)

    def spi_deselect(self, now_us: int) -> None:
        self._selected = False
        # DS 4.2.2: a write happens at this edge, and only after exactly 32 clocks.
        if self._write is not None and len(self._frame) == 4 and not self.wrong_id:
            self._commit(self._write[0], self._write[1], now_us)
        self._write = None

    def _transfer_slowly(self, tx, mode, baudrate, now_us):
        if self.absent or not self._selected:
            return b"\xff" * len(tx)
        if now_us < self._ready_us:
            return bytes(len(tx))
        rate = self._noise
        if not MIN_BAUD <= baudrate <= MAX_BAUD:
            rate = 0.1
        if rate:
            tx = self._disturb(tx, rate)
        if mode in (1, 2):
            # The slave samples where the master is already changing: one bit late.
            tx = (int.from_bytes(tx, "big") >> 1).to_bytes(len(tx), "big")
        rx = bytearray(len(tx))
        for n, byte in enumerate(tx):
            k = len(self._frame)
            self._frame += bytes((byte,))
            frame = self._frame
            if k == 1 and frame[0] & 0x80:
                addr = (frame[0] & 3) << 8 | frame[1]
                if self.wrong_id:
                    self._answer = addr * 0x2F1 + 0x31 & 0xFFFF
                else:
                    self._answer = self._fetch(addr, now_us)
                    self._last = self._answer
            elif k in (2, 3) and frame[0] & 0x80:
                rx[n] = self._answer >> 8 if k == 2 else self._answer & 0xFF
            elif k == 3:
                self._write = ((frame[0] & 3) << 8 | frame[1], frame[2] << 8 | frame[3])
        if mode == 0:
            rx = ((int.from_bytes(rx, "big") << 1) & (1 << 8 * len(rx)) - 1).to_bytes(len(rx), "big")
        return self._disturb(rx, rate) if rate else bytes(rx)

    def _gap(self, rate):
        return int(log(1 - self._random.random()) / log(1 - rate))

    def _disturb(self, data, rate):
        bits = 8 * len(data)
        if rate != self._noise:
            self._clean_bits = self._gap(rate)
        at = self._clean_bits
        if at < bits:
            data = bytearray(data)
            while at < bits:
                data[at >> 3] ^= 0x80 >> (at & 7)
                at += 1 + self._gap(rate)
        self._clean_bits = at - bits
        return bytes(data)

    # -- registers --------------------------------------------------------------------------------

    def _reset(self, now_us):
        self._regs = list(_DEFAULTS)
        self._last = 0
        self._ready_us = now_us + START_US
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
        self._golden = None
        self._golden_us = now_us + START_US + CRC_PASS_US
        self._watch = True
        self._digest = self._crc()
        self._differs = False
        self._differs_us = -CRC_PASS_US
        self._rewire(now_us, quiet=True)

    def _fetch(self, addr, now_us):
        if addr > 0xFF:
            return 0
        self._now_us = now_us
        kind = _KIND[addr]
        regs = self._regs
        if kind == _PLAIN:
            return regs[addr]
        if kind == _ENERGY:
            channel = _CHANNEL[addr]
            if channel < 0:
                return 0
            self._count(channel, now_us)
            counts = regs[addr]
            regs[addr] = 0
            if self.on_energy_read is not None:
                self.on_energy_read(addr, counts, now_us)
            return counts
        if kind == _MEASURE:
            if not self._steady:
                self._measure(now_us)
            return regs[addr]
        if kind == _CRC_STATUS:
            return self._crc_error(now_us)
        if kind == _STATE:
            self.advance(now_us)
            return self._state[addr - 0x71]
        if kind == _LATCH:
            self.advance(now_us)
            return regs[addr]
        if kind == _LAST:
            return self._last
        return self._digest if kind == _CRC_DIGEST else 0

    def _commit(self, addr, value, now_us):
        self._now_us = now_us
        self._last = value
        if addr > 0xFF:
            return
        kind = _KIND[addr]
        if kind == _PLAIN:
            self.advance(now_us)
            self._change(addr, value, now_us)
        elif kind == _RESET:
            if value == 0x789A:
                self._reset(now_us)
        elif kind == _LATCH:
            self.advance(now_us)
            self._regs[addr] &= ~value
        elif kind == _CRC_DIGEST and self._regs[0x7F] == 0xAA55:
            self._crc_error(now_us)
            self._golden = value
            self._differing(now_us)

    def _change(self, addr, value, now_us):
        self._crc_error(now_us)
        if addr == 0x7F:
            self._watch = value != 0x55AA
            if value != 0xAA55 or self._golden is None:
                self._golden = None
                self._golden_us = now_us + CRC_PASS_US
                self._differs = False
                self._differs_us = now_us - CRC_PASS_US
        self._regs[addr] = value
        if addr < 0x70:
            self._digest = self._crc()
            self._differing(now_us)
            self._rewire(now_us)

    # -- configuration CRC, DS 5.2.1 --------------------------------------------------------------

    def _crc(self):
        return crc_hqx(b"".join(word.to_bytes(2, "big") for word in self._regs[:0x70]), 0xFFFF)

    def _differing(self, now_us):
        differs = self._golden is not None and self._digest != self._golden
        if differs != self._differs:
            self._differs = differs
            self._differs_us = now_us

    def _crc_error(self, now_us):
        if not self._watch:
            return 0
        if self._golden is None:
            if now_us >= self._golden_us:
                self._golden = self._digest
            return 0
        # The comparison of the pass that began after the change is the first to show it.
        return int(self._differs == (now_us >= self._differs_us + CRC_PASS_US))

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
            pga = (1, 2, 4, 4)[regs[0x34] >> 2 * n & 3]
            self._raw.append((u, i * pga))
            u_gain, i_gain = regs[0x61 + 4 * n], regs[0x62 + 4 * n] * pga
            trim = 0x8000 + _s16(regs[0x47 + 2 * n])
            p = (p * 1000 * u_gain * i_gain * trim >> 45) + _s16(regs[0x41 + 2 * n]) * _UW_PER_LSB
            q = (q * 1000 * u_gain * i_gain * trim >> 45) + _s16(regs[0x42 + 2 * n]) * _UW_PER_LSB
            value += [u * u_gain >> 15, i * i_gain >> 15, p, q]
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
            regs[0xDD + n] = min(i, 0xFFFF)
            u_raw, i_raw = self._raw[n]
            regs[0xF1 + n] = min(u_raw * 1414 // 1000 * 8192 // 10 // 0x8000, 0xFFFF)
            regs[0xF5 + n] = min(i_raw * 1414 // 1000 * 8192 // 0x8000, 0xFFFF)
            angle = round(degrees(atan2(q, p)) * 10) % 3600 if p or q else 0
            regs[0xF9 + n] = angle
            regs[0xFD + n] = n * 1200 if u else 0
            turn = radians(-n * 120 - angle / 10)
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
