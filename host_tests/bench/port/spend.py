# SPDX-License-Identifier: Apache-2.0
# Computing that takes an ESP32 time and asks nothing of the plant: the plant is told (bench/plant/costs.py).
# Here are the module gc, and a file system that sees modules come.
import gc
import sys

import link
from esp32 import LARGEST
from ops import COLLECT, LOAD

vfs = None  # the real one


def collect():
    gc.collect()
    link.spend(COLLECT, 0)


def mem_free():
    # The port's heap grows into what ESP-IDF has left: the largest piece of that counts as free.
    return gc.mem_free() + LARGEST


def open(path, mode):
    # Byte code below a root of sys.path is opened by who imports it; the loader checks a slot before it is one.
    file = vfs.open(path, mode)
    if path.endswith(".mpy") and path[: path.find("/", 1)] in sys.path:
        link.spend(LOAD, file.seek(0, 2))
        file.seek(0)
    return file


def __getattr__(name):
    # As a file system, and as gc.
    return getattr(gc if hasattr(gc, name) else vfs, name)
