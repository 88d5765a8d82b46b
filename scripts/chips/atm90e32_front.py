# SPDX-License-Identifier: Apache-2.0
"""What stands between the terminals and an ATM90E32AS: divider and current transformer of one phase, with their errors.

Ideal as made: everything passes unchanged, as integers. With an error, values are Fractions: a register's fraction
of a volt or an ampere counts where offsets are calibrated. Units: mV, mA, mW, mvar.
"""

from fractions import Fraction
from math import cos, pi, sin

_PPM = 1_000_000
_UDEG = 180_000_000
_ONE = 1 << 40
_PHI_HZ = 2_048_000  # a count of a Phi register is one cycle of this


def turned(p, q, radians: float):
    """(P, Q) when the current lags its voltage by so much more."""
    if not radians:
        return p, q
    c, s = round(cos(radians) * _ONE), round(sin(radians) * _ONE)
    return Fraction(p * c - q * s, _ONE), Fraction(q * c + p * s, _ONE)


def phi_radians(word: int, freq_chz: int) -> float:
    """The lag a Phi register (48H, 4AH, 4CH) adds to the current: bit 15 delays the voltage instead, DS 5.3."""
    lag = 2 * pi * (freq_chz / 100) * (word & 0xFF) / _PHI_HZ
    return -lag if word & 0x8000 else lag


class FrontEnd:
    """One phase. Errors of gain in ppm, offsets as they add to what is measured, lead: the current comes early."""

    def __init__(self):
        self.ideal = True
        self._u_ppm = self._i_ppm = self._lead_udeg = 0
        self._u_offset_uv = self._i_offset_ua = self._p_offset_uw = self._q_offset_uvar = 0

    def err(
        self,
        *,
        u_ppm: int = 0,
        i_ppm: int = 0,
        lead_udeg: int = 0,
        u_offset_uv: int = 0,
        i_offset_ua: int = 0,
        p_offset_uw: int = 0,
        q_offset_uvar: int = 0,
    ) -> None:
        """From now on wrong by so much; what is not named, not at all. Takes effect with the next change of inputs."""
        self._u_ppm, self._i_ppm, self._lead_udeg = u_ppm, i_ppm, lead_udeg
        self._u_offset_uv, self._i_offset_ua = u_offset_uv, i_offset_ua
        self._p_offset_uw, self._q_offset_uvar = p_offset_uw, q_offset_uvar
        self.ideal = not any((u_ppm, i_ppm, lead_udeg, u_offset_uv, i_offset_ua, p_offset_uw, q_offset_uvar))

    def seen_ui(self, u: int, i: int):
        """Voltage and current as the part meets them."""
        if self.ideal:
            return u, i
        u = Fraction(u * (_PPM + self._u_ppm), _PPM) + Fraction(self._u_offset_uv, 1000)
        return u, Fraction(i * (_PPM + self._i_ppm), _PPM) + Fraction(self._i_offset_ua, 1000)

    def seen_pq(self, p: int, q: int):
        """Active and reactive power as they reach it. An offset is crosstalk: there without any load."""
        if self.ideal:
            return p, q
        p, q = turned(p, q, -self._lead_udeg * pi / _UDEG)
        gain = Fraction((_PPM + self._u_ppm) * (_PPM + self._i_ppm), _PPM * _PPM)
        return p * gain + Fraction(self._p_offset_uw, 1000), q * gain + Fraction(self._q_offset_uvar, 1000)
