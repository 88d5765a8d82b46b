# SPDX-License-Identifier: Apache-2.0
"""The house behind the meter and the mains before it: what voltage there is, what current flows, and who tampers.

Powers are what the load would draw; they flow only while the relay's contact is closed, or bridged. What the metering
IC sees of it depends on how it is wired: a current transformer may sit the wrong way round, or a piece of wire beside
it; the lead that brings a phase's voltage may be off. Units: mV, mA, mW, mvar.
"""

from math import isqrt

_MAINS_MV = 50_000  # from here on the load side counts as live


class House:
    def __init__(self, clock, meter_ic, relay):
        self.clock = clock
        self.meter_ic = meter_ic
        self.relay = relay
        self.u_mv = [230_000, 0, 0]
        self.p_mw = [0, 0, 0]
        self.q_mvar = [0, 0, 0]
        self.i_ma = [None, None, None]  # None: follows from P, Q and U
        self.log_contact = []  # (now_us, closed)
        self._seen_milli = [1000, 1000, 1000]
        self._turned = [False, False, False]
        self._lead_off = [False, False, False]
        self._bridged = self._generates = False
        self._by_earth_milli = 0
        self._neutral_ma = None
        self._set_neutral = getattr(meter_ic, "set_neutral", None)

    def contact(self, closed: bool, now_us: int) -> None:
        """The relay has moved."""
        self.log_contact.append((now_us, closed))
        self.refresh()

    # -- load and mains ---------------------------------------------------------------------------

    def set_load(self, phase: int, p_mw: int, q_mvar: int = 0, i_ma: int | None = None) -> None:
        self.p_mw[phase], self.q_mvar[phase], self.i_ma[phase] = p_mw, q_mvar, i_ma
        self.refresh()

    def set_voltage(self, phase: int, u_mv: int) -> None:
        self.u_mv[phase] = u_mv
        self.refresh()

    def set_frequency(self, freq_chz: int) -> None:
        """Set the frequency of the mains, in 0.01 Hz."""
        self.meter_ic.set_freq(freq_chz, self.clock.now_us)
        self.relay.period_us = 100_000_000 // freq_chz

    # -- wiring and tampering ---------------------------------------------------------------------

    def swap_phases(self, swapped: bool) -> None:
        """B and C have changed places: the phases turn the other way."""
        self.meter_ic.set_turn(*((2400, 1200) if swapped else (1200, 2400)), self.clock.now_us)

    def reverse_ct(self, phase: int, turned: bool = True) -> None:
        """The current transformer of a phase sits the wrong way round."""
        self._turned[phase] = turned
        self.refresh()

    def bypass(self, phase: int, share_milli: int) -> None:
        """Lead a share of a phase's current around its sensor, in 1/1000. The neutral's sensor has all of it."""
        self._seen_milli[phase] = 1000 - share_milli
        self.refresh()

    def cut_voltage_lead(self, phase: int, off: bool = True) -> None:
        """The meter no longer sees a phase's voltage; the house still has it. The bench's meter stays powered."""
        self._lead_off[phase] = off
        self.refresh()

    def bridge(self, bridged: bool) -> None:
        """A wire from one side of the relay's contact to the other, behind the current sensor."""
        self._bridged = bridged
        self._feed_load_side()

    def generator(self, running: bool) -> None:
        """Somebody feeds the load side."""
        self._generates = running
        self._feed_load_side()

    def return_by_earth(self, share_milli: int) -> None:
        """Lead a share of the current back by earth and not by the neutral, in 1/1000."""
        self._by_earth_milli = share_milli
        self.refresh()

    def _feed_load_side(self):
        self.relay.generator = self._generates or (self._bridged and self.u_mv[0] > _MAINS_MV)
        self.refresh()

    # -- what follows -----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Tell the metering IC what its inputs see now, and the relay whether there is mains to pass on."""
        closed = self.relay.closed or self._bridged
        now_us = self.clock.now_us
        drawn_ma = 0  # by the line, A
        for n in range(3):
            u = self.u_mv[n]
            flows = closed and u > 0
            p = self.p_mw[n] if flows else 0
            q = self.q_mvar[n] if flows else 0
            i = self.i_ma[n] if flows else 0
            if i is None:
                i = isqrt(p * p + q * q) * 1000 // u
            if n == 0:
                drawn_ma = i
            seen = -self._seen_milli[n] if self._turned[n] else self._seen_milli[n]
            if seen != 1000:
                p, q, i = p * seen // 1000, q * seen // 1000, i * abs(seen) // 1000
            if self._lead_off[n]:
                u = p = q = 0
            self.meter_ic.set_phase(n, u, i, p, q, now_us)
        self._return(drawn_ma, now_us)
        self.relay.mains = self.u_mv[0] > _MAINS_MV

    def _return(self, drawn_ma, now_us):
        # By the neutral, which only some parts measure; as much as the line has unless somebody tampers.
        tampered = self._by_earth_milli or self._seen_milli[0] != 1000
        neutral_ma = drawn_ma * (1000 - self._by_earth_milli) // 1000 if tampered else None
        if self._set_neutral and neutral_ma != self._neutral_ma:
            self._neutral_ma = neutral_ma
            self._set_neutral(neutral_ma, now_us)

    def power_w(self) -> int:
        """What the house draws now, by way of the meter."""
        return sum(self.p_mw) // 1000 if self.relay.closed or self._bridged else 0
