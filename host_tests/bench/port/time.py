# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's time module: the plant's virtual clock, with the ESP32's 2**30 ms period.
import link
from micropython import const
from ops import SLEEP_US

_now = link.now
_PERIOD = 1 << 30
_HALF = 1 << 29
_BUSY_MAX = const(500)
_looks = 0
_last_us = 0


def ticks_ms():
    # A loop that does nothing but look at the clock must see it move.
    global _looks, _last_us
    if _last_us != _now.us:
        _last_us = _now.us
        _looks = 0
    _looks += 1
    if _looks > _BUSY_MAX:
        link.sleep(SLEEP_US, 1000)
    return _now.ms


def ticks_us():
    return _now.us


def ticks_add(ticks, delta):
    if not -_HALF < delta < _HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(a, b):
    return ((a - b + _HALF) & (_PERIOD - 1)) - _HALF


def sleep_ms(ms):
    link.sleep(SLEEP_US, ms * 1000)


def sleep_us(us):
    link.sleep(SLEEP_US, us)


def sleep(s):
    sleep_us(int(s * 1000000))
