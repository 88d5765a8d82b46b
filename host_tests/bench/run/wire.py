# SPDX-License-Identifier: Apache-2.0
"""The plant's end of the link: the requests in the page carried out, each with the time it takes a meter."""

import struct

from host_tests.bench.plant.clock import TICKS_MASK
from host_tests.bench.port import ops
from scripts.chips import I2cNak, I2cTimeout

REGISTERS = 20  # of a tick, at most: the IC's start writes hundreds, and thinks of none
STATUS_BYTES = 8  # a transfer of the card reader that long is no frame with something in it


class MeterReset(Exception):
    """The firmware called machine.reset()."""


class WatchdogBite(Exception):
    """Nobody fed the watchdog in time."""


class Link:
    """What a plant (plant.py) answers with its chips, pins and clock."""

    def _stamp(self):
        now_us = self.clock.now_us
        struct.pack_into("<II", self.buf, 8, now_us // 1000 & TICKS_MASK, now_us & TICKS_MASK)

    def serve(self) -> bool:
        """Carry out the request in the page. False: the meter sleeps, continue_sleep() will answer."""
        buf = self.buf
        pos = ops.REQ_AT
        end = pos + (buf[16] | buf[17] << 8)
        clock = self.clock
        spend_us = self._spend_us
        if self._booting:
            self._booting = False
            clock.now_us += self.costs.boot_us
            self._turned_us = clock.now_us
        while pos < end:
            op = buf[pos]
            self.operations += 1
            clock.now_us += spend_us[op]
            if clock.due_us <= clock.now_us:
                clock.run_due()
            if op == ops.PIN_SET:
                pin, level = buf[pos + 1], buf[pos + 2]
                if self.level[pin] != level:
                    self.level[pin] = level
                    fn = self.on_output[pin]
                    if fn is not None:
                        fn(level)
                pos += 3
            elif op == ops.SPI_XFER:
                n = buf[pos + 2]
                pos += 3 + n
                self.spi_frames += 1
                self._read += 1
                device = self._spi_selected
                if device is None:
                    rx = b"\xff" * n
                else:
                    rx = device.spi_transfer(bytes(buf[pos - n : pos]), self._spi_mode, self._spi_baud, clock.now_us)
                buf[ops.RSP_AT : ops.RSP_AT + n] = rx
                clock.now_us += n * 8_000_000 // self._spi_baud
            elif op == ops.SLEEP_MS or op == ops.SLEEP_US:
                amount = int.from_bytes(buf[pos + 1 : pos + 5], "little")
                if self._read:
                    self._book()
                self.interruptible = op == ops.SLEEP_MS
                now_us = clock.now_us
                if now_us - self._turned_us > self.held_us:
                    self.held_us = now_us - self._turned_us
                self.sleep_until_us = (now_us // 1000 + amount) * 1000 if self.interruptible else now_us + amount
                return False
            elif op == ops.SLEEP_ON:
                self.sleep_until_us = self._asleep_until_us
                return False
            elif op == ops.I2C_XFER:
                bus, addr, n, read_n = struct.unpack_from("<BBHH", buf, pos + 1)
                pos += 7 + n
                if self._read:
                    self._book()
                self._i2c(bus, addr, bytes(buf[pos - n : pos]), read_n)
            elif op == ops.SPEND:
                self._spend(buf[pos + 1], buf[pos + 2] | buf[pos + 3] << 8)
                pos += 4
            else:
                pos = self._rare(op, pos)
        if clock.due_us <= clock.now_us:
            clock.run_due()  # a timer may have come due meanwhile: its callback runs before anything else is asked
        self._stamp()
        return True

    def _book(self):
        """Registers were read, and now something else is asked for: in between, the meter has worked on them."""
        n, self._read = min(self._read, REGISTERS), 0
        self._garbage += n * self.costs.book_garbage
        self.clock.now_us += n * self.costs.book_us
        self.clock.run_due()

    def _spend(self, what, n):
        """Computing the meter tells of."""
        costs = self.costs
        if what == ops.TURN:
            us = costs.turn_us
            self.held_us = max(self.held_us, self.clock.now_us - self._turned_us)
            self._turned_us = self.clock.now_us
            self._garbage += costs.turn_garbage
        elif what == ops.LOAD:
            us = costs.load_us + n * costs.load_byte_ns // 1000
            self._garbage += n
        elif what == ops.IN_PLACE:
            us = costs.load_us + n * costs.place_byte_ns // 1000
            self._garbage += n // 3
        elif what == ops.HASH:
            us = n * 64 * costs.hash_byte_ns // 1000
        elif what == ops.COLLECT:
            us = costs.collect_us
            self._garbage = 0
        elif n > 1:
            us = n * costs.field_us
        else:
            us = costs.point_us
            self._garbage += costs.point_garbage
        if self._garbage > costs.garbage_bytes:
            self._garbage = 0
            us += costs.collect_us
        self.clock.now_us += us

    def _bus(self, number):
        """By the number of the hardware, or, by software, by the pin of its clock: on other pins nobody answers."""
        if number & 0x80:
            number = self._soft_buses.get(number & 0x7F, -1)
        return self.buses[number] if number >= 0 else self._nobody

    def _i2c(self, bus, addr, out, read_n):
        buf = self.buf
        clock = self.clock
        if addr == self.board.LCD_ADDR:
            clock.now_us += self.costs.draw_us + self.costs.draw_byte_us * len(out)
        elif addr == self.reader.addr and len(out) + read_n > STATUS_BYTES:
            clock.now_us += self.costs.card_us
        if clock.due_us <= clock.now_us:
            clock.run_due()
        try:
            data = self._bus(bus).transfer(addr, out, read_n)
        except I2cNak:
            buf[ops.RSP_AT] = ops.STATUS_NAK
        except I2cTimeout:
            self.clock.now_us += 50_000  # machine.I2C's default time-out
            buf[ops.RSP_AT] = ops.STATUS_TIMEOUT
        else:
            buf[ops.RSP_AT] = ops.STATUS_OK
            if read_n:
                buf[ops.RSP_AT + 1 : ops.RSP_AT + 1 + read_n] = data

    def _rare(self, op, pos):
        buf = self.buf
        if op == ops.PIN_GET:
            pin = buf[pos + 1]
            stuck = self.stuck.get(pin)
            if stuck is not None:
                buf[ops.RSP_AT] = stuck()
            elif pin == self.board.RELAY_SENSE:
                buf[ops.RSP_AT] = self.relay.sense(self.clock.now_us)
            else:
                buf[ops.RSP_AT] = self.level[pin]
            return pos + 2
        if op == ops.PIN_MODE:
            return pos + 4
        if op == ops.PIN_IRQ:
            self.irq_trigger[buf[pos + 1]] = buf[pos + 2]
            return pos + 3
        if op == ops.SPI_CFG:
            _, self._spi_mode, self._spi_baud = struct.unpack_from("<BBI", buf, pos + 1)
            return pos + 7
        if op == ops.I2C_CFG:
            bus, freq = struct.unpack_from("<BI", buf, pos + 1)
            self._bus(bus).byte_us = -(-9_000_000 // freq)
            return pos + 6
        if op == ops.FLASH_READ:
            offset, n = struct.unpack_from("<IH", buf, pos + 1)
            buf[ops.RSP_AT : ops.RSP_AT + n] = self.flash.read(offset, n)
            self.clock.now_us += self.costs.read_us + n * self.costs.read_byte_ns // 1000
            return pos + 7
        if op == ops.FLASH_PROG:
            offset, n = struct.unpack_from("<IH", buf, pos + 1)
            ok = self.flash.program(offset, bytes(buf[pos + 7 : pos + 7 + n]))
            buf[ops.RSP_AT] = 0 if ok else 1
            self.clock.now_us += 700 * -(-n // 256)  # typical page program time
            return pos + 7 + n
        if op == ops.FLASH_ERASE:
            ok = self.flash.erase(buf[pos + 1] | buf[pos + 2] << 8)
            buf[ops.RSP_AT] = 0 if ok else 1
            self.clock.now_us += 45_000  # typical sector erase time
            return pos + 3
        if op == ops.WATCHDOG:
            if self.wdt_ms and self.clock.now_us > self.wdt_fed_us + self.wdt_ms * 1000:
                raise WatchdogBite  # it has been, while the meter computed
            self.unfed_us = max(self.unfed_us, self.clock.now_us - self.wdt_fed_us) if self.wdt_ms else 0
            timeout_ms = int.from_bytes(buf[pos + 1 : pos + 5], "little")
            self.wdt_ms = timeout_ms or self.wdt_ms
            self.wdt_fed_us = self.clock.now_us
            return pos + 5
        if op == ops.COUNT_GET:
            pulses = self.meter_ic.pulses(self.clock.now_us) if buf[pos + 1] == self.board.METER_CF1 else 0
            struct.pack_into("<I", buf, ops.RSP_AT, pulses & 0xFFFFFFFF)
            return pos + 2
        if op == ops.TIMER:
            number, period_ms, periodic = struct.unpack_from("<BIB", buf, pos + 1)
            self._set_timer(number, period_ms, periodic)
            return pos + 7
        if op == ops.FREQ:
            self.cpu_mhz = buf[pos + 1] | buf[pos + 2] << 8
            if self.cpu_mhz not in (20, 40, 80, 160, 240):
                raise ValueError(f"an ESP32 does not run at {self.cpu_mhz} MHz")
            return pos + 3
        if op == ops.RESET:
            raise MeterReset
        raise ValueError(f"the link knows no operation {op}: stand-in and plant disagree")

    def continue_sleep(self, until_us: int) -> bool:
        """Let a sleeping meter's time pass, at most to until_us. True: it is awake and answered, or has a timer's
        callback to run and then goes on to sleep."""
        target = self.sleep_until_us
        stop = target if target < until_us else until_us
        if self.wdt_ms:
            bite = self.wdt_fed_us + self.wdt_ms * 1000
            if bite <= stop:
                self.clock.sleep_until(bite)
                raise WatchdogBite
        if not self._awake():
            self.clock.sleep_until(stop, self._awake)
        if self.buf[5]:
            self._asleep_until_us, self.sleep_until_us = target, None
            self._stamp()
            return True
        if self.clock.now_us < target and not (self.interruptible and self.pending):
            return False
        self.sleep_until_us = None
        self._turned_us = self.clock.now_us
        if self.pending:
            n = len(self.pending)
            self.buf[ops.IRQ_AT : ops.IRQ_AT + n] = bytes(self.pending)
            self.buf[2] = n
            self.pending.clear()
        self._stamp()
        return True

    def _awake(self):
        return self.buf[5] or (self.interruptible and bool(self.pending))
