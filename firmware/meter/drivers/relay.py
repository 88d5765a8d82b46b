# SPDX-License-Identifier: Apache-2.0
"""Bistable supply relay: two coils, one contact, and a voltage sense on the load side.

Source: data sheets of 40-50 A latching relays (Picker PC10, Hongfa HFE20, Locwill): pulse 50 ms or more,
never above 1 s, operate time at most 20 ms. A hardware timer ends the pulse, whatever holds the loop: its callback
runs between two bytecodes of any task, so it is late by one call into C at most (a flash block erased: 45 ms).
Invariants: never both coils, no coil left on however a pulse ends (the loop ends it, too, should the callback be
lost: the port's queue holds eight), 200 ms of rest between pulses. When to switch, to sense and to try again is
decided elsewhere.
"""

import asyncio
import time

from micropython import const

_REST_MS = const(201)  # 200 are needed; a tick count may have lost nearly one
_SPARE_MS = const(2)  # after which the loop need not wait for the timer
# An optocoupler passes one half wave of two: 10 ms without are no proof at 50 Hz, a whole period of 20 ms is.
_LOOKS = const(13)  # 24 ms
_LOOK_MS = const(2)
_GAP_MS = const(3)
_MOST = const(100)
_HIGH = const(2)  # looks that found voltage; a single one may be a disturbance


class Relay:
    def __init__(self, open_pin, close_pin, sense_pin, timer, pulse_ms: int = 60):
        """Pins: machine.Pin. sense_pin reads 1 in half waves of the load side's voltage. timer: machine.Timer, a
        hardware one, for nothing else. ValueError for a pulse the relay cannot use or stand."""
        from meter.core import limits

        if not limits.PULSE_MIN_MS <= pulse_ms <= limits.PULSE_MAX_MS:
            raise ValueError("relay pulse must be 50 to 500 ms")
        open_pin(0)
        close_pin(0)
        self._open_pin = open_pin
        self._close_pin = close_pin
        self._sense = sense_pin
        self._timer = timer
        self._pulse_ms = pulse_ms
        self._busy = False
        self._on = False
        self._off = self._end  # bound once: the callback allocates nothing
        # A reset may have ended a pulse a moment ago.
        self._ended_ms = time.ticks_ms()
        self.late_ms = 0  # by how much the last pulse was longer than it should be

    async def move(self, closed: int) -> None:
        """One pulse: to connect the load, or (0) to disconnect it."""
        coil = self._close_pin if closed else self._open_pin
        while self._busy:
            await asyncio.sleep_ms(_REST_MS)
        self._busy = True
        try:
            rest_ms = _REST_MS - time.ticks_diff(time.ticks_ms(), self._ended_ms)
            # After six days without a pulse the difference wraps to a negative age: no rest is owed then.
            if 0 < rest_ms <= _REST_MS:
                await asyncio.sleep_ms(rest_ms)
            try:
                began_ms = time.ticks_ms()
                self._on = True
                coil(1)
                self._timer.init(mode=self._timer.ONE_SHOT, period=self._pulse_ms, callback=self._off)
                await asyncio.sleep_ms(self._pulse_ms + _SPARE_MS)
            finally:
                self._off(None)
            self.late_ms = time.ticks_diff(self._ended_ms, began_ms) - self._pulse_ms
        finally:
            self._busy = False

    def _end(self, _timer):
        self._open_pin(0)
        self._close_pin(0)
        if self._on:
            self._on = False
            self._ended_ms = time.ticks_ms()

    async def sensed(self) -> int:
        """1 with voltage on the load side (contact closed), at the second look that finds it; 0 after a whole period of
        the mains without. A look that comes late, when the loop was held, begins the period again: between two that are
        further apart a half wave may lie unseen.

        Wait 20 ms beyond the operate time after a pulse before asking.
        """
        high = looks = 0
        now_ms = time.ticks_ms()
        for _ in range(_MOST):
            was_ms, now_ms = now_ms, time.ticks_ms()
            looks = looks + 1 if time.ticks_diff(now_ms, was_ms) <= _GAP_MS else 1
            high += self._sense()
            if high == _HIGH:
                return 1
            if looks == _LOOKS:
                return 0
            await asyncio.sleep_ms(_LOOK_MS)
        return high  # never a quiet period: one look is believed
