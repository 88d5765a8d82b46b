# SPDX-License-Identifier: Apache-2.0
"""Ranges that a document's check and the part that is made from it share. Loaded for either only.

Found here, a value that every check accepts is one that every part takes: host_tests/unit/books/test_extremes.py.
"""

from micropython import const

PULSE_MIN_MS = const(50)  # of the relay's coil (drivers/relay.py)
PULSE_MAX_MS = const(500)
# A calibration's gain of voltage or current: a quarter of one. 0 would have the part measure nothing, and thresholds,
# which are divided by it, would not fit their registers.
GAIN_MIN = const(0x2000)
TRIM_MIN = const(-0x4000)  # its trim of a power's gain, Q15: minus a half. At minus one there is no energy
