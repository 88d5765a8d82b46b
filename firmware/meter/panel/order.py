# SPDX-License-Identifier: Apache-2.0
"""The pages of the display by number, in the order in which they turn. Constants only.

Not every number has a page: how many there are of a kind depends on the meter.
"""

from micropython import const

SAYING = const(-3)  # what say() has; the first three are not among those that turn
STARTING = const(-2)
OFF = const(-1)  # why supply is off
BALANCE = const(0)  # live: drawn every second
FAULTS = const(1)  # one for each bit
ENERGY = const(17)
PURCHASES = const(21)
COSTS = const(22)
MONTH = const(23)
POWER = const(26)  # live with one phase, while it is measured
CLOCK = const(27)  # live while the time is known
STATUS = const(28)
