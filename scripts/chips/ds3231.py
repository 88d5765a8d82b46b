# SPDX-License-Identifier: Apache-2.0
"""DS3231 real-time clock on I2C.

Source: Maxim DS3231 data sheet. Rules it holds a driver to: time registers are frozen at START and when the
register pointer rolls over from 12H to 00H; flags of the status register can be written to 0 only; the
oscillator-stop flag comes up with the first power, with both supplies gone and with EOSC on battery; what
nonsense is written to the time registers stays there. Alarm registers keep their values, nothing compares.
"""

from datetime import datetime, timedelta

from scripts.chips import I2cNak

_LAST = 0x12
_CONTROL, _STATUS, _AGING, _TEMP = 0x0E, 0x0F, 0x10, 0x11
_EOSC, _CONV = 0x80, 0x20
_OSF, _EN32K, _BSY, _FLAGS = 0x80, 0x08, 0x04, 0x03
_CONVERSION_US = 200_000


class Ds3231Chip:
    """Public: battery, drift_ppm, temp_quarters (0.25 degC), set_time(), time(), set_up(), keeps_nothing (of what
    is written)."""

    addr = 0x68

    def __init__(self, battery: bool = True, drift_ppm: int = 0):
        self.absent = False
        self.keeps_nothing = False
        self.powered = False
        self.battery = battery
        self.drift_ppm = drift_ppm
        self.temp_quarters = 100
        self._lost = True  # never powered before
        self._at_us = 0
        self._chip_us = 0  # of the running second
        self._rest = 0
        self._pointer = 0
        self._conv_until = 0
        self._frozen = bytes(7)
        self._regs = bytearray(_LAST + 1)
        self._first_power()

    def _first_power(self):
        self._regs[:] = bytes(_LAST + 1)
        self._regs[3] = self._regs[4] = self._regs[5] = 1
        self._regs[_CONTROL] = 0x1C
        self._regs[_STATUS] = _OSF | _EN32K

    # --- the world ---

    def set_up(self, control: int) -> None:
        """Whatever was on the board before has left this in the control register."""
        self._regs[_CONTROL] = control

    def power_on(self, now_us: int) -> None:
        if self.powered:
            return
        if self._lost or not self.battery:
            self._first_power()
            self._chip_us = 0
            self._at_us = now_us
        self._run(now_us)
        self._lost = False
        self.powered = True
        self._pointer = 0

    def power_off(self, now_us: int) -> None:
        self._run(now_us)
        self.powered = False
        if not self.battery:
            self._lost = True
        elif self._regs[_CONTROL] & _EOSC:
            self._regs[_STATUS] |= _OSF

    def stop_oscillator(self, now_us: int) -> None:
        """A disturbance: the oscillator has stopped for a moment, the time is no longer to be believed."""
        self._run(now_us)
        self._regs[_STATUS] |= _OSF

    def set_time(self, utc: datetime, now_us: int) -> None:
        """Set by the factory: the clock is right and vouches for it."""
        self._run(now_us)
        self._lost = False
        self._chip_us = utc.microsecond
        self._put(utc, False)
        self._regs[3] = utc.isoweekday()
        self._regs[_STATUS] &= ~_OSF

    def time(self, now_us: int):
        """The time the registers hold (datetime), or None when they hold no date."""
        self._run(now_us)
        return self._get()

    # --- the bus ---

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        if not self.powered:
            raise I2cNak(self.addr)
        self._run(now_us)
        if not data:
            return
        self._pointer = data[0] if data[0] <= _LAST else 0
        for i, value in enumerate(data[1:]):
            if self.keeps_nothing:
                return
            self._write(self._pointer, value, now_us + (i + 3) * byte_us)
            self._pointer = (self._pointer + 1) % (_LAST + 1)

    def i2c_read(self, n: int, now_us: int, byte_us: int) -> bytes:
        if not self.powered:
            raise I2cNak(self.addr)
        self._freeze(now_us)
        out = bytearray()
        for i in range(n):
            out.append(self._read(self._pointer, now_us))
            self._pointer = (self._pointer + 1) % (_LAST + 1)
            if self._pointer == 0:
                self._freeze(now_us + (i + 2) * byte_us)
        return bytes(out)

    def _freeze(self, now_us):
        self._run(now_us)
        self._frozen = bytes(self._regs[:7])

    def _read(self, reg, now_us):
        if reg < 7:
            return self._frozen[reg]
        if reg == _CONTROL:
            return self._regs[reg] | (_CONV if now_us < self._conv_until else 0)
        if reg == _STATUS:
            return self._regs[reg] | (_BSY if now_us < self._conv_until else 0)
        if reg == _TEMP:
            return self.temp_quarters >> 2 & 0xFF
        if reg == _TEMP + 1:
            return (self.temp_quarters & 3) << 6
        return self._regs[reg]

    def _write(self, reg, value, now_us):
        regs = self._regs
        if reg == 0:
            self._run(now_us)
            self._chip_us = 0  # writing the seconds restarts the divider
        if reg < 7:
            regs[reg] = value & (0x7F, 0x7F, 0x7F, 0x07, 0x3F, 0x9F, 0xFF)[reg]
        elif reg == _CONTROL:
            if value & _CONV and now_us >= self._conv_until:
                self._conv_until = now_us + _CONVERSION_US
            regs[reg] = value & ~_CONV
        elif reg == _STATUS:
            kept = regs[reg] & value & (_OSF | _FLAGS)
            regs[reg] = kept | value & _EN32K
        elif reg <= _AGING:
            regs[reg] = value

    # --- the counter chain ---

    def _run(self, now_us):
        """Count up to now on whatever supply there has been."""
        gone_us, self._at_us = now_us - self._at_us, now_us
        on_battery = not self.powered
        if gone_us <= 0 or self._lost or (on_battery and self._regs[_CONTROL] & _EOSC):
            return
        chip_us, self._rest = divmod(gone_us * (1_000_000 + self.drift_ppm) + self._rest, 1_000_000)
        seconds, self._chip_us = divmod(self._chip_us + chip_us, 1_000_000)
        if not seconds:
            return
        before = self._get()
        if before is None:
            return
        after = before + timedelta(seconds=seconds)
        days = after.toordinal() - before.toordinal()
        self._put(after, bool(self._regs[2] & 0x40), self._regs[5] & 0x80)
        if after.year // 100 != before.year // 100:
            self._regs[5] ^= 0x80
        self._regs[3] = (self._regs[3] - 1 + days) % 7 + 1

    def _get(self):
        second, minute, hour, _, day, month, year = self._regs[:7]
        if any(v & 0x0F > 9 for v in (second, minute, hour & 0x1F, day, month & 0x1F, year)) or year > 0x99:
            return None
        if hour & 0x40:
            hour_12 = _number(hour & 0x1F)
            if not 1 <= hour_12 <= 12:
                return None
            hour_24 = hour_12 % 12 + (12 if hour & 0x20 else 0)
        else:
            hour_24 = _number(hour)
        date = 2000 + _number(year), _number(month & 0x1F), _number(day)
        try:
            return datetime(*date, hour_24, _number(minute), _number(second))
        except ValueError:
            return None

    def _put(self, when, twelve_hours, century=0):
        if twelve_hours:
            hour = 0x40 | (0x20 if when.hour >= 12 else 0) | _bcd((when.hour - 1) % 12 + 1)
        else:
            hour = _bcd(when.hour)
        regs = self._regs
        regs[0], regs[1], regs[2] = _bcd(when.second), _bcd(when.minute), hour
        regs[4], regs[5], regs[6] = _bcd(when.day), _bcd(when.month) | century, _bcd(when.year % 100)


def _number(bcd):
    return int(f"{bcd:x}")


def _bcd(number):
    return int(str(number), 16)
