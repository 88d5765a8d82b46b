# SPDX-License-Identifier: Apache-2.0
"""The house behind the meter and the mains before it: what voltage there is, what current flows.

Powers are what the load would draw; they flow only while the relay's contact is closed. Units: mV, mA, mW, mvar.
"""

from math import isqrt


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

    def contact(self, closed: bool, now_us: int) -> None:
        """The relay has moved."""
        self.log_contact.append((now_us, closed))
        self.refresh()

    def set_load(self, phase: int, p_mw: int, q_mvar: int = 0, i_ma: int | None = None) -> None:
        self.p_mw[phase], self.q_mvar[phase], self.i_ma[phase] = p_mw, q_mvar, i_ma
        self.refresh()

    def set_voltage(self, phase: int, u_mv: int) -> None:
        self.u_mv[phase] = u_mv
        self.refresh()

    def refresh(self) -> None:
        """Tell the metering IC what its inputs see now, and the relay whether there is mains to pass on."""
        closed = self.relay.closed
        now_us = self.clock.now_us
        for n in range(3):
            u = self.u_mv[n]
            flows = closed and u > 0
            p = self.p_mw[n] if flows else 0
            q = self.q_mvar[n] if flows else 0
            i = self.i_ma[n] if flows else 0
            if i is None:
                i = isqrt(p * p + q * q) * 1000 // u
            self.meter_ic.set_phase(n, u, i, p, q, now_us)
        self.relay.mains = self.u_mv[0] > 50_000

    def power_w(self) -> int:
        """What flows through the meter now."""
        return sum(self.p_mw) // 1000 if self.relay.closed else 0
