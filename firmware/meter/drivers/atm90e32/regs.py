# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS: its registers by the datasheet's names, a line each. Constants only: linked, they take no room.

Source: Atmel-46003B (M90E32AS datasheet, 2015), section 5, tables 5 to 15. A, B, C are the phases, T all of them.
"""

from micropython import const

# -- Configuration: 00H to 6FH, which the part's CRC is over -------------------------------------------
METER_EN = const(0x00)  # any of bits 7 to 0: metering is on
CHANNEL_MAP_I = const(0x01)  # which input is which phase's current,
CHANNEL_MAP_U = const(0x02)  # and which its voltage
SAG_PEAK_DET_CFG = const(0x05)  # windows, in ms: peak in the high byte, sag and phase loss in the low one
OV_TH = const(0x06)  # voltage that is too high, of the peak
ZX_CONFIG = const(0x07)  # zero-crossing outputs; bit 0: off
SAG_TH = const(0x08)
PHASE_LOSS_TH = const(0x09)
IN_WARN_TH = const(0x0A)  # current of the neutral, calculated
OI_TH = const(0x0B)  # current that is too high, of the peak
FREQ_LO_TH = const(0x0C)  # 0.01 Hz
FREQ_HI_TH = const(0x0D)
PM_PWR_CTRL = const(0x0E)  # partial measurement
IRQ0_MERGE_CFG = const(0x0F)

# DC offsets, and gain over temperature and frequency
ID_COFFSET_A = const(0x14)
ID_COFFSET_B = const(0x15)
ID_COFFSET_C = const(0x16)
UD_COFFSET_A = const(0x17)
UD_COFFSET_B = const(0x18)
UD_COFFSET_C = const(0x19)
U_GAIN_T_AB = const(0x1A)
U_GAIN_T_C = const(0x1B)
PHI_FREQ_COMP = const(0x1C)

# Compensation of segments of current
LOG_IRMS_0 = const(0x20)
LOG_IRMS_1 = const(0x21)
F_0 = const(0x22)  # of the mains, 0.01 Hz
T_0 = const(0x23)  # °C
PHI_A_IRMS_01 = const(0x24)
PHI_A_IRMS_2 = const(0x25)
GAIN_A_IRMS_01 = const(0x26)
GAIN_A_IRMS_2 = const(0x27)
PHI_B_IRMS_01 = const(0x28)
PHI_B_IRMS_2 = const(0x29)
GAIN_B_IRMS_01 = const(0x2A)
GAIN_B_IRMS_2 = const(0x2B)
PHI_C_IRMS_01 = const(0x2C)
PHI_C_IRMS_2 = const(0x2D)
GAIN_C_IRMS_01 = const(0x2E)
GAIN_C_IRMS_2 = const(0x2F)

# Metering
PL_CONST_H = const(0x31)
PL_CONST_L = const(0x32)
M_MODE_0 = const(0x33)
M_MODE_1 = const(0x34)  # gain of the current inputs
P_START_TH = const(0x35)  # 0.32 mW; of all phases
Q_START_TH = const(0x36)
S_START_TH = const(0x37)
P_PHASE_TH = const(0x38)  # of one
Q_PHASE_TH = const(0x39)
S_PHASE_TH = const(0x3A)

# Calibration of power, of that of the fundamental, and of voltage and current
P_OFFSET_A = const(0x41)
Q_OFFSET_A = const(0x42)
P_OFFSET_B = const(0x43)
Q_OFFSET_B = const(0x44)
P_OFFSET_C = const(0x45)
Q_OFFSET_C = const(0x46)
PQ_GAIN_A = const(0x47)
PHI_A = const(0x48)
PQ_GAIN_B = const(0x49)
PHI_B = const(0x4A)
PQ_GAIN_C = const(0x4B)
PHI_C = const(0x4C)
P_OFFSET_A_F = const(0x51)
P_OFFSET_B_F = const(0x52)
P_OFFSET_C_F = const(0x53)
P_GAIN_A_F = const(0x54)
P_GAIN_B_F = const(0x55)
P_GAIN_C_F = const(0x56)
U_GAIN_A = const(0x61)
I_GAIN_A = const(0x62)
U_OFFSET_A = const(0x63)
I_OFFSET_A = const(0x64)
U_GAIN_B = const(0x65)
I_GAIN_B = const(0x66)
U_OFFSET_B = const(0x67)
I_OFFSET_B = const(0x68)
U_GAIN_C = const(0x69)
I_GAIN_C = const(0x6A)
U_OFFSET_C = const(0x6B)
I_OFFSET_C = const(0x6C)

# -- Special -----------------------------------------------------------------------------------------
SOFT_RESET = const(0x70)
EMM_STATE_0 = const(0x71)
EMM_STATE_1 = const(0x72)
EMM_INT_STATE_0 = const(0x73)
EMM_INT_STATE_1 = const(0x74)
LAST_SPI_DATA = const(0x78)  # 4.2.2: what the frame before this one carried
CRC_ERR_STATUS = const(0x79)
CFG_REG_ACC_EN = const(0x7F)

RESET_KEY = const(0x789A)  # of SoftReset
CFG_OPEN = const(0x55AA)  # of CfgRegAccEn: the configuration may be written
CFG_CLOSED = const(0x0000)  # anything but the keys: latch the CRC of 00H-6FH, then watch it

# -- Energy, cleared by being read: T; A, B, C follow --------------------------------------------------
AP_ENERGY_T = const(0x80)  # forward active; 4 further on each: reverse, forward reactive, reverse reactive
SA_ENERGY_T = const(0x90)  # apparent

# -- Measurement; B and C follow ------------------------------------------------------------------------
P_MEAN_A = const(0xB1)  # high words; low words are 10H further on
Q_MEAN_A = const(0xB5)
S_MEAN_A = const(0xB9)
PF_MEAN_A = const(0xBD)
U_RMS_A = const(0xD9)
I_RMS_A = const(0xDD)
FREQ = const(0xF8)
U_ANGLE_A = const(0xFD)  # of the voltage, against that of A, 0.1°; for calibrating only
