# SPDX-License-Identifier: Apache-2.0
"""One test: load at the terminals, the firmware reads and books, and what it booked against what flowed.

Two truths: the exact energy at the terminals (a Fraction of kWh), and the counts the part's own counters have gone
through. The energy booked is taken from the figure the display would show, with all its decimals.
"""

from dataclasses import dataclass
from fractions import Fraction

from meter.core import account
from meter.core.energy import COUNTS_PER_KWH
from meter.core.settings import Settings
from meter.core.state import MeterState
from meter.drivers.atm90e32.ic import Atm90e32
from meter.drivers.metering_ic.sample import Sample
from meter.panel.text import fixed

from host_tests.bench.plant.direct import DirectSPI
from host_tests.bench.run.cpython import VirtualTime
from host_tests.measure.accuracy.points import MAX_MA, PULSES_PER_KWH, START_MA, UN_V, Point, no_load_s
from scripts.chips.atm90e32 import Atm90e32Chip

ADDED_PPM = 10  # what the firmware may add: 0.001 %
COUNTS = 1_000_000  # the least that a point counts: one is 1 ppm
READS = 300  # ticks to a point, at least
_HALF_REGISTER = 0x8000
_S = 1_000_000
_AP_T = 0x80
_PULSE = 100  # counts
_MJ_PER_COUNT = 36_000_000 // PULSES_PER_KWH
_CREEP_UW = 320_000  # crosstalk of each phase in the no-load test: together just below the threshold


@dataclass(frozen=True)
class Result:
    """added_ppm: booked against the terminals; lost: counts the part has had and the ledger has not."""

    point: Point
    seconds: int
    every_s: int
    energy_kwh: Fraction
    booked_counts: int
    added_ppm: Fraction
    lost: int

    @property
    def passed(self) -> bool:
        return abs(self.added_ppm) <= ADDED_PPM and self.lost == 0


@dataclass(frozen=True)
class Check:
    """Start-up or no load, of one class."""

    what: str
    of: str
    seconds: int
    counts: int
    expected: str
    passed: bool


class Rig:
    """A part, its driver and a ledger, from the start of the meter on."""

    def __init__(self):
        self.vt = VirtualTime()
        self.chip = Atm90e32Chip()
        spi = DirectSPI(self.vt, self.chip)
        cfg = Settings()
        cfg.phases, cfg.current_scale, cfg.i_max_ma, cfg.pulse_constant = 3, 2, MAX_MA, PULSES_PER_KWH
        self.ic = Atm90e32(spi, spi.cs_pin, cfg)
        self.sample = Sample()
        self.state = MeterState()
        self.energy_read_us = 0  # when the register of active energy was fetched last
        self.chip.on_energy_read = self._energy_read  # pyright: ignore[reportAttributeAccessIssue]
        self.vt.run(self.ic.start())

    def _energy_read(self, addr, counts, now_us):
        if addr == _AP_T:
            self.energy_read_us = now_us

    def load(self, point: Point | None, u_mv: int = UN_V * 1000) -> None:
        for n in range(3):
            if point and n in point.loaded:
                self.chip.set_phase(n, u_mv, point.i_ma, point.p_mw(), point.q_mvar(), self.vt.now_us)
            else:
                self.chip.set_phase(n, u_mv, 0, 0, 0, self.vt.now_us)

    def tick(self) -> None:
        self.ic.read_tick(self.sample)
        account.book(self.state, self.sample.import_counts, 0, 250_000)

    def run(self, seconds: int, every_s: int) -> None:
        """This long, read every few seconds (read_s) and once more at the end."""
        began_us = self.vt.now_us
        for n in range(1, -(-seconds // every_s) + 1):
            at_us = began_us + min(n * every_s, seconds) * _S
            self.vt.advance(max(0, at_us - self.vt.now_us))
            self.tick()

    def lost(self) -> int:
        return self.chip.lifetime(_AP_T) - self.chip.peek(_AP_T) - self.state.import_counts


def _times(p_mw: int) -> tuple[int, int]:
    """(duration, seconds between reads) of a point with so much power in all."""
    seconds = max(READS, -(-COUNTS * _MJ_PER_COUNT // p_mw))
    most_s = max(1, _HALF_REGISTER * _MJ_PER_COUNT // p_mw)
    return seconds, min(most_s, max(1, seconds // READS))


def measure(point: Point) -> Result:
    """One point of the load table."""
    rig = Rig()
    p_mw = point.p_mw() * len(point.loaded)
    seconds, every_s = _times(p_mw)
    began_us = rig.vt.now_us
    rig.load(point)
    rig.run(seconds, every_s)
    booked = Fraction(fixed(rig.state.import_counts * 10**9, COUNTS_PER_KWH, 9))
    if booked != Fraction(rig.state.import_counts, COUNTS_PER_KWH):
        raise AssertionError("the figure shown is not what was booked")
    energy = Fraction(p_mw * (rig.energy_read_us - began_us), 3_600_000_000_000_000)
    added = (booked - energy) / energy * 1_000_000
    return Result(point, seconds, every_s, energy, rig.state.import_counts, added, rig.lost())


def start_up(of: str) -> Check:
    """The starting current, balanced, PF 1: it registers, and goes on."""
    rig = Rig()
    point = Point(START_MA[of])
    p_mw = 3 * point.p_mw()
    seconds = 5 * _PULSE * _MJ_PER_COUNT // p_mw
    rig.load(point)
    rig.run(seconds, 1)
    expected = p_mw * seconds // _MJ_PER_COUNT
    counts = rig.state.import_counts
    return Check(f"start-up at {START_MA[of]} mA", of, seconds, counts, f"{expected} ± 1", abs(counts - expected) <= 1)


def no_load(of: str) -> Check:
    """115 % of the voltage, no current, and crosstalk of the front end that stays below the threshold."""
    rig = Rig()
    for front in rig.chip.front:
        front.err(p_offset_uw=_CREEP_UW)
    rig.load(None, UN_V * 1150)
    seconds = no_load_s(of)
    rig.run(seconds, 1)
    counts = rig.state.import_counts
    return Check("no load at 115 % Un", of, seconds, counts, f"≤ {_PULSE}", counts <= _PULSE)
