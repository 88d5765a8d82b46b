# SPDX-License-Identifier: Apache-2.0
"""One metering IC on a wire that errs when told to, its driver, and an account of what the driver booked.

A further IC joins with a class of its own here: its row of facts is all that test_ic_contract.py needs.
"""

from types import SimpleNamespace

from meter.drivers.atm90e26 import table as atm90e26_table
from meter.drivers.atm90e26.ic import Atm90e26
from meter.drivers.atm90e32 import table as atm90e32_table
from meter.drivers.atm90e32.ic import Atm90e32
from meter.drivers.metering_ic.sample import Sample

from host_tests.bench.plant.direct import DirectSPI
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.atm90e26 import Atm90e26Chip
from scripts.chips.atm90e32 import Atm90e32Chip

S = 1_000_000


class Wire:
    """The SPI bus, with a finger on it: `flip` = (frame, bit) of the tick; the first bits are MOSI's, then MISO's."""

    def __init__(self, spi, frame_bytes):
        self.spi = spi
        self.frame_bytes = frame_bytes
        self.frames = 0
        self.flip = None
        self.log = []

    def write_readinto(self, tx, rx):
        at = -1
        if self.flip is not None and self.flip[0] == self.frames:
            at = self.flip[1]
        tx = bytearray(tx)
        if 0 <= at < 8 * self.frame_bytes:
            tx[at >> 3] ^= 0x80 >> (at & 7)
        self.spi.write_readinto(tx, rx)
        if at >= 8 * self.frame_bytes:
            rx[(at >> 3) - self.frame_bytes] ^= 0x80 >> (at & 7)
        self.frames += 1
        self.log.append(bytes(tx))


class IcBench:
    chip_type: type
    driver: type
    registers: tuple  # of energy: import, export, reactive import and export
    step: int  # counts of 0.01 pulse a register's unit is
    baudrate: int
    frame_bytes: int
    seed: int

    def __init__(self, phases=1, start=True, seed=None, mode=3, baudrate=None, **setup):
        self.vt = VirtualTime()
        self.chip = self.chip_type(self.seed if seed is None else seed)
        self.phases = phases
        self.spi = DirectSPI(self.vt, self.chip, mode, baudrate or self.baudrate)
        self.wire = Wire(self.spi, self.frame_bytes)
        self.setup = SimpleNamespace(**{"phases": phases, "pulse_constant": 3200} | setup)
        self.restart()
        self.sample = Sample()
        self.booked = [0] * 4
        if start:
            self.start()
            self.counted = [self.chip.lifetime(addr) for addr in self.registers]

    def restart(self):
        """The microcontroller begins again; the part has kept its power."""
        self.ic = self.driver(self.wire, self.spi.cs_pin, self.setup)

    def start(self):
        self.vt.run(self.ic.start())

    def load(self, p_w, q_var=0, u_v=230, i_ma=None, phase=0):
        if i_ma is None:
            i_ma = round((p_w * p_w + q_var * q_var) ** 0.5 * 1000 / u_v)
        self.chip.set_phase(phase, u_v * 1000, i_ma, p_w * 1000, q_var * 1000, self.vt.now_us)

    def load_all(self, p_w, q_var=0):
        for phase in range(self.phases):
            self.load(p_w, q_var, phase=phase)

    def tick(self, n=1, flip=None):
        """n ticks at full seconds; flip disturbs the last one."""
        for k in range(n):
            self.vt.advance(S - self.vt.now_us % S)
            self.wire.frames = 0
            self.wire.flip = flip if k == n - 1 else None
            self.ic.read_tick(self.sample)
            s = self.sample
            new = (s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts)
            self.booked = [a + b for a, b in zip(self.booked, new, strict=True)]
        return self.sample

    def error(self):
        """Booked or still in the part, minus counted by it: import, export, reactive import and export."""
        self.chip.advance(self.vt.now_us)
        step = self.step
        return [
            booked + step * self.chip.peek(addr) - self.chip.lifetime(addr) // step * step + before // step * step
            for booked, addr, before in zip(self.booked, self.registers, self.counted, strict=True)
        ]

    def register(self, addr):
        """What the part holds, read by another master."""
        self.spi.cs_pin(0)
        rx = bytearray(self.frame_bytes)
        self.spi.write_readinto(self.read_frame(addr), rx)
        self.spi.cs_pin(1)
        return rx[-2] << 8 | rx[-1]

    @staticmethod
    def read_frame(addr) -> bytes:
        raise NotImplementedError

    @staticmethod
    def table(setup):
        """(name, address, value) of the configuration the driver writes."""
        raise NotImplementedError


class E26Bench(IcBench):
    chip_type, driver = Atm90e26Chip, Atm90e26
    registers = (0x40, 0x41, 0x43, 0x44)
    step, baudrate, frame_bytes, seed = 10, 150_000, 3, 26
    table = staticmethod(atm90e26_table.init_table)
    # For test_ic_contract.py. A register's address, a value that is not the driver's, and the driver's.
    upset = 0x23, 0x0001, 0x0000
    stuck = 0x29
    runs = ((0x20, 0x8765), (0x30, 0x8765))  # once it is configured
    checked = (0x21, 0x2B, 0x31, 0x38)  # by the part's own check of its configuration
    logged = 0x06  # shows the last frame once more
    silent = r"presence, register 20H: no answer: check CS, MISO, USEL, 3\.3 V"
    another = r"presence, register 20H: took .* for 5678: check part number"
    reset = "identity, register 20H: reads 6886, was set to 8765"
    config = "configuration checksum, register"
    start_counts = 10  # from the end of start() to what a register begins to count

    @staticmethod
    def read_frame(addr):
        return bytes((0x80 | addr, 0, 0))


class E32Bench(IcBench):
    chip_type, driver = Atm90e32Chip, Atm90e32
    registers = (0x80, 0x84, 0x88, 0x8C)
    step, baudrate, frame_bytes, seed = 1, 1_000_000, 4, 32
    table = staticmethod(atm90e32_table.init_table)
    upset = 0x62, 0x8001, 0x8000
    stuck = 0x38
    runs = ((0x7F, 0),)
    checked = (0x07, 0x31, 0x38, 0x62)
    logged = 0x78
    silent = r"presence, register 7FH: no answer: check CS, MISO, 3\.3 V, PM1/PM0"
    another = r"presence, register 7FH: took .* for 55AA: check part number"
    reset = "identity, register 35H"
    config = "configuration CRC, register 79H"
    start_counts = 3

    @staticmethod
    def read_frame(addr):
        return bytes((0x80, addr, 0, 0))


ICS = (E26Bench, E32Bench)
