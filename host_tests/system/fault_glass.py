# SPDX-License-Identifier: Apache-2.0
"""A second display that sees every transfer as it was sent, whatever happens to it on the way to the first."""

from scripts.chips.pcf8574_hd44780 import Hd44780Backpack


class Glass:
    """Sits on the bus of a plant's display from now on. Public: chip."""

    def __init__(self, plant):
        self.chip = Hd44780Backpack(plant.lcd.addr)
        self._power = plant.lcd.power_on, plant.lcd.power_off
        plant.lcd.power_on, plant.lcd.power_off = self._power_on, self._power_off
        self._bus = plant.buses[0]
        self._transfer = self._bus.transfer
        self._bus.transfer = self._see

    def _power_on(self, now_us):
        self._power[0](now_us)
        self.chip.power_on(now_us)

    def _power_off(self, now_us):
        self._power[1](now_us)
        self.chip.power_off(now_us)

    def _see(self, addr, out, read_n):
        if addr == self.chip.addr and out:
            self.chip.i2c_write(out, self._bus.clock.now_us, self._bus.byte_us)
        return self._transfer(addr, out, read_n)

    def right(self, plant) -> bool:
        """Does the first display show the same?"""
        first, sent = plant.lcd, self.chip
        return (first.cells(), first.cgram, first.backlight) == (sent.cells(), sent.cgram, sent.backlight)
