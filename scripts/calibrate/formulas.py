# SPDX-License-Identifier: Apache-2.0
"""What a register of the ATM90E32AS has to hold, from what it shows and what it should show.

Source: Atmel-46103A (application note), 4.2 to 4.4; Atmel-46003B (datasheet), 3.9. Integers in, words out. Numbers
are 32-bit readings (high word << 16 | low word) where a name ends in _word32, else in any unit, alike on both sides.
Raises RangeError when the register cannot hold it: then it is the front end that must be put right.
"""

from .errors import RangeError

UNITY = 0x8000
PHI_50_HZ, PHI_60_HZ = 3_763_739, 3_136_449  # 1/1000 count per whole error at PF 0.5
_PHI_MAX = 0xFF


def rounded(n: int, d: int) -> int:
    """n / d to the nearest whole number, halves away from zero."""
    if d < 0:
        n, d = -n, -d
    return (2 * n + d) // (2 * d) if n >= 0 else -((-2 * n + d) // (2 * d))


def signed(word: int, bits: int = 16) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


def _two_s(value: int, what: str) -> int:
    if not -0x8000 <= value <= 0x7FFF:
        raise RangeError(
            f"The {what} would have to be {value}, and its register ends at 32767."
            " Look for noise, crosstalk or a wrong front end."
        )
    return value & 0xFFFF


def rms_gain(old: int, shown: int, reference: int, step: int = 1) -> int:
    """Ugain, Igain: old * reference / shown. step 2: an even word, of which the driver can take the half exactly."""
    if shown <= 0 or reference <= 0:
        raise RangeError("Voltage or current is zero where a gain is to be found. Switch the test bench on.")
    new = rounded(old * reference, shown * step) * step
    if not 0 < new <= 0xFFFF:
        raise RangeError(
            f"The gain would have to be {new / UNITY:.3f} of the default; a register ends at 2."
            " Check divider, burden and PGA, and that the reference was typed in the right unit."
        )
    return new


def rms_offset(shown_word32: int, old: int = 0) -> int:
    """Uoffset, Ioffset, from a reading with nothing connected: its 25 upper bits, taken away. 1/512 of a count."""
    return _two_s(signed(old) - (shown_word32 >> 7), "offset")


def power_offset(shown_word32: int, old: int = 0) -> int:
    """Poffset, Qoffset, from a signed 32-bit power without load: taken away."""
    return _two_s(signed(old) - signed(shown_word32, 32), "power offset")


def pq_gain(shown: int, reference: int, old: int = 0) -> int:
    """PQgain: -e / (1 + e), Q15, of the error e of the power at PF 1. old: what the reading was taken with."""
    if shown <= 0 or reference <= 0:
        raise RangeError(
            "Active power is zero or negative where its gain is to be found."
            " Check that the current transformer of this phase is not turned round."
        )
    return _two_s(rounded((UNITY + signed(old)) * reference, shown) - UNITY, "power gain")


def phi_counts(word: int) -> int:
    """A Phi register as counts the current is delayed by; negative: the voltage is."""
    return -(word & _PHI_MAX) if word & 0x8000 else word & _PHI_MAX


def phi(shown: int, reference: int, old: int = 0, hz: int = 50) -> int:
    """Phi, from the active power at PF 0.5 lagging: sign and count, not two's complement."""
    if reference <= 0:
        raise RangeError("The reference shows no active power at PF 0.5. Check the test bench.")
    factor = PHI_60_HZ if hz == 60 else PHI_50_HZ
    counts = phi_counts(old) + rounded((shown - reference) * factor, reference * 1000)
    if abs(counts) > _PHI_MAX:
        raise RangeError(
            f"A delay of {counts} counts would be needed, and the register ends at 255 (2.2 degrees at 50 Hz)."
            " Check that this current transformer is on the conductor of this phase."
        )
    return 0x8000 | -counts if counts < 0 else counts
