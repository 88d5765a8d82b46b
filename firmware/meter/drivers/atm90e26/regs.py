# SPDX-License-Identifier: Apache-2.0
"""ATM90E26: its registers by the datasheet's names, a line each. Constants only: linked, they take no room.

Source: Atmel-46002B (M90E26 datasheet, 2014), section 5, table 10. L is the line, N the neutral.
"""

from micropython import const

# -- Status and special ------------------------------------------------------------------------------
SOFT_RESET = const(0x00)
SYS_STATUS = const(0x01)  # cleared by being read
FUNC_EN = const(0x02)  # what the status reports
SAG_TH = const(0x03)
SMALL_P_MOD = const(0x04)
LAST_DATA = const(0x06)  # 4.1.2: what the frame before this one carried

RESET_KEY = const(0x789A)

# -- Metering: 21H to 2BH, which CS1 is over ----------------------------------------------------------
CAL_START = const(0x20)
PL_CONST_H = const(0x21)  # counts from the write of the low word on
PL_CONST_L = const(0x22)
L_GAIN = const(0x23)
L_PHI = const(0x24)
N_GAIN = const(0x25)
N_PHI = const(0x26)
P_START_TH = const(0x27)
P_NOL_TH = const(0x28)
Q_START_TH = const(0x29)
Q_NOL_TH = const(0x2A)
M_MODE = const(0x2B)
CS1 = const(0x2C)

# -- Measurement: 31H to 3AH, which CS2 is over --------------------------------------------------------
ADJ_START = const(0x30)
U_GAIN = const(0x31)
I_GAIN_L = const(0x32)
I_GAIN_N = const(0x33)
U_OFFSET = const(0x34)
I_OFFSET_L = const(0x35)
I_OFFSET_N = const(0x36)
P_OFFSET_L = const(0x37)
Q_OFFSET_L = const(0x38)
P_OFFSET_N = const(0x39)
Q_OFFSET_N = const(0x3A)
CS2 = const(0x3B)

OPEN = const(0x5678)  # CalStart, AdjStart: defaults, and run unchecked
CHECKED = const(0x8765)  # run, if the checksum is right

# -- Energy, cleared by being read ---------------------------------------------------------------------
AP_ENERGY = const(0x40)  # forward active; ANenergy (reverse), ATenergy (absolute) follow, and the same reactive
# What absolute - forward - reverse may be: each is cut to whole steps.
LEAST_OPEN = const(-2)
MOST_OPEN = const(3)

# -- Measured values; of the neutral: 20H further on ------------------------------------------------------
EN_STATUS = const(0x46)
I_RMS = const(0x48)
U_RMS = const(0x49)
P_MEAN = const(0x4A)  # Qmean follows
FREQ = const(0x4C)
POWER_F = const(0x4D)  # sign and magnitude
S_MEAN = const(0x4F)
I_RMS_2 = const(0x68)  # of the neutral
