# SPDX-License-Identifier: Apache-2.0
"""An ATM90E32AS behind a link, configured as the firmware would: its readings in uV, uA, uW.

The firmware's own table is written, so that what is measured here is what the meter will measure. Calibration words
are as the document has them: Igain for current_scale 1, halved here as the driver does.
"""

from dataclasses import dataclass

from scripts.common import meter_code

from .errors import LinkError
from .formulas import UNITY, signed
from .link import Link

# What a calibration sets, by the names of the driver's registers without the phase
U_GAIN, I_GAIN, U_OFFSET, I_OFFSET = "U_GAIN", "I_GAIN", "U_OFFSET", "I_OFFSET"
P_OFFSET, Q_OFFSET, PQ_GAIN, PHI = "P_OFFSET", "Q_OFFSET", "PQ_GAIN", "PHI"
_RESET_MS, SETTLE_MS = 45, 700  # two windows of 16 periods
_EACH_MS = 330
_TRIES = 5
_FRESH_N = 4


def registers():
    """The driver's register names."""
    meter_code.use()
    from meter.drivers.atm90e32 import regs

    return regs


def at(register: str, phase: int) -> int:
    """The address of a calibration register of phase 0, 1 or 2."""
    return getattr(registers(), f"{register}_{'ABC'[phase]}")


def init_table(phases: int, scale: int, words: dict[int, int]) -> list[tuple[int, int]]:
    """(address, value) of every configuration register, in the order the firmware writes them."""
    meter_code.use()
    from meter.core.settings import Settings
    from meter.drivers.atm90e32 import table

    settings = Settings()
    settings.phases = phases
    settings.current_scale = scale
    if words:
        settings.calibrated = tuple(zip(*sorted(words.items()), strict=True))
    return [(addr, value) for _, addr, value in table.init_table(settings)]


def default(addr: int) -> int:
    return UNITY if addr in [at(gain, phase) for gain in (U_GAIN, I_GAIN) for phase in range(3)] else 0


@dataclass(frozen=True)
class Shown:
    """What one phase shows, in the mean of several readings. The words are those the offset formulas take."""

    u_uv: int
    i_ua: int
    p_uw: int
    q_uvar: int
    u_word32: int
    i_word32: int
    p_word32: int
    q_word32: int


class Ic:
    def __init__(self, link: Link, phases: int, scale: int, words: dict[int, int] | None = None):
        self.link, self.phases, self.scale = link, phases, scale
        self.words = dict(words or {})
        self._regs = registers()

    # -- configuration ----------------------------------------------------------------------------

    def configure(self) -> None:
        """Reset the part and write all of the firmware's table with the words of the calibration. Raises LinkError."""
        link, regs = self.link, self._regs
        link.write(regs.SOFT_RESET, regs.RESET_KEY)
        link.wait(_RESET_MS)
        link.write(regs.CFG_REG_ACC_EN, regs.CFG_OPEN)
        seen = link.read(regs.LAST_SPI_DATA)
        if seen != regs.CFG_OPEN:
            raise LinkError(
                f"The metering IC does not answer: wrote {regs.CFG_OPEN:04X}, it says {seen:04X}."
                " Check its 3.3 V, PM0 and PM1, chip select and MISO."
            )
        table = init_table(self.phases, self.scale, self.words)
        for addr, value in table:
            link.write(addr, value)
        for addr, value in table:
            self._hold(addr, value)
        link.wait(SETTLE_MS)

    def put(self, addr: int, word: int) -> None:
        """Another word of the calibration, in force at once."""
        self.words[addr] = word
        halved = self.scale == 2 and addr in [at(I_GAIN, phase) for phase in range(3)]
        self._hold(addr, word // 2 if halved else word)
        self.link.wait(SETTLE_MS)

    def word(self, addr: int) -> int:
        return self.words.get(addr, default(addr))

    def _hold(self, addr, value):
        for _ in range(_TRIES):
            if self.link.read(addr) == value:
                return
            self.link.write(addr, value)
        raise LinkError(f"Register {addr:02X} does not keep {value:04X}. Check 3.3 V and the SPI wires.")

    # -- readings ---------------------------------------------------------------------------------

    def _word32(self, addr: int) -> int:
        # An update may fall between the words.
        high = self.link.read(addr)
        for _ in range(_TRIES):
            low = self.link.read(addr + 0x10)
            again = self.link.read(addr)
            if again == high:
                break
            high = again
        return high << 16 | low

    def shown(self, phase: int) -> Shown:
        """The mean of several readings of a phase."""
        regs = self._regs
        sums = [0, 0, 0, 0]
        for n in range(_FRESH_N):
            if n:
                self.link.wait(_EACH_MS)
            for k, addr in enumerate((regs.U_RMS_A, regs.I_RMS_A, regs.P_MEAN_A, regs.Q_MEAN_A)):
                word = self._word32(addr + phase)
                sums[k] += word if k < 2 else signed(word, 32)
        u, i, p, q = (n // _FRESH_N for n in sums)
        return Shown(
            u_uv=u * 10_000 >> 16,
            i_ua=i * 1000 * self.scale >> 16,
            p_uw=p * 320 * self.scale,
            q_uvar=q * 320 * self.scale,
            u_word32=u,
            i_word32=i,
            p_word32=p & 0xFFFFFFFF,
            q_word32=q & 0xFFFFFFFF,
        )

    def state0(self) -> int:
        return self.link.read(self._regs.EMM_STATE_0)

    def u_angle_tenths(self, phase: int) -> int:
        return self.link.read(self._regs.U_ANGLE_A + phase)
