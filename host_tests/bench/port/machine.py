# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's machine module on ESP32, as far as the firmware uses it: each call becomes an
# operation on the link.
import errno
import struct

import link
from esp import LOG_NONE, log
from ops import COUNT_GET, FREQ, I2C_CFG, I2C_XFER, PIN_GET, PIN_IRQ, PIN_MODE, PIN_SET, RESET, RSP_AT, RTC_AT
from ops import SPI_CFG, SPI_XFER, STATUS_NAK, TIMER, WATCHDOG

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3


class Pin:
    IN = 1
    OUT = 3
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self._id = id
        if value is not None:
            self(value)
        if mode != -1:
            at = link.room(4)
            link.buf[at : at + 4] = bytes((PIN_MODE, id, mode == Pin.OUT, pull == Pin.PULL_UP))

    def __call__(self, level=None):
        buf = link.buf
        if level is None:
            at = link.room(2)
            buf[at] = PIN_GET
            buf[at + 1] = self._id
            link.call()
            return buf[RSP_AT]
        at = link.room(3)
        buf[at] = PIN_SET
        buf[at + 1] = self._id
        buf[at + 2] = 1 if level else 0

    value = __call__

    def irq(self, handler=None, trigger=3):
        link.irq_handlers[self._id] = (lambda: handler(self)) if handler else None
        at = link.room(3)
        link.buf[at : at + 3] = bytes((PIN_IRQ, self._id, trigger if handler else 0))
        return self


class Timer:
    """A hardware timer. Its callback is scheduled, not run in the interrupt: when, link.py says."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id):
        self._id = id

    def init(self, *, mode=1, period=0, callback=None):
        link.timer_handlers[self._id] = callback
        struct.pack_into("<BBIB", link.buf, link.room(7), TIMER, self._id, period, mode)

    def deinit(self):
        self.init()


class Counter:
    """Counts rising edges from now on."""

    def __init__(self, id, src=None):
        self._pin = src._id
        if self._pin >= 34 and log[0] > LOG_NONE:
            # ESP-IDF's driver asks for a pull-up, and these pins have none.
            print("E (1) gpio: gpio_pullup_en(78): no internal PU")
        self._from = 0
        self._from = self.value()

    def value(self):
        at = link.room(2)
        link.buf[at] = COUNT_GET
        link.buf[at + 1] = self._pin
        link.call()
        return (struct.unpack_from("<I", link.buf, RSP_AT)[0] - self._from) & 0xFFFFFFFF


class SPI:
    def __init__(self, id, baudrate=500000, *, polarity=0, phase=0, sck=None, mosi=None, miso=None):
        self._id = id
        at = link.room(7)
        struct.pack_into("<BBBI", link.buf, at, SPI_CFG, id, polarity << 1 | phase, baudrate)

    def write_readinto(self, tx, rx):
        n = len(tx)
        if n != len(rx):
            raise ValueError("buffers must be the same length")
        buf = link.buf
        at = link.room(n + 3)
        buf[at] = SPI_XFER
        buf[at + 1] = self._id
        buf[at + 2] = n
        buf[at + 3 : at + 3 + n] = tx
        link.call()
        at = RSP_AT
        rx[:] = buf[at : at + n]


class I2C:
    def __init__(self, id=0, *, scl=None, sda=None, freq=400000, timeout=50000):
        self._id = id
        at = link.room(6)
        struct.pack_into("<BBI", link.buf, at, I2C_CFG, id, freq)

    def _transfer(self, addr, head, out, read_n):
        buf = link.buf
        n_head = len(head)
        n_out = len(out)
        n = n_head + n_out
        at = link.room(n + 7)
        struct.pack_into("<BBBHH", buf, at, I2C_XFER, self._id, addr, n, read_n)
        at += 7
        if n_head:
            buf[at : at + n_head] = head
            at += n_head
        if n_out:
            buf[at : at + n_out] = out
        link.call()
        status = buf[RSP_AT]
        if status:
            raise OSError(errno.ENODEV if status == STATUS_NAK else errno.ETIMEDOUT)

    def _read(self, into):
        at = RSP_AT + 1
        into[:] = link.buf[at : at + len(into)]

    def writeto(self, addr, data, stop=True):
        self._transfer(addr, b"", data, 0)
        return len(data)

    def readfrom_into(self, addr, into, stop=True):
        self._transfer(addr, b"", b"", len(into))
        self._read(into)

    def writeto_mem(self, addr, memaddr, data, *, addrsize=8):
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), data, 0)

    def readfrom_mem_into(self, addr, memaddr, into, *, addrsize=8):
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), b"", len(into))
        self._read(into)


def SoftI2C(scl=None, sda=None, freq=400000, timeout=50000):
    """By software: what the plant knows such a bus by is its clock's pin."""
    return I2C(0x80 | scl._id, freq=freq)


def SoftSPI(baudrate=500000, polarity=0, phase=0, sck=None, mosi=None, miso=None):
    return SPI(0x80 | sck._id, baudrate, polarity=polarity, phase=phase)


class RTC:
    def memory(self, data=None):
        buf = link.buf
        if data is None:
            at = RTC_AT + 2
            return bytes(buf[at : at + (buf[RTC_AT] | buf[RTC_AT + 1] << 8)])
        n = len(data)
        if n > 2046:
            raise ValueError("buffer too long")
        struct.pack_into("<H", buf, RTC_AT, n)
        at = RTC_AT + 2
        buf[at : at + n] = data


class WDT:
    def __init__(self, id=0, timeout=5000):
        at = link.room(5)
        struct.pack_into("<BI", link.buf, at, WATCHDOG, timeout)
        link.call()  # the program may end right after

    def feed(self):
        at = link.room(5)
        struct.pack_into("<BI", link.buf, at, WATCHDOG, 0)


def freq(hz):
    struct.pack_into("<BH", link.buf, link.room(3), FREQ, hz // 1_000_000)


def reset():
    link.buf[link.room(1)] = RESET
    link.call()


def reset_cause():
    return link.buf[3]


def unique_id():
    return b"\x24\x0a\xc4\x00\x00\x01"
