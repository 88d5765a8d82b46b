# SPDX-License-Identifier: Apache-2.0
"""ATM90E26 metering IC, one phase, with the neutral's current: frames, start-up and the one-second read.

Source: Atmel-46002B (M90E26 datasheet, 2014), sections 4.1 and 5. SPI mode 3, at most 160 kbit/s. A frame is 24
clocks, MSB first: 1 = read, 7 address bits, 16 data bits; one register per chip select. Frames:
    read_tick   20   status 1, checksums 2; U, I, P, S, neutral I 5; six energy registers, each with its check, 12
                     (+12 where these disagree with each other or with the power, energy.py)
    read_slow   4    check 4    start 116, and 90 ms of waiting; 60 if the part kept all

The part takes a write at any time, and noise can make one of a read. So it keeps checksums of its configuration,
which are read before the energy, every tick: an upset configuration costs what was counted since the tick before,
and is never booked. Measured values are shown as read: a bad one lasts a second.
Current of the sample is the line's; its powers are those of what the part meters, be it the line or, where more
flows, the neutral: a change is seen with the next slow read. (On a line bypassed, the neutral is.)
The part has no register of apparent energy: it is its mean apparent power, held between |P| and U times I, times the
time from tick to tick.
"""

from micropython import const

from meter import heap
from meter.core.errors import ChipError
from meter.drivers.atm90e26.energy import Energy
from meter.drivers.atm90e26.regs import (
    ADJ_START,
    CAL_START,
    CHECKED,
    CS1,
    CS2,
    EN_STATUS,
    FREQ,
    I_RMS,
    I_RMS_2,
    LAST_DATA,
    P_MEAN,
    POWER_F,
    S_MEAN,
    SYS_STATUS,
    U_RMS,
)

_NO_STATUS = const(0x0F1D)  # bits the status register does not have
_ERRORS = const(0xF000)
_SOME_W = const(300)  # a power at which a tick without a count is odd
_TRIES = const(5)


