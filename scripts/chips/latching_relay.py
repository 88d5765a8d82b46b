# SPDX-License-Identifier: Apache-2.0
"""Bistable supply relay with two coils, and the voltage sense behind its contact.

Source: data sheets of 40-50 A latching relays (pulse 50 ms or more, at most 1 s; operate time 15 ms). The
contact keeps its position without power. Voltage is sensed by an optocoupler with one LED: high for most of every
second half wave, low in between. A pulse cut short lets the armature fall back. What would damage
or overheat a real one is written to `violations`.
"""

OPERATE_US = 15_000
PULSE_MIN_US = 50_000
PULSE_MAX_US = 1_000_000
REST_US = 200_000


class LatchingRelay:
    """Drive with open_coil() and close_coil(); the world sets mains, generator, welded and stuck_open."""

    def __init__(self, at, on_contact=None, on_sense=None, closed: bool = False):
        """at(t_us, fn) schedules; on_contact(closed, now_us) and on_sense(level) are told of changes."""
        self._at = at
        self._on_contact = on_contact
        self._on_sense = on_sense
        self.closed = closed
        self.welded = False  # contacts no longer part
        self.stuck_open = False  # contacts no longer meet
        self.operate_us = OPERATE_US
        self.period_us = 20_000  # of the mains
        self.sense_lag_us = 0  # how long after the contact the sense line moves
        self._mains = True
        self._generator = False
        self.violations: list[str] = []
        self.pulses: list[tuple[str, int, int]] = []  # coil, start, length
        self._level = {"open": 0, "close": 0}
        self._since = {"open": 0, "close": 0}
        self._ended_us: int | None = None
        self._was = closed  # before the running pulse
        self._pulse_id = 0
        self._sense = self.sense_level

    # --- pins ---

    def open_coil(self, level: int, now_us: int) -> None:
        self._coil("open", level, now_us)

    def close_coil(self, level: int, now_us: int) -> None:
        self._coil("close", level, now_us)

    def sense(self, now_us: int) -> int:
        """The sense line: 1 while the LED is lit, which takes a tenth of the peak."""
        phase_milli = now_us % self.period_us * 1000 // self.period_us
        return 1 if self._sense and 16 <= phase_milli < 484 else 0

    @property
    def sense_level(self) -> int:
        """1 while the load side has voltage: mains through the contact, or somebody's generator."""
        return 1 if (self.closed and self._mains) or self._generator else 0

    # --- the world ---

    @property
    def mains(self) -> bool:
        return self._mains

    @mains.setter
    def mains(self, present: bool) -> None:
        self._mains = present
        self._tell_sense()

    @property
    def generator(self) -> bool:
        return self._generator

    @generator.setter
    def generator(self, running: bool) -> None:
        self._generator = running
        self._tell_sense()

    def power_on(self, now_us: int) -> None:
        """Nothing to do: the contact is where it was."""

    def power_off(self, now_us: int) -> None:
        for coil in ("open", "close"):
            self._coil(coil, 0, now_us)

    # --- mechanics ---

    def _coil(self, coil, level, now_us):
        level = 1 if level else 0
        if level == self._level[coil]:
            return
        self._level[coil] = level
        if level:
            self._pulse_id += 1
            if self._level["open"] and self._level["close"]:
                self.violations.append(f"both coils on at {now_us} us")
                return
            if self._ended_us is not None and now_us - self._ended_us < REST_US:
                self.violations.append(f"only {(now_us - self._ended_us) // 1000} ms of rest at {now_us} us")
            self._since[coil] = now_us
            self._was = self.closed
            pulse = self._pulse_id
            self._at(now_us + self.operate_us, lambda t: self._operate(coil, pulse, t))
            self._at(now_us + PULSE_MAX_US, lambda t: self._too_long(coil, pulse))
            return
        length_us = now_us - self._since[coil]
        self._ended_us = now_us
        self.pulses.append((coil, self._since[coil], length_us))
        if length_us < PULSE_MIN_US:
            self.violations.append(f"{coil} pulse of {length_us} us at {now_us} us")
            self._move(self._was, now_us)

    def _operate(self, coil, pulse, now_us):
        if pulse == self._pulse_id and self._level[coil]:
            self._move(coil == "close", now_us)

    def _too_long(self, coil, pulse):
        if pulse == self._pulse_id and self._level[coil]:
            self.violations.append(f"{coil} coil on for more than 1 s")

    def _move(self, to_closed, now_us):
        if to_closed == self.closed or (self.stuck_open if to_closed else self.welded):
            return
        self.closed = to_closed
        if self._on_contact is not None:
            self._on_contact(to_closed, now_us)
        if self.sense_lag_us:
            self._at(now_us + self.sense_lag_us, lambda _: self._tell_sense())
        else:
            self._tell_sense()

    def _tell_sense(self):
        level = self.sense_level
        if level != self._sense:
            self._sense = level
            if self._on_sense is not None:
                self._on_sense(level)
