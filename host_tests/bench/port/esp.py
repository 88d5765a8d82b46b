# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's esp module: how much of what ESP-IDF logs gets onto the console.

LOG_NONE = 0
LOG_ERROR = 1
LOG_INFO = 3

log = [LOG_ERROR]


def osdebug(uart, level=LOG_INFO):
    log[0] = LOG_ERROR if uart is None else level
