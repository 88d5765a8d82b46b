# SPDX-License-Identifier: Apache-2.0
"""ATM90E26: the initialisation table, its checksums, and what of it a calibration may set. Loaded at the part's start.

Source: Atmel-46002B (M90E26 datasheet, 2014), section 5; constants from Atmel-46102.

A setup is any object with `pulse_constant` (pulses per kWh). Optional attributes:
    current_scale   1: 1 mA per count of Irms, up to 65.5 A. 2: 2 mA, up to 131 A; power in steps of 2 W
    u_nominal_v     230; sag at 78 % of it
    start_mw        4_000; below it counting does not begin, and below half of it it ends
    calibration     ((address, value), ...) of CALIBRATED, taken at current_scale 1; any other is left out
Uncalibrated, the sensors are taken for those of the datasheet's example: PL_constant 0015D174H is 3200 pulses per kWh.
"""

from micropython import const

from meter.drivers.atm90e26 import regs as r
from meter.drivers.metering_ic.checked_write import within

NAME = "atm90e26"  # in a calibration document
# First and last of what it may set. Not PL_constant, mode, thresholds.
CALIBRATED = bytes((r.L_GAIN, r.N_PHI, r.U_GAIN, r.Q_OFFSET_N))
# Of them: gains of voltage and currents, and those of the power of either line
GAINS = bytes((r.U_GAIN, r.I_GAIN_L, r.I_GAIN_N))
TRIMS = bytes((r.L_GAIN, r.N_GAIN))

_REPORTS = const(0x002C)  # of FuncEn: sag, and both directions
_L_GAIN_24 = const(0x9422)  # of MMode
_UGAIN = const(0x6720)  # power-on defaults
_IGAIN_L = const(0x7A13)
_IGAIN_N = const(0x7530)


def init_table(setup):
    """Yield (stage, register, value) in the order to write: all that can be configured, but the sums."""
    scale = getattr(setup, "current_scale", 1)
    calibration = getattr(setup, "calibration", ())
    for stage, register, value in _uncalibrated(setup, calibration):
        if within(CALIBRATED, register):
            for calibrated, its in calibration:
                if calibrated == register:
                    value = its
        if register == r.I_GAIN_L or register == r.I_GAIN_N:
            value //= scale
        yield stage, register, value


def _uncalibrated(setup, calibration):
    pl = 0x15D174 * 3200 // setup.pulse_constant
    # Atmel-46102: 93.2067556 * GL * VL * VU is Un * Ib, of the example, 1.966953 mW per count.
    start = max(2, getattr(setup, "start_mw", 4000) * 1000 // 1967)
    u_gain = _UGAIN
    for calibrated, value in calibration:
        if calibrated == r.U_GAIN:
            u_gain = value
    yield "function", r.FUNC_EN, _REPORTS
    # In peak values before the gain stage: 100 * Vrms * sqrt(2) * 0.78 / (4 * Ugain / 32768).
    yield "function", r.SAG_TH, getattr(setup, "u_nominal_v", 230) * 903_649 // u_gain
    yield "function", r.SMALL_P_MOD, 0
    yield "metering", r.PL_CONST_H, pl >> 16
    yield "metering", r.PL_CONST_L, pl & 0xFFFF
    for register in range(r.L_GAIN, r.N_PHI + 1):
        yield "metering", register, 0
    yield "metering", r.P_START_TH, start
    yield "metering", r.P_NOL_TH, start >> 1
    yield "metering", r.Q_START_TH, start
    yield "metering", r.Q_NOL_TH, start >> 1
    yield "metering", r.M_MODE, _L_GAIN_24
    yield "measurement", r.U_GAIN, u_gain
    yield "measurement", r.I_GAIN_L, _IGAIN_L
    yield "measurement", r.I_GAIN_N, _IGAIN_N
    for register in range(r.U_OFFSET, r.Q_OFFSET_N + 1):
        yield "measurement", register, 0


def checksum(setup, first: int, last: int) -> int:
    """Of the registers from first to last, for CS1 or CS2: exclusive or of all bytes, and their sum."""
    total = mixed = 0
    for _, register, value in init_table(setup):
        if first <= register <= last:
            total += (value >> 8) + (value & 0xFF)
            mixed ^= value >> 8 ^ value & 0xFF
    return mixed << 8 | total & 0xFF
