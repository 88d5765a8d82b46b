# SPDX-License-Identifier: Apache-2.0
"""Register-accurate models of the meter's parts.

A model enforces its part's rules (clear-on-read, frame length, busy times, write enables) and shares no
code with the drivers that talk to it. Time is virtual and comes in as `now_us` with every access.
"""


class I2cNak(Exception):
    """No device drove ACK: the master sees ENODEV."""


class I2cTimeout(Exception):
    """SCL held low longer than the master waits: the master sees ETIMEDOUT."""
