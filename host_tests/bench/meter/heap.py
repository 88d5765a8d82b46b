# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's gc module as the ESP32 port builds it: its heap grows into what ESP-IDF has left, so
# mem_free() counts the largest piece of that as free.
import gc

from esp32 import LARGEST

collect = gc.collect
threshold = gc.threshold


def mem_free():
    return gc.mem_free() + LARGEST
