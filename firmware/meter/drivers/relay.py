# SPDX-License-Identifier: Apache-2.0
"""Bistable supply relay: two coils, one contact, and a voltage sense on the load side.

Source: data sheets of 40-50 A latching relays (Picker PC10, Hongfa HFE20, Locwill): pulse 50 ms or more,
never above 1 s, operate time at most 20 ms. Invariants: never both coils, no coil left on however a pulse
ends, 200 ms of rest between pulses. When to switch, to sense and to try again is decided elsewhere.
"""

import asyncio
import time

from micropython import const

_REST_MS = const(201)  # 200 are needed; a tick count may have lost nearly one


class Relay:
    def __init__(self, open_pin, close_pin, sense_pin, pulse_ms: int = 60):
        """Pins: machine.Pin. sense_pin reads 1 while the load side has voltage."""
        from meter.core import limits

        if not limits.PULSE_MIN_MS <= pulse_ms <= limits.PULSE_MAX_MS:
            raise ValueError("relay pulse must be 50 to 500 ms")
        open_pin(0)
        close_pin(0)
        self._open_pin = open_pin
        self._close_pin = close_pin
        self._sense = sense_pin
        self._pulse_ms = pulse_ms
        self._busy = False
        # A reset may have ended a pulse a moment ago.
        self._ended_ms = time.ticks_ms()

    async def open(self) -> None:
        """One pulse to disconnect the load."""
        await self._pulse(self._open_pin)

    async def close(self) -> None:
        """One pulse to connect the load."""
        await self._pulse(self._close_pin)

    async def _pulse(self, coil):
        while self._busy:
            await asyncio.sleep_ms(_REST_MS)
        self._busy = True
        try:
            rest_ms = _REST_MS - time.ticks_diff(time.ticks_ms(), self._ended_ms)
            # After six days without a pulse the difference wraps to a negative age: no rest is owed then.
            if 0 < rest_ms <= _REST_MS:
                await asyncio.sleep_ms(rest_ms)
            try:
                coil(1)
                await asyncio.sleep_ms(self._pulse_ms)
            finally:
                coil(0)
                self._ended_ms = time.ticks_ms()
        finally:
            self._busy = False

    def sensed(self) -> int:
        """1 with voltage on the load side (contact closed), 0 without: majority of three samples.

        Wait 20 ms beyond the operate time after a pulse before asking.
        """
        sense = self._sense
        first = sense()
        # Two equal samples are a majority already.
        return first if sense() == first else sense()
