# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS: register addresses and the initialisation table, as data.

Source: Atmel-46003B (M90E32AS datasheet, 2015), tables 5 to 15; pulse constant from Atmel-46103A 4.2.
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

from meter.drivers.metering_ic.checked_write import within

PL_CONST = const(0x31)
P_START_TH = const(0x35)
SOFT_RESET = const(0x70)
EMM_STATE0 = const(0x71)
EMM_STATE1 = const(0x72)
EMM_INT_STATE0 = const(0x73)
EMM_INT_STATE1 = const(0x74)
LAST_SPI_DATA = const(0x78)
CRC_ERR_STATUS = const(0x79)
CFG_REG_ACC_EN = const(0x7F)
AP_ENERGY_T = const(0x80)  # total; phases A, B, C follow; +4 reverse, +8 reactive, +12 reverse reactive
SA_ENERGY_T = const(0x90)
P_MEAN_A = const(0xB1)  # high words; B, C follow; low words are 10H further on
Q_MEAN_A = const(0xB5)
S_MEAN_A = const(0xB9)
PF_MEAN_A = const(0xBD)
U_RMS_A = const(0xD9)
I_RMS_A = const(0xDD)
FREQ = const(0xF8)

NAME = "atm90e32"  # in a calibration document
# First and last of what it may set: DC offsets, gain compensation; segments; T0, compensation of current and phase;
# power; fundamental; voltage, current. Not F0 (22H: that of the mains), PL_constant, mode with the PGA, thresholds.
CALIBRATED = bytes((0x14, 0x1C, 0x20, 0x21, 0x23, 0x2F, 0x41, 0x4C, 0x51, 0x56, 0x61, 0x6C))

GAINS = bytes((0x61, 0x62, 0x65, 0x66, 0x69, 0x6A))  # of them: of voltage and current
TRIMS = bytes((0x47, 0x49, 0x4B, 0x54, 0x55, 0x56))  # of power, and of its fundamental

RESET_KEY = const(0x789A)
CFG_OPEN = const(0x55AA)
CFG_CLOSED = const(0x0000)  # anything but the keys: latch the CRC of 00H-6FH, then watch it

_MMODE0_3P4W = const(0x0080)  # 50 Hz, reactive on CF2
_MMODE0_3P3W = const(0x0185)
_MMODE0_ABS_P = const(0x0008)
_MMODE0_60_HZ = const(0x1000)
_UNITY = const(0x8000)


def start_threshold(setup) -> int:
    """The value of PStartTh (35H) under this setup, 0.32 mW per count: never the power-on default."""
    return max(1, getattr(setup, "start_mw", 1000) * 25 // 8 // getattr(setup, "current_scale", 1))


def init_table(setup):
    """Yield (stage, address, value) in the order to write."""
    scale = getattr(setup, "current_scale", 1)
    calibration = getattr(setup, "calibration", ())
    # DS 3.5.1: PL_constant is the energy of 0.01 pulse in units of 80 nJ.
    pl = 450_000_000_000 // (setup.pulse_constant * scale)
    mode = _MMODE0_3P4W | (7 if setup.phases == 3 else 4)
    u_v = getattr(setup, "u_nominal_v", 230)
    if getattr(setup, "three_wire", False):
        mode = _MMODE0_3P3W
        u_v = u_v * 1732 // 1000
    if getattr(setup, "absolute", False):
        mode |= _MMODE0_ABS_P
    f_chz = 5000
    if getattr(setup, "hz", 50) == 60:
        mode |= _MMODE0_60_HZ
        f_chz = 6000
    start = start_threshold(setup)
    phase = max(1, start // 10)
    u_gain = i_gain = _UNITY
    for addr, value in calibration:
        if addr == 0x61:
            u_gain = value
        elif addr == 0x62:
            i_gain = value
    # Thresholds sit before the gain stage, in peak values: Vrms * 100 * sqrt(2) * 2**14 / Ugain.
    u_th = u_v * 2_317_048 // u_gain
    i_th = min(0xFFFF, getattr(setup, "i_max_ma", 60_000) * 23_170 // i_gain)
    over = min(0xFFFF, u_th * 120 // 100)
    sag = min(0xFFFF, u_th * 78 // 100)
    limits = (0x143F, over, 1, sag, u_th // 10, 0xFFFF, i_th, f_chz - 300, f_chz + 300, 0x010F, 0)
    rows = (
        ("channel map", 0x01, (0x0210, 0x0654)),
        ("limits", 0x05, limits),
        ("compensation", 0x14, (0,) * 9),
        ("compensation", 0x20, (0, 0, f_chz, 25)),
        ("compensation", 0x24, (0,) * 12),
        ("pulse constant", PL_CONST, (pl >> 16, pl & 0xFFFF)),
        ("mode", 0x33, (mode, 0)),
        ("thresholds", P_START_TH, (start, start, start, phase, phase, phase)),
        ("calibration", 0x41, (0,) * 12),
        ("calibration", 0x51, (0,) * 6),
        ("calibration", 0x61, (_UNITY, _UNITY, 0, 0) * 3),
        ("metering on", 0x00, (1,)),
    )
    for stage, addr, words in rows:
        for value in words:
            if within(CALIBRATED, addr):
                for at, calibrated in calibration:
                    if at == addr:
                        value = calibrated
            if scale == 2 and addr in (0x62, 0x66, 0x6A):
                value //= 2
            yield stage, addr, value
            addr += 1
