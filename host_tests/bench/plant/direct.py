# SPDX-License-Identifier: Apache-2.0
"""Machine-like buses wired straight to chip models, for unit tests of one driver on CPython."""

import errno

from scripts.chips import I2cNak, I2cTimeout


class I2cBus:
    """The wires: address byte, ACKs, stops, and the time each byte takes."""

    def __init__(self, clock, devices, freq=100_000):
        self.clock = clock
        self.by_addr = {device.addr: device for device in devices}
        self.byte_us = -(-9 * 1_000_000 // freq)
        self.bytes = 0
        self.transfers = 0
        # address -> fn(bytes, read) -> the bytes that pass; may raise I2cNak, I2cTimeout. If it has begin(out, read_n),
        # that is called first.
        self.disturb = {}

    def transfer(self, addr: int, out: bytes, read_n: int) -> bytes:
        """One transaction: START, write `out` if any, repeated START, read `read_n`, STOP."""
        clock, byte_us = self.clock, self.byte_us
        clock.run_due()
        device = self.by_addr.get(addr)
        self.transfers += 1
        data = b""
        disturb = self.disturb.get(addr) if self.disturb else None
        if disturb is not None:
            begin = getattr(disturb, "begin", None)
            if begin is not None:
                begin(out, read_n)
            out = disturb(out, False)
        if device is None or device.absent:
            clock.spend(byte_us)
            raise I2cNak(addr)
        try:
            if out or not read_n:
                self.bytes += 1 + len(out)
                device.i2c_write(out, clock.now_us, byte_us)
                clock.spend(byte_us * (1 + len(out)))
            if read_n:
                self.bytes += 1 + read_n
                data = device.i2c_read(read_n, clock.now_us, byte_us)
                clock.spend(byte_us * (1 + read_n))
                if disturb is not None:
                    data = disturb(data, True)
        finally:
            stop = getattr(device, "i2c_stop", None)
            if stop is not None:
                stop(clock.now_us)
        return data


class DirectI2C:
    """machine.I2C over an I2cBus."""

    def __init__(self, clock, devices, freq=100_000):
        self.bus = I2cBus(clock, devices, freq)

    def _transfer(self, addr, out, read_n):
        try:
            return self.bus.transfer(addr, bytes(out), read_n)
        except I2cNak:
            raise OSError(errno.ENODEV) from None
        except I2cTimeout:
            self.bus.clock.spend(50_000)
            raise OSError(errno.ETIMEDOUT) from None

    def writeto(self, addr, buf, stop=True):
        self._transfer(addr, buf, 0)
        return len(buf)

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self._transfer(addr, b"", len(buf))

    def readfrom(self, addr, n, stop=True):
        return self._transfer(addr, b"", n)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        buf[:] = self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big"), len(buf))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self._transfer(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf), 0)


class DirectSPI:
    """machine.SPI over one SPI device, with its chip select as `cs_pin`."""

    def __init__(self, clock, device, mode=3, baudrate=1_000_000):
        self.clock, self.device, self.mode, self.baudrate = clock, device, mode, baudrate
        self.frames = 0
        self.cs_pin = DirectPin(1, on_change=self._select)

    def _select(self, level):
        if level:
            self.device.spi_deselect(self.clock.now_us)
        else:
            self.frames += 1
            self.device.spi_select(self.clock.now_us)

    def write_readinto(self, tx, rx):
        rx[:] = self.device.spi_transfer(bytes(tx), self.mode, self.baudrate, self.clock.now_us)
        self.clock.spend(8 * len(tx) * 1_000_000 // self.baudrate)


class DirectTimer:
    """machine.Timer on a bench's clock: the callback runs when it is due, also within a sleep."""

    ONE_SHOT, PERIODIC = 0, 1

    def __init__(self, clock):
        self.clock = clock
        self.runs = 0  # which init() is in force

    def init(self, *, mode=1, period=0xFFFFFFFF, callback=None):
        self.deinit()
        self._arm(self.runs, mode, period, callback)

    def _arm(self, run, mode, period, callback):
        def due(_):
            if run == self.runs:
                if mode:
                    self._arm(run, mode, period, callback)
                callback(self)

        self.clock.at(self.clock.now_us + period * 1000, due)

    def deinit(self):
        self.runs += 1


class DirectPin:
    """machine.Pin: the firmware side is value()/call/irq(), the outside world drives with drive()."""

    IN, OUT, PULL_UP, IRQ_FALLING, IRQ_RISING = 0, 1, 2, 2, 1

    def __init__(self, level=0, on_change=None):
        self.level = level
        self.on_change = on_change
        self.handler = None
        self.trigger = 0

    def value(self, level=None):
        if level is None:
            return self.level
        level = 1 if level else 0
        if level != self.level:
            self.level = level
            if self.on_change is not None:
                self.on_change(level)
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3):
        self.handler, self.trigger = handler, trigger

    def drive(self, level):
        """The outside world sets the line; an edge the firmware asked for calls its handler."""
        if level == self.level:
            return
        self.level = level
        edge = self.IRQ_RISING if level else self.IRQ_FALLING
        if self.handler is not None and self.trigger & edge:
            self.handler(self)