class Atm90e26:
    """One part behind an SPI bus (write_readinto) and a chip select pin. `disturbed`: bad frames seen."""

    def __init__(self, spi, cs, setup):
        self._spi = spi
        self._cs = cs
        self._tx = bytearray(3)
        self._rx = bytearray(3)
        self._cs1 = self._cs2 = 0  # checksums of the configuration
        self._status = 0  # bits seen since the last slow read
        self._line = 0  # 20H: the part meters the neutral, where more flows (datasheet 3.4)
        self._va_mj = 0  # apparent energy, mVAs
        self.disturbed = 0
        self._setup = setup
        self._scale = getattr(setup, "current_scale", 1)
        self._mj = 36_000_000 // setup.pulse_constant  # per count
        self._energy = Energy(self, setup.pulse_constant)

    @staticmethod
    def calibrated() -> tuple:
        """(name of the part, first and last of each range of registers, those that are gains, and trims of a power's
        gain): what a calibration document may set."""
        heap.borrow("atm90e26_start")
        try:
            from meter.drivers.atm90e26 import table

            return table.NAME, table.CALIBRATED, table.GAINS, table.TRIMS
        finally:
            heap.give_back("atm90e26_start")

    # -- frames -----------------------------------------------------------------------------------

    def read(self, addr: int) -> int:
        """A register by one frame; whatever the frame brought."""
        rx = self._rx
        cs = self._cs
        self._tx[0] = 0x80 | addr
        cs(0)
        self._spi.write_readinto(self._tx, rx)
        cs(1)
        return rx[1] << 8 | rx[2]

    def write(self, addr: int, value: int) -> None:
        """Write a register, unverified."""
        tx = self._tx
        tx[0] = addr
        tx[1] = value >> 8
        tx[2] = value & 0xFF
        self._cs(0)
        self._spi.write_readinto(tx, self._rx)
        self._cs(1)
        tx[1] = tx[2] = 0

    def holds(self, addr: int, value: int) -> bool:
        """Does the register hold this? One answer that says so is enough; a bad frame is tried again."""
        # The frame carries the value in its data half: a read that noise turns into a write changes nothing.
        tx = self._tx
        tx[1] = value >> 8
        tx[2] = value & 0xFF
        found = False
        for _ in range(_TRIES):
            if self.read(addr) == value:
                found = True
                break
        tx[1] = tx[2] = 0
        return found

    def read_power(self, reactive: int) -> int:
        """Active (0) or reactive (1) power now of the line that is metered, in W or var."""
        word = self.read(P_MEAN + self._line + reactive)
        return (word - 0x10000 if word & 0x8000 else word) * self._scale

    async def start(self) -> None:
        """Bring the part up. ChipError names stage, register and what to look at.

        A part that has kept power and configuration keeps its counts for the first tick; any other is reset.
        """
        self.stage = "identity"  # what a start that takes too long was at
        heap.borrow("atm90e26_start")
        try:
            from meter.drivers.atm90e26 import start

            self._cs1, self._cs2 = start.checksums(self._setup)
            kept = start.configured(self, self._setup)
            if not kept:
                await start.set_up(self, self._setup)
            await start.run(self, self._cs1, self._cs2)
            self.stage = "energy registers"
            # After a reset, what was counted is what the filters let through while settling.
            start.empty(self._energy, kept)
        finally:
            heap.give_back("atm90e26_start")
        self._energy.restart()

    def _fail(self, what, addr, reason):
        raise ChipError(0, f"{what}, register {addr:02X}H: {reason}")

    # -- reading ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Is it the part we configured, and is its configuration whole? ChipError otherwise."""
        for addr in (CAL_START, ADJ_START):
            if not self.holds(addr, CHECKED):
                seen = self.read(addr)
                if seen in (0, 0xFFFF):
                    self._fail("identity", addr, "no answer: check CS, MISO, USEL, 3.3 V")
                self._fail("identity", addr, f"reads {seen:04X}, was set to {CHECKED:04X}")
        if not self.holds(CS1, self._cs1):
            self._fail("configuration checksum", CS1, "a register changed: check 3.3 V, noise on SPI")
        if not self.holds(CS2, self._cs2):
            self._fail("configuration checksum", CS2, "a register changed: check 3.3 V, noise on SPI")

    def read_tick(self, sample) -> None:
        """The one-second read: U, I, P and the energy since the last one. Never waits; allocates only when a read is
        in doubt.

        ChipError, and nothing to book, if the part does not answer, its configuration is upset, or it counted
        what the mains cannot deliver.
        """
        # Config first: what was counted under another one is not booked.
        status = self.read(SYS_STATUS)
        if status and not (status & _NO_STATUS or self.read(LAST_DATA) != status):
            self._status |= status
            if status & _ERRORS:
                self.check()
                if status >> 14 == 3 or status >> 12 & 3 == 3:
                    self._fail("configuration checksum", SYS_STATUS, "found wrong, and metering stopped")
        elif status:
            self.check()
            self._energy.noise()  # passed: the frame was hit
        if not (self.holds(CS1, self._cs1) and self.holds(CS2, self._cs2)):
            self.check()
        scale = self._scale
        u = self.read(U_RMS)
        i = self.read(I_RMS) * scale
        p = self.read_power(0)
        s = self.read(S_MEAN + self._line) * scale
        sample.neutral_ma = n = self.read(I_RMS_2) * scale
        if u == 0 or u == 0xFFFF:
            self.check()
        sample.urms_mv[0] = u * 10
        sample.irms_ma[0] = i
        sample.p_total_mw = sample.p_mw[0] = p * 1000
        s = max(min(s, (u + 1) * ((n if self._line else i) + 1) // 100_000 + 1), abs(p))
        sample.s_mva[0] = s * 1000
        sample.va_counts = 0

        ms = self._energy.read(p, sample)
        self._va_mj += s * ms
        if sample.import_counts == 0 and sample.export_counts == 0 and abs(p) > _SOME_W:
            self.check()

    def read_slow(self, sample) -> None:
        """Q and power factor, frequency, the state bits as the ATM90E32AS has them, and the apparent energy."""
        sample.q_mvar[0] = self.read_power(1) * 1000
        word = self.read(POWER_F + self._line)  # sign and magnitude
        sample.pf_milli[0] = -(word & 0x7FFF) if word & 0x8000 else word
        sample.freq_chz = self.read(FREQ)
        word = self.read(EN_STATUS)
        self._line = 0 if word & 0x0800 else 0x20
        # No load, active and reactive; sag; reverse active and reactive power, of the phase and in all.
        sample.state0 = word >> 9 & 0x0020 | word >> 9 & 0x0040
        sample.state1 = (self._status & 0x0002) << 13 | (word >> 12 & 1) * 0x000C | (word >> 13 & 1) * 0x00C0
        self._status = 0
        sample.va_counts = self._va_mj // self._mj
        self._va_mj %= self._mj
