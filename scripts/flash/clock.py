# SPDX-License-Identifier: Apache-2.0
"""The time of this computer, in UTC, into a board's own clock and its DS3231 if it answers.

mpremote's own command would set the local time. The board's counter of milliseconds, asked first, bridges the time the
programs between need: the clock is set on a whole second, and is fast by what mpremote needs to end, some 0.1 s. The
DS3231 as its driver sets it (firmware/meter/drivers/ds3231.py; Maxim DS3231 data sheet, registers 00H to 0FH): let it
run on its battery, the time, then the oscillator-stop flag taken down, and all of it read back. Raises DeviceError.
"""

import time
from datetime import UTC, datetime, timedelta

from scripts.board.device import Device
from scripts.board.errors import DeviceError
from scripts.image.boards import Board

_SECONDS = 15  # ahead, in which the programs between must come to it
_ASK = "import time\nprint(time.ticks_ms())"
_SET = """
import machine, time
def _set(t0, ms, rows):
    ms += time.ticks_diff(time.ticks_ms(), t0)
    n = ms // 1000 + 1
    if n >= len(rows):
        print("late")
        return
    time.sleep_ms(n * 1000 - ms)
    y, mo, d, wd, h, mi, s = rows[n]
    machine.RTC().datetime((y, mo, d, wd, h, mi, s, 0))
    def bcd(v):
        return v // 10 << 4 | v % 10
    chip = "none"
    try:
        pin = machine.Pin
        if {soft}:
            bus = machine.SoftI2C(scl=pin({scl}), sda=pin({sda}), freq={freq})
        else:
            bus = machine.I2C({bus}, scl=pin({scl}), sda=pin({sda}), freq={freq})
        bus.writeto_mem(0x68, 0x0e, b"\\x1c")
        chip = "fault"
        bus.writeto_mem(0x68, 0, bytes([bcd(v) for v in (s, mi, h, wd + 1, d, mo, y - 2000)]))
        status = bus.readfrom_mem(0x68, 0x0f, 1)[0]
        bus.writeto_mem(0x68, 0x0f, bytes([status & 0x7f]))
        now = bus.readfrom_mem(0x68, 0, 16)
        if now[0x0e] == 0x1c and not now[0x0f] & 0x80 and now[1:7] == bytes(
            [bcd(v) for v in (mi, h, wd + 1, d, mo, y - 2000)]
        ) and 0 <= (now[0] >> 4) * 10 + (now[0] & 15) - s <= 1:
            chip = "ok"
    except OSError:
        pass
    print(chip, *machine.RTC().datetime()[:7])
_set({t0}, {ms}, {rows})
"""


def set_clock(device: Device, board: Board) -> tuple[str, str]:
    """(UTC as set, DS3231: "ok", "none" (does not answer) or "fault" (does not keep the time))."""
    t0 = int(device.run(_ASK))
    now = datetime.fromtimestamp(time.time(), UTC)
    base = now.replace(microsecond=0)
    rows = []
    for n in range(_SECONDS):
        t = base + timedelta(seconds=n)
        rows.append((t.year, t.month, t.day, t.weekday(), t.hour, t.minute, t.second))
    pins = board.pins
    said = device.run(
        _SET.format(
            soft=pins.get("SOFT_I2C", 0) & 1, bus=pins["I2C_ID"], scl=pins["I2C_SCL"], sda=pins["I2C_SDA"],
            freq=pins["I2C_FREQ"], t0=t0, ms=now.microsecond // 1000, rows=rows,
        )
    ).split()  # fmt: skip
    if len(said) < 8:
        raise DeviceError("The board took too long to set its clock. Press its reset button, and start again.")
    y, mo, d, _, h, mi, s = map(int, said[1:8])
    return f"{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z", said[0]
