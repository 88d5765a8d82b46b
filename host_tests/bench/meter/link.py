# SPDX-License-Identifier: Apache-2.0
# The meter's end of the link (see ops.py). Requests are built in place in shared memory; the wait for the
# answer spins, then yields, then sleeps, so a fast bench is fast and an idle one costs nothing. Where the plant
# says so, it waits in the kernel at once.
import gc
import os
import struct
import sys

import ffi
import uctypes

from micropython import const

from ops import IRQ_AT, LOW_AT, PEAKS, REQ_AT, RSP_AT, SIZE

_SPINS = const(400)

_libc = ffi.open("libc.so.6")
_yield = _libc.func("i", "sched_yield", "")
_usleep = _libc.func("i", "usleep", "i")
_getppid = _libc.func("i", "getppid", "")
_futex = _libc.func("l", "syscall", "lpiiP")
_FUTEX = 240 if sys.maxsize == 0x7FFFFFFF else 202
_PATIENCE = struct.pack("ll", 0, 50_000_000)
_fd = _libc.func("i", "open", "si")(os.getenv("PENNYWATT_LINK"), 2)
_addr = _libc.func("p", "mmap", "piiiii")(0, SIZE, 3, 1, _fd, 0)
buf = uctypes.bytearray_at(_addr, SIZE)
_head = uctypes.struct(_addr, {"word": uctypes.UINT32 | 0})
now = uctypes.struct(_addr + 8, {"ms": uctypes.UINT32 | 0, "us": uctypes.UINT32 | 4, "low": uctypes.UINT32 | LOW_AT - 8})
_parent = _getppid()
_pos = REQ_AT
_seq = 0
irq_handlers = {}


def room(n):
    """Reserve n bytes of the request; gives their offset in buf."""
    global _pos
    at = _pos
    _pos = at + n
    if _pos > RSP_AT:
        raise OSError(12)
    return at


def call():
    """Send what has been built and wait for the answer at RSP_AT."""
    global _pos, _seq
    b = buf
    if b[6] & PEAKS:
        # What is alive at this moment: nothing that a collection would free counts.
        gc.collect()
        free = gc.mem_free()
        if free < now.low:
            now.low = free
    n = _pos - REQ_AT
    b[16] = n & 255
    b[17] = n >> 8
    _pos = REQ_AT
    seq = _seq = (_seq + 1) & 255
    b[0] = seq
    if b[4]:
        _futex(_FUTEX, _addr, 1, 1, None)
        while b[1] != seq:
            word = _head.word
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


def _interrupts():
    # Only while sleeping: a handler that talks to the link must not overwrite an answer not yet read.
    n = buf[2]
    pins = bytes(buf[IRQ_AT : IRQ_AT + n])
    buf[2] = 0
    for pin in pins:
        handler = irq_handlers.get(pin)
        if handler:
            handler()


def sleep(op, amount):
    at = room(5)
    buf[at] = op
    struct.pack_into("<I", buf, at + 1, amount)
    call()
    if buf[2]:
        _interrupts()
