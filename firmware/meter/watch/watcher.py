# SPDX-License-Identifier: Apache-2.0
"""The watch: owns cover switch, magnet sensor and pulse counter, and puts together the quantities watch.py looks at.

Sensors: cover 1 = off, or it has been off since the latch was cleared, with or without power; magnet 1 = near. All is
looked at every five seconds.

Energy registers and the pulse output of the metering IC count the same energy on two ways; they are compared each
1.25 kWh: registers are a second older than pulses, which of less could be more than they may differ. What the
microcontroller missed while it restarted is in neither.
"""

import asyncio
from array import array

from micropython import const

from meter import heap
from meter.core import codes, watch

_ALIGN_MS = const(2000)  # by then the time is known, if it is
_EVERY_S = const(5)  # as the slow registers of the metering IC
_WINDOW = const(400_000)  # counts
_PULSE = const(100)
_SEQUENCE_BIT = const(0x0200)  # EMMState0, or what another driver makes of it


class Watcher:
    def __init__(self, books, cover_pin, clear_pin, magnet_pin, pulses):
        """clear_pin: 1 for a moment forgets that the cover was off. pulses: machine.Counter or None."""
        self.books = books
        self.cover = cover_pin
        self._clear = clear_pin
        self._magnet = magnet_pin
        self._pulses = pulses
        self._quantities = array("i", bytes(4 * watch.QUANTITIES))
        self._counts = -1  # at the last comparison; -1: there is none to compare with
        self._pulse = 0
        self.cfg = None
        self.watch: watch.Watch = None  # pyright: ignore[reportAttributeAccessIssue]
        self.now_s = _EVERY_S

    async def run(self, beat):
        quantities = self._quantities
        books = self.books
        await asyncio.sleep_ms(_ALIGN_MS)
        while True:
            beat()
            if books.cfg is not self.cfg:
                self._begin()
            quantities[watch.COVER + 8] = self.cover()
            quantities[watch.MAGNET + 8] = self._magnet()
            sample = books.sample
            self._look(sample)
            behind = watch.BLIND if sample is None else len(self.watch.rows) // watch.COLUMNS
            self.watch.step(quantities, self.now_s, _EVERY_S, behind, books.found)
            if quantities[watch.COVER + 8]:
                self.forget_cover()
            self.now_s += _EVERY_S
            await asyncio.sleep_ms(_EVERY_S * 1000)

    def _begin(self):
        """With these settings, from now on."""
        heap.borrow("watching")
        try:
            from meter.watch import begin

            self.watch = begin.begin(self)
            self.cfg = self.books.cfg
        finally:
            heap.give_back("watching")

    def forget_cover(self):
        self._clear(1)
        self._clear(0)

    def _look(self, sample):
        """The quantities of this second. sample None: those of the metering IC are not looked at."""
        books = self.books
        quantities = self._quantities
        s = books.s
        quantities[watch.CARDS + 8] = s.lock
        quantities[watch.OPEN_U + 8] = 1 if s.claims & codes.CLAIM_FAULT else 0
        if sample is None:
            self._counts = -1
            return
        quantities[watch.PULSES + 8] = self._compare(s.import_counts + s.export_counts, quantities[watch.PULSES + 8])
        va = self._look_at_phases(sample, books.cfg)
        w_all = sample.p_total_mw // 1000
        if books.cfg.three_wire:
            va = va * 866 // 1000  # the currents meet their voltages at 30 degrees
            quantities[watch.P * 3] = w_all  # one of the two powers may well be negative
            quantities[watch.P * 3 + 2] = 0
        quantities[watch.S + 8] = va
        quantities[watch.PF + 8] = abs(w_all) * 1000 // va if va else 1000
        quantities[watch.FREQUENCY + 8] = sample.freq_chz
        quantities[watch.SEQUENCE + 8] = 1 if sample.state0 & _SEQUENCE_BIT else 0
        quantities[watch.OPEN_W + 8] = 0 if books.wants_closed() else w_all  # a welded contact may pass it, too
        quantities[watch.NEUTRAL + 8] = 0
        if sample.neutral_ma >= 0:
            line_ma = sample.irms_ma[0]
            quantities[watch.NEUTRAL + 8] = max(0, abs(line_ma - sample.neutral_ma) - line_ma // 10) // 10

    def _look_at_phases(self, sample, cfg):
        """Each phase by itself, and how they differ. Return the apparent power of all in VA."""
        quantities = self._quantities
        va = 0
        u_low = i_low = 1 << 28
        u_high = i_high = 0
        for n in range(cfg.phases):
            if n == 1 and cfg.three_wire:
                continue
            u = sample.urms_mv[n] // 100
            i = sample.irms_ma[n] // 10
            others = 0
            for m in range(cfg.phases):
                if m != n and sample.irms_ma[m] // 10 > others:
                    others = sample.irms_ma[m] // 10
            quantities[n] = u
            quantities[3 + n] = i
            quantities[6 + n] = sample.p_mw[n] // 1000
            quantities[9 + n] = others if u >= cfg.u_input_v * 6 else 0
            va += u * i // 1000  # of the same second as P, which the part's own apparent power is not
            u_low = min(u_low, u)
            u_high = max(u_high, u)
            i_low = min(i_low, i)
            i_high = max(i_high, i)
        quantities[watch.U_SPREAD + 8] = (u_high - u_low) * 1000 // (u_high or 1)
        quantities[watch.I_SPREAD + 8] = (i_high - i_low) * 1000 // (i_high or 1)
        quantities[watch.I_HIGH + 8] = i_high
        return va

    def _compare(self, counts, before):
        """How far pulses and registers are apart, in 1/1000."""
        if self._pulses is None:
            return 0
        pulse = self._pulses.value()
        if self._counts < 0 or pulse < self._pulse:
            self._counts = counts
            self._pulse = pulse
        registers = counts - self._counts
        pulses = (pulse - self._pulse) * _PULSE
        most = max(registers, pulses)
        if most < _WINDOW:
            return before
        self._counts = counts
        self._pulse = pulse
        return abs(registers - pulses) * 1000 // most
