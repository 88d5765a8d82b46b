# SPDX-License-Identifier: Apache-2.0
"""DS3231 real-time clock on I2C, kept in UTC.

Source: Maxim DS3231 data sheet, register map 00H-12H. Time registers are latched at START, so date, time
and status are read in one transfer; the oscillator-stop flag is looked at on every read, not only at
start. Loaded for a look at it.
Invariant: read() returns a time only if the part vouches for it; anything else is a ChipError.
"""

from micropython import const

from meter.core import calendar
from meter.core.errors import BusError, ChipError

ADDR = const(0x68)
# "Timekeeping Registers", figure 1
_SECONDS = const(0x00)
_MINUTES = const(0x01)
_HOURS = const(0x02)
_DATE = const(0x04)
_MONTH = const(0x05)
_YEAR = const(0x06)
_CONTROL = const(0x0E)
STATUS = const(0x0F)

_12_HOURS = const(0x40)  # of Hours
_PM = const(0x20)
_CENTURY = const(0x80)  # of Month: changes when the years go from 99 to 00
OSF = const(0x80)  # of Status: the oscillator has stopped since it was taken away
_RUNS = const(0x1C)  # of Control. EOSC=0: on battery, too; INTCN=1, no alarms: INT pin stays high
_TRIES = const(3)
_YEARS = const(100)  # 2000 to 2099, then the part's calendar ends


class Ds3231:
    def __init__(self, i2c):
        self._i2c = i2c
        self._regs = bytearray(16)

    def start(self) -> None:
        """Let the oscillator run, on the battery too. BusError; ChipError when the setting is not kept.

        Written only when two reads say that it must be: a write that goes astray could hit the time."""
        for n in range(2 * _TRIES):
            self._read()
            if self._regs[_CONTROL] == _RUNS:
                return
            if n & 1:
                self._write(_CONTROL, (_RUNS,))
        self._read()
        if self._regs[_CONTROL] != _RUNS:
            raise ChipError(0, "clock: control register does not read back")

    def read(self) -> int:
        """UTC in seconds since 2000. ChipError "clock lost" after an oscillator stop or without a date."""
        self._read()
        regs = self._regs
        if regs[STATUS] & OSF:
            raise ChipError(0, "clock lost: its oscillator has stopped")
        hour = regs[_HOURS]
        if hour & _12_HOURS:
            hour = _number(hour & 0x1F, 1, 12) % 12 + (12 if hour & _PM else 0)
        else:
            hour = _number(hour, 0, 23)
        year = 2000 + _number(regs[_YEAR], 1, 99)  # 2000: a part that has lost its time
        month = _number(
            regs[_MONTH] & ~_CENTURY, 1, 12
        )  # other firmware may have left the bit set, and it says nothing
        day = _number(regs[_DATE], 1, calendar.month_days(year, month))
        minute = _number(regs[_MINUTES], 0, 59)
        return calendar.utc(year, month, day, hour, minute, _number(regs[_SECONDS], 0, 59))

    def set(self, utc_s: int) -> None:
        """Set the time, then vouch for it. ValueError outside 2001 to 2099; ChipError when it does not read back."""
        year, month, day, weekday, hour, minute, second = calendar.fields(utc_s)
        if not 0 < year - 2000 < _YEARS:
            raise ValueError("the clock keeps 2001 to 2099")
        fields = (second, minute, hour, weekday + 1, day, month, year - 2000)
        self._write(_SECONDS, [field // 10 << 4 | field % 10 for field in fields])
        # Last: a cut before this leaves the flag up and the time not believed.
        self._read()
        self._write(STATUS, (self._regs[STATUS] & ~OSF,))
        if not 0 <= self.read() - utc_s <= 1:
            raise ChipError(0, "clock: the time set does not read back")

    def _read(self):
        self._transfer(self._i2c.readfrom_mem_into, _SECONDS, self._regs)

    def _write(self, reg, values):
        self._transfer(self._i2c.writeto_mem, reg, bytes(values))

    def _transfer(self, call, reg, buf):
        try:
            call(ADDR, reg, buf)
        except OSError:
            raise BusError(0, "clock does not answer") from None


def _number(bcd, low, high):
    number = (bcd >> 4) * 10 + (bcd & 0x0F)
    if bcd & 0x0F > 9 or not low <= number <= high:
        raise ChipError(0, "clock lost: its registers hold no date")
    return number
