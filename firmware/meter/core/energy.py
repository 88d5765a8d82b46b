# SPDX-License-Identifier: Apache-2.0
"""The unit of energy inside the meter, and what it is in units people and protocols use.

One count is 0.01 pulse of the metering IC, the unit of the ATM90E32AS energy registers. At the reference
3200 imp/kWh that is 3125 uWh. Registers hold counts and nothing else; conversions are for reading only and
never written back, so no rounding can accumulate.
"""

from micropython import const

PULSES_PER_KWH = const(3200)
COUNTS_PER_KWH = const(320_000)
UWH_PER_COUNT = const(3125)
_COUNTS_PER_WH = const(320)


def uwh(counts: int) -> int:
    """Counts in microwatt-hours, exact."""
    return counts * UWH_PER_COUNT


def wh(counts: int) -> int:
    """Counts in whole watt-hours, the fraction dropped as on a register display."""
    return counts // _COUNTS_PER_WH
