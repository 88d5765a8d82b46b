# SPDX-License-Identifier: Apache-2.0
"""What error is left: the calibrated part at a few points, against the reference."""

from dataclasses import dataclass

from .formulas import rounded
from .guide import Plan
from .ic import Ic
from .reference import Point, Source


@dataclass(frozen=True)
class Residual:
    """Errors at a point in ppm of the reference; None where it is not judged. With none at all: not measured."""

    point: Point
    u_ppm: int | None
    i_ppm: int | None
    p_ppm: int | None

    @property
    def measured(self) -> bool:
        return self.p_ppm is not None

    def worst_ppm(self) -> int:
        return max(abs(ppm) for ppm in (self.u_ppm, self.i_ppm, self.p_ppm) if ppm is not None) if self.measured else 0


def error_ppm(shown: int, reference: int) -> int:
    return rounded((shown - reference) * 1_000_000, reference) if reference else 0


def points(plan: Plan, phase: int) -> list[Point]:
    """Where the class is looked at: basic current at PF 1 and 0.5 lagging, and a tenth of it."""
    return [
        Point(phase, plan.u_mv, plan.i_ma),
        Point(phase, plan.u_mv, plan.i_ma, 500),
        Point(phase, plan.u_mv, plan.i_ma // 10),
    ]


def residuals(ic: Ic, source: Source, plan: Plan, phase: int) -> list[Residual]:
    """Measure all points of a phase. At a tenth of the current only power is judged: the part promises RMS values of
    full scale, and power of reading. Of a source that always says the same, that point is left out."""
    found = []
    for point in points(plan, phase):
        full = point.i_ma == plan.i_ma
        if source.fixed and not full:
            found.append(Residual(point, None, None, None))
            continue
        given = source.at(point)
        shown = ic.shown(phase)
        found.append(
            Residual(
                point,
                error_ppm(shown.u_uv, given.u_uv) if full else None,
                error_ppm(shown.i_ua, given.i_ua) if full else None,
                error_ppm(shown.p_uw, given.p_uw),
            )
        )
    return found
