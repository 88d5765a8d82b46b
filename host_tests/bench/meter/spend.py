# SPDX-License-Identifier: Apache-2.0
# Computing that takes an ESP32 time and asks nothing of the plant: told to it, for the clock (bench/costs.py). Here
# are what start.py puts in the places of pow and gc.collect, and the file system, which sees modules come.
import gc
import sys

import link
from ops import COLLECT, LOAD, POWER, SPEND, UNTIMED

lfs = None
_pow = pow


def spend(what, n):
    buf = link.buf
    at = link.room(4)
    buf[at] = SPEND
    buf[at + 1] = what
    buf[at + 2] = n & 255
    buf[at + 3] = n >> 8


def collect():
    gc.collect()
    spend(COLLECT, 0)


def power(*of):
    if len(of) > 2:
        spend(POWER, 0)
    return _pow(*of)


def open(path, mode):
    # Byte code below a root of sys.path is opened by who imports it; the loader checks a slot before it is one.
    if path.endswith(".mpy") and path[: path.find("/", 1)] in sys.path:
        link.buf[6] |= UNTIMED
        n = lfs.stat(path)[6]
        link.buf[6] &= ~UNTIMED
        spend(LOAD, n)
    return lfs.open(path, mode)


def __getattr__(name):
    # As a file system, and as gc.
    return getattr(gc if hasattr(gc, name) else lfs, name)
