# SPDX-License-Identifier: Apache-2.0
"""MicroPython's own module, as far as firmware on CPython needs it."""


def const(value):
    return value


def alloc_emergency_exception_buf(size):
    pass
