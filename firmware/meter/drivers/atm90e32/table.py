# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS: the initialisation table, and what of it a calibration may set. Loaded at the part's start.

Source: Atmel-46003B (M90E32AS datasheet, 2015), section 5; pulse constant from 3.5.1 and Atmel-46103A 4.2.
The table names every configuration register but the low-power detector's (10H-13H), so a read-back of the
table is a read-back of the configuration. It leaves metering off until its last row: nothing is counted
under a configuration that is not complete.

A setup is any object with `phases` (1 or 3) and `pulse_constant` (pulses per kWh). Optional attributes:
    current_scale   1: 1 mA per count of Irms, up to 65.5 A. 2: 2 mA, up to 131 A, half the power resolution
    three_wire      True: three phases without neutral; voltages A-B on A, C-B on C, B is unused and reads 0
    absolute        True: the total counts |P| of each phase, so a reversed CT bills; False: the signed sum
    u_nominal_v     230, phase to neutral also with three_wire; sag 78 %, phase loss 10 %, over-voltage 120 % follow
    hz              50 or 60
    i_max_ma        60_000; over-current limit
    start_mw        1_000; below it nothing is counted; a single phase drops out below a tenth of it
    calibration     ((address, value), ...) of CALIBRATED, Igain taken at current_scale 1; any other is left out
