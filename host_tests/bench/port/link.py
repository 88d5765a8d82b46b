# SPDX-License-Identifier: Apache-2.0
# The meter's end of the link (see ops.py). Requests are built in place in shared memory; the wait for the
# answer spins, then yields, then sleeps, so a fast bench is fast and an idle one costs nothing. Where the plant
# says so, it waits in the kernel at once.
import gc
import struct
import sys

import uctypes

from micropython import const

from ops import IRQ_AT, LOW_AT, REQ_AT, RSP_AT, SIZE, SLEEP_ON, SPEND

_SPINS = const(400)


def _shared():
    import os

    import ffi

    libc = ffi.open("libc.so.6")
    fd = libc.func("i", "open", "si")(os.getenv("PENNYWATT_LINK"), 2)
    return (
        libc.func("p", "mmap", "piiiii")(0, SIZE, 3, 1, fd, 0),
        libc.func("i", "sched_yield", ""),
        libc.func("i", "usleep", "i"),
        libc.func("i", "getppid", ""),
        libc.func("l", "syscall", "lpiiP"),
    )


_addr, _yield, _usleep, _getppid, _futex = _shared()
_FUTEX = 240 if sys.maxsize == 0x7FFFFFFF else 202
_PATIENCE = struct.pack("ll", 0, 50_000_000)
buf = uctypes.bytearray_at(_addr, SIZE)
now = uctypes.struct(_addr, {"word": uctypes.UINT32 | 0, "ms": uctypes.UINT32 | 8, "us": uctypes.UINT32 | 12})
_parent = _getppid()
_pos = REQ_AT
irq_handlers = {}
timer_handlers = {}


def room(n):
    """Reserve n bytes of the request. Return their offset in buf."""
    global _pos
    if buf[5] and _pos == REQ_AT:
        _timers()
    at = _pos
    _pos = at + n
    if _pos > RSP_AT:
        raise OSError(12)
    return at


def call():
    """Send what has been built and wait for the answer at RSP_AT."""
    global _pos
    b = buf
    if b[6]:
        # What is alive at this moment: nothing that a collection would free counts.
        gc.collect()
        free = gc.mem_free()
        if free < b[LOW_AT] | b[LOW_AT + 1] << 8 | b[LOW_AT + 2] << 16:
            b[LOW_AT] = free & 255
            b[LOW_AT + 1] = free >> 8 & 255
            b[LOW_AT + 2] = free >> 16
    n = _pos - REQ_AT
    b[16] = n & 255
    b[17] = n >> 8
    _pos = REQ_AT
    seq = (b[0] + 1) & 255
    b[0] = seq
    if b[4]:
        _futex(_FUTEX, _addr, 1, 1, None)
        while b[1] != seq:
            word = now.word
            if word >> 8 & 255 != seq and _futex(_FUTEX, _addr, 0, word, _PATIENCE) and _getppid() != _parent:
                raise SystemExit
        return
    spins = _SPINS
    while b[1] != seq:
        spins -= 1
        if spins < 0:
            if spins > -2000:
                _yield()
            else:
                _usleep(300)
                if spins < -2500:
                    spins = -2000
                    if _getppid() != _parent:
                        raise SystemExit


def waits():
    """Bytes of the request that have been built."""
    return _pos - REQ_AT


def spend(what, n):
    """Tell of computing that takes a board time."""
    at = room(4)
    b = buf
    b[at] = SPEND
    b[at + 1] = what
    b[at + 2] = n & 255
    b[at + 3] = n >> 8


def _interrupts():
    # Only while sleeping: a handler that talks to the link must not overwrite an answer not yet read.
    n = buf[2]
    pins = bytes(buf[IRQ_AT : IRQ_AT + n])
    buf[2] = 0
    for pin in pins:
        handler = irq_handlers.get(pin)
        if handler:
            handler()


def _timers():
    # A board runs the callback of a timer between two bytecodes; here the next thing asked of the plant stands for
    # that: before a request is built, when the answer to the last one has been read, and within a sleep.
    due = buf[5]
    buf[5] = 0
    for number in range(4):
        if due >> number & 1:
            handler = timer_handlers.get(number)
            if handler:
                handler(None)


def sleep(op, amount):
    at = room(5)
    buf[at] = op
    struct.pack_into("<I", buf, at + 1, amount)
    call()
    while buf[5]:
        _timers()
        buf[room(1)] = SLEEP_ON
        call()
    if buf[2]:
        _interrupts()
