# SPDX-License-Identifier: Apache-2.0
"""ATM90E32AS metering IC: frames, conversions, start-up and the one-second read.

Source: Atmel-46003B (M90E32AS datasheet, 2015), sections 4.2 and 5. SPI mode 3, at most 1.1 Mbit/s.
A frame is 32 clocks, MSB first: 1 = read, 5 ignored bits, 10 address bits, 16 data bits; one register per
chip select. Frames (1 | 3 phases):
    read_tick   14 | 24   CRC status 1; U, I, P 5 per phase; four energy registers, each with its check, 8
                +8 | 24   an audit (energy.py): one phase, every 16th tick and each tick of a noisy line; three
                          phases, each tick, for their own counts
    read_slow   12 | 26   check 2   start 272 | 288, and 75 ms of waiting; 97 | 113 if the part kept all

The part takes a write at any time, and noise can make one of a read. So its CRC status is read before the
energy, every tick: an upset configuration costs what was counted since the tick before, and is never booked.
Measured values are shown as read: a bad one lasts a second.
"""

from micropython import const

from meter import heap
from meter.drivers.atm90e32.energy import Energy
from meter.drivers.atm90e32.regs import (
    CRC_ERR_STATUS,
    EMM_STATE_0,
    EMM_STATE_1,
    FREQ,
    I_RMS_A,
    P_MEAN_A,
    P_START_TH,
    PF_MEAN_A,
    Q_MEAN_A,
    S_MEAN_A,
    U_RMS_A,
)

_SOME_W = const(100)  # a power at which a tick without a count is odd
_TRIES = const(5)


def put_read(tx, addr: int) -> None:
    """Make tx (4 bytes) the frame that reads a register."""
    tx[0] = 0x80 | addr >> 8
    tx[1] = addr & 0xFF
    tx[2] = tx[3] = 0


def put_write(tx, addr: int, value: int) -> None:
    """Make tx (4 bytes) the frame that writes a register."""
    tx[0] = addr >> 8
    tx[1] = addr & 0xFF
    tx[2] = value >> 8
    tx[3] = value & 0xFF


def signed(word: int) -> int:
    """A two's complement word as a number."""
    return word - 0x10000 if word & 0x8000 else word


def power_m(high: int, low: int) -> int:
    """A power of two words, 0.00032 W (var, VA) per count, in mW (mvar, mVA)."""
    return (signed(high) << 16 | low) * 8 // 25


class Atm90e32:
    """One part behind an SPI bus (write_readinto) and a chip select pin. `disturbed`: bad frames seen."""

    def __init__(self, spi, cs, setup):
        self._spi = spi
        self._cs = cs
        self._tx = bytearray(4)
        put_read(self._tx, 0)
        self._rx = bytearray(4)
        self.disturbed = 0
        self._setup = setup
        self._phases = setup.phases
        self._scale = getattr(setup, "current_scale", 1)
        self._sign = 1 if getattr(setup, "absolute", False) else -1
        self._energy = Energy(self, setup.phases, self._sign, setup.pulse_constant)

    @staticmethod
    def calibrated() -> tuple:
        """(name of the part, first and last of each range of registers, those that are gains, and trims of a power's
        gain): what a calibration document may set."""
        heap.borrow("atm90e32_start")
        try:
            from meter.drivers.atm90e32 import table

            return table.NAME, table.CALIBRATED, table.GAINS, table.TRIMS
        finally:
            heap.give_back("atm90e32_start")

    # -- frames -----------------------------------------------------------------------------------

    def read(self, addr: int) -> int:
        """A register, 00H to FFH, by one frame; whatever the frame brought."""
        tx = self._tx
        rx = self._rx
        cs = self._cs
        tx[1] = addr  # all else of the frame stays
        cs(0)
        self._spi.write_readinto(tx, rx)
        cs(1)
        return rx[2] << 8 | rx[3]

    def write(self, addr: int, value: int) -> None:
        """Write a register, unverified."""
        tx = self._tx
        put_write(tx, addr, value)
        self._cs(0)
        self._spi.write_readinto(tx, self._rx)
        self._cs(1)
        put_read(tx, addr)

    def holds(self, addr: int, value: int) -> bool:
        """Does the register hold this? One answer that says so is enough; a bad frame is tried again."""
        # The frame carries the value in its data half: a read that noise turns into a write changes nothing.
        put_write(self._tx, addr, value)
        self._tx[0] |= 0x80
        found = False
        for _ in range(_TRIES):
            if self.read(addr) == value:
                found = True
                break
        put_read(self._tx, addr)
        return found

    def read_power(self, addr: int) -> int:
        """A power in mW (mvar, mVA) by the address of its high word."""
        # High, low, and high again, until no update fell between the words.
        high = self.read(addr)
        for _ in range(_TRIES):
            low = self.read(addr + 0x10)
            again = self.read(addr)
            if again == high:
                break
            high = again
        return power_m(high, low) * self._scale

    async def start(self) -> None:
        """Bring the part up. ChipError names stage, register and what to look at.

        A part that has kept power and configuration keeps its counts for the first tick; any other is reset.
        """
        heap.borrow("atm90e32_start")
        try:
            from meter.drivers.atm90e32 import start

            self._start_th = start.start_threshold(self._setup)
            await start.up(self, self._setup, self._energy)
        finally:
            heap.give_back("atm90e32_start")

    # -- reading ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Is it the part we configured, and is its configuration whole? ChipError otherwise."""
        seen = -1
        if not self.holds(P_START_TH, self._start_th):
            seen = self.read(P_START_TH)
        elif self.holds(CRC_ERR_STATUS, 0):
            return
        heap.borrow("atm90e32_start")
        try:
            from meter.drivers.atm90e32 import start

            start.upset(seen, self._start_th)
        finally:
            heap.give_back("atm90e32_start")

    def read_tick(self, sample) -> None:
        """The one-second read: U, I, P and the energy since the last one. Never waits; allocates only in audits.

        ChipError, and nothing to book, if the part does not answer, its configuration is upset, or it counted
        what the mains cannot deliver.
        """
        # Config first: what was counted under another one is not booked.
        if self.read(CRC_ERR_STATUS):
            self.check()
            self._energy.noise()  # passed: the frame was hit
        sign = self._sign
        p = 0
        for n in range(self._phases):
            u = self.read(U_RMS_A + n)
            sample.urms_mv[n] = u * 10
            sample.irms_ma[n] = self.read(I_RMS_A + n) * self._scale
            sample.p_mw[n] = w = self.read_power(P_MEAN_A + n)
            p += w if sign < 0 or w > 0 else -w
        if u == 0 or u == 0xFFFF:
            self.check()
        sample.p_total_mw = p

        p //= 1000
        sample.va_counts = 0
        self._energy.read(p, sample)
        if sample.import_counts == 0 and sample.export_counts == 0 and abs(p) > _SOME_W:
            self.check()

    def read_slow(self, sample) -> None:
        """Q, S and power factor per phase, frequency, the state bits (EMMState0/1), and the apparent energy."""
        for n in range(self._phases):
            sample.q_mvar[n] = self.read_power(Q_MEAN_A + n)
            sample.s_mva[n] = self.read_power(S_MEAN_A + n)
            sample.pf_milli[n] = signed(self.read(PF_MEAN_A + n))
        sample.freq_chz = self.read(FREQ)
        sample.state0 = self.read(EMM_STATE_0)
        sample.state1 = self.read(EMM_STATE_1)
        sample.va_counts = self._energy.apparent()
