# SPDX-License-Identifier: Apache-2.0
"""The unit of energy inside the meter.

One count is 0.01 pulse of the metering IC, the unit of the ATM90E32AS energy registers. At the reference
3200 imp/kWh that is 3125 uWh. Registers hold counts and nothing else; other units appear only where people or
protocols read, and are never written back, so no rounding can accumulate.
"""

from micropython import const

PULSES_PER_KWH = const(3200)
COUNTS_PER_KWH = const(320_000)
