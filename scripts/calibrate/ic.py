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

U_GAIN, I_GAIN, U_OFFSET, I_OFFSET = 0x61, 0x62, 0x63, 0x64  # of A; B and C 4 and 8 further on
P_OFFSET, Q_OFFSET, PQ_GAIN, PHI = 0x41, 0x42, 0x47, 0x48  # 2 and 4 further on
_P, _Q, _U, _I, _STATE0, _U_ANGLE = 0xB1, 0xB5, 0xD9, 0xDD, 0x71, 0xFD
_RESET, _LAST, _KEY = 0x70, 0x78, 0x7F
_RESET_MS, SETTLE_MS = 45, 700  # two windows of 16 periods
_EACH_MS = 330
_TRIES = 5
_FRESH_N = 4


def at(register: int, phase: int) -> int:
    """The address of a calibration register of phase 0, 1 or 2."""
    return register + phase * (4 if register >= U_GAIN else 2)


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
    return UNITY if addr in (0x61, 0x62, 0x65, 0x66, 0x69, 0x6A) else 0


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

    # -- configuration ----------------------------------------------------------------------------

    def configure(self) -> None:
        """Reset the part and write all of the firmware's table with the words of the calibration. Raises LinkError."""
        link = self.link
        link.write(_RESET, 0x789A)
        link.wait(_RESET_MS)
        link.write(_KEY, 0x55AA)
        seen = link.read(_LAST)
        if seen != 0x55AA:
            raise LinkError(
                f"The metering IC does not answer: wrote 55AA, it says {seen:04X}."
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
        halved = self.scale == 2 and addr in (0x62, 0x66, 0x6A)
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
        sums = [0, 0, 0, 0]
        for n in range(_FRESH_N):
            if n:
                self.link.wait(_EACH_MS)
            for k, addr in enumerate((_U, _I, _P, _Q)):
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
        return self.link.read(_STATE0)

    def u_angle_tenths(self, phase: int) -> int:
        return self.link.read(_U_ANGLE + phase)
