# SPDX-License-Identifier: Apache-2.0
"""Frozen into production firmware, whose REPL is compiled out: what is printed still goes out at UART 0, 115,200 baud.

Only out. Nothing that comes in is read, so nobody can interrupt the meter or type to it. Needs a build with
MICROPY_HW_ENABLE_UART_REPL (0): that leaves UART 0 to machine.UART.
"""

import io
import os

import machine


class Console(io.IOBase):
    """The stream for os.dupterm(), in one direction."""

    def __init__(self, uart):
        self._uart = uart

    def write(self, data):
        """All of it counts as written: a line that is cut off must not end the console."""
        self._uart.write(data)
        return len(data)

    def readinto(self, _):
        """Nothing, now or later; an empty read would close the stream."""
        return None

    def ioctl(self, _op, _arg):
        return 0


def attach() -> None:
    os.dupterm(Console(machine.UART(0, 115_200)))