"""

from micropython import const

from meter.drivers.atm90e32 import regs as r
from meter.drivers.metering_ic.checked_write import within

NAME = "atm90e32"  # in a calibration document
# First and last of what it may set. Not F0 (that of the mains), PL_constant, mode with the PGA, thresholds.
CALIBRATED = bytes((
    r.ID_COFFSET_A, r.PHI_FREQ_COMP,
    r.LOG_IRMS_0, r.LOG_IRMS_1,
    r.T_0, r.GAIN_C_IRMS_2,
    r.P_OFFSET_A, r.PHI_C,
    r.P_OFFSET_A_F, r.P_GAIN_C_F,
    r.U_GAIN_A, r.I_OFFSET_C,
))  # fmt: skip
# Of them: gains of voltage and current, and those of power and of its fundamental
GAINS = bytes((r.U_GAIN_A, r.I_GAIN_A, r.U_GAIN_B, r.I_GAIN_B, r.U_GAIN_C, r.I_GAIN_C))
TRIMS = bytes((r.PQ_GAIN_A, r.PQ_GAIN_B, r.PQ_GAIN_C, r.P_GAIN_A_F, r.P_GAIN_B_F, r.P_GAIN_C_F))

_MMODE0_3P4W = const(0x0080)  # 50 Hz, reactive on CF2
_MMODE0_3P3W = const(0x0185)
_MMODE0_ABS_P = const(0x0008)
_MMODE0_60_HZ = const(0x1000)
_UNITY = const(0x8000)  # of Ugain and Igain


def start_threshold(setup) -> int:
    """The value of PStartTh under this setup, 0.32 mW per count: never the power-on default."""
    return max(1, getattr(setup, "start_mw", 1000) * 25 // 8 // getattr(setup, "current_scale", 1))


def init_table(setup):
    """Yield (stage, register, value) in the order to write."""
    scale = getattr(setup, "current_scale", 1)
    calibration = getattr(setup, "calibration", ())
    for stage, register, value in _uncalibrated(setup):
        if within(CALIBRATED, register):
            for calibrated, its in calibration:
                if calibrated == register:
                    value = its
        if scale == 2 and register in (r.I_GAIN_A, r.I_GAIN_B, r.I_GAIN_C):
            value //= 2
        yield stage, register, value


def _uncalibrated(setup):
    yield "channel map", r.CHANNEL_MAP_I, 0x0210
    yield "channel map", r.CHANNEL_MAP_U, 0x0654
    yield from _limits(setup)
    yield from _zeros("compensation", r.ID_COFFSET_A, r.PHI_FREQ_COMP)
    yield from _zeros("compensation", r.LOG_IRMS_0, r.LOG_IRMS_1)
    yield "compensation", r.F_0, _hz(setup) * 100
    yield "compensation", r.T_0, 25
    yield from _zeros("compensation", r.PHI_A_IRMS_01, r.GAIN_C_IRMS_2)
    yield from _metering(setup)
    yield from _zeros("calibration", r.P_OFFSET_A, r.PHI_C)
    yield from _zeros("calibration", r.P_OFFSET_A_F, r.P_GAIN_C_F)
    yield "calibration", r.U_GAIN_A, _UNITY
    yield "calibration", r.I_GAIN_A, _UNITY
    yield "calibration", r.U_OFFSET_A, 0
    yield "calibration", r.I_OFFSET_A, 0
    yield "calibration", r.U_GAIN_B, _UNITY
    yield "calibration", r.I_GAIN_B, _UNITY
    yield "calibration", r.U_OFFSET_B, 0
    yield "calibration", r.I_OFFSET_B, 0
    yield "calibration", r.U_GAIN_C, _UNITY
    yield "calibration", r.I_GAIN_C, _UNITY
    yield "calibration", r.U_OFFSET_C, 0
    yield "calibration", r.I_OFFSET_C, 0
    yield "metering on", r.METER_EN, 1


def _limits(setup):
    # Thresholds sit before the gain stage, in peak values: Vrms * 100 * sqrt(2) * 2**14 / Ugain.
    u_v = getattr(setup, "u_nominal_v", 230)
    if getattr(setup, "three_wire", False):
        u_v = u_v * 1732 // 1000
    u_th = u_v * 2_317_048 // _gain(setup, r.U_GAIN_A)
    i_th = getattr(setup, "i_max_ma", 60_000) * 23_170 // _gain(setup, r.I_GAIN_A)
    f_chz = _hz(setup) * 100
    yield "limits", r.SAG_PEAK_DET_CFG, 0x143F
    yield "limits", r.OV_TH, min(0xFFFF, u_th * 120 // 100)
    yield "limits", r.ZX_CONFIG, 1
    yield "limits", r.SAG_TH, min(0xFFFF, u_th * 78 // 100)
    yield "limits", r.PHASE_LOSS_TH, u_th // 10
    yield "limits", r.IN_WARN_TH, 0xFFFF
    yield "limits", r.OI_TH, min(0xFFFF, i_th)
    yield "limits", r.FREQ_LO_TH, f_chz - 300
    yield "limits", r.FREQ_HI_TH, f_chz + 300
    yield "limits", r.PM_PWR_CTRL, 0x010F
    yield "limits", r.IRQ0_MERGE_CFG, 0


def _metering(setup):
    # DS 3.5.1: PL_constant is the energy of 0.01 pulse in units of 80 nJ.
    pl = 450_000_000_000 // (setup.pulse_constant * getattr(setup, "current_scale", 1))
    mode = _MMODE0_3P4W | (7 if setup.phases == 3 else 4)
    if getattr(setup, "three_wire", False):
        mode = _MMODE0_3P3W
    if getattr(setup, "absolute", False):
        mode |= _MMODE0_ABS_P
    if _hz(setup) == 60:
        mode |= _MMODE0_60_HZ
    start = start_threshold(setup)
    yield "pulse constant", r.PL_CONST_H, pl >> 16
    yield "pulse constant", r.PL_CONST_L, pl & 0xFFFF
    yield "mode", r.M_MODE_0, mode
    yield "mode", r.M_MODE_1, 0
    for register in (r.P_START_TH, r.Q_START_TH, r.S_START_TH):
        yield "thresholds", register, start
    for register in (r.P_PHASE_TH, r.Q_PHASE_TH, r.S_PHASE_TH):
        yield "thresholds", register, max(1, start // 10)


def _zeros(stage, first, last):
    for register in range(first, last + 1):
        yield stage, register, 0


def _hz(setup):
    return 60 if getattr(setup, "hz", 50) == 60 else 50


def _gain(setup, register):
    gain = _UNITY
    for calibrated, value in getattr(setup, "calibration", ()):
        if calibrated == register:
            gain = value
    return gain
