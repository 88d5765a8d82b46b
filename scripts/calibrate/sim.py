# SPDX-License-Identifier: Apache-2.0
"""A meter's IC on this computer: the bench's chip model behind a front end with errors. For learning and for tests."""

import random
from math import isqrt

from scripts.common import meter_code

from .errors import LinkError
from .reference import Point, Reading

_FRAME_US = 40
_START_US = 40_000


class SimLink:
    """link.Link and reference.Source at once: the bench it hangs on shows what it gives, without error.

    seed: the same one gives the same front end. errors: False for an ideal one.
    """

    fixed = False

    def __init__(self, seed: str = "", phases: int = 1, errors: bool = True):
        meter_code.use()
        try:
            from scripts.chips.atm90e32 import Atm90e32Chip
        except ImportError:
            raise LinkError("The simulated part needs the test bench: run this from the source tree.") from None
        self.chip = Atm90e32Chip()
        self.now_us = _START_US
        self.phases = phases
        if errors:
            self._make_wrong(random.Random(f"front end {seed}"))

    def _make_wrong(self, rng):
        for front in self.chip.front:
            front.err(
                u_ppm=rng.randint(-60_000, 60_000),
                i_ppm=rng.randint(-60_000, 60_000),
                lead_udeg=rng.randint(100_000, 900_000),
                u_offset_uv=rng.randint(0, 80_000),
                i_offset_ua=rng.randint(0, 4_000),
                p_offset_uw=rng.randint(-400_000, 400_000),
                q_offset_uvar=rng.randint(-400_000, 400_000),
            )
        self.chip.rewire(self.now_us)

    # -- link -------------------------------------------------------------------------------------

    def read(self, addr: int) -> int:
        return int.from_bytes(self._frame(bytes((0x80 | addr >> 8, addr & 0xFF, 0, 0)))[2:], "big")

    def write(self, addr: int, word: int) -> None:
        self._frame(bytes((addr >> 8, addr & 0xFF, word >> 8, word & 0xFF)))

    def _frame(self, tx):
        self.chip.spi_select(self.now_us)
        rx = self.chip.spi_transfer(tx, 3, 1_000_000, self.now_us)
        self.now_us += _FRAME_US
        self.chip.spi_deselect(self.now_us)
        return rx

    def wait(self, ms: int) -> None:
        self.now_us += ms * 1000

    def close(self) -> None:
        pass

    # -- the test bench ---------------------------------------------------------------------------

    def load(self, phase: int, u_mv: int, p_mw: int, q_mvar: int) -> None:
        """What is at the terminals of a phase from now on."""
        i_ma = isqrt(p_mw * p_mw + q_mvar * q_mvar) * 1000 // u_mv if u_mv else 0
        self.chip.set_phase(phase, u_mv, i_ma, p_mw, q_mvar, self.now_us)

    def at(self, point: Point) -> Reading:
        # The other phases are energised, without current.
        for n in range(self.phases):
            if n != point.phase:
                self.chip.set_phase(n, point.u_mv or 230_000, 0, 0, 0, self.now_us)
        s = point.u_mv * point.i_ma // 1000
        p = s * point.pf_milli // 1000
        self.chip.set_phase(point.phase, point.u_mv, point.i_ma, p, isqrt(s * s - p * p), self.now_us)
        self.wait(700)
        return Reading(point.u_mv * 1000, point.i_ma * 1000, p * 1000)
