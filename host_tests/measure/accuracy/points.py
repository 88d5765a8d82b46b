# SPDX-License-Identifier: Apache-2.0
"""The load table: where the standards ask for accuracy, and the limit of each class there.

IEC 62053-21:2003 (class 1) and IEC 62053-22:2003 (class 0.5S). Limits in units of 0.1 %.
"""

from dataclasses import dataclass

UN_V, BASE_MA, MAX_MA = 230, 5_000, 100_000
PULSES_PER_KWH = 3200
BALANCED = (0, 1, 2)
PF1, L05, C08 = (1000, 0), (500, 1), (800, -1)  # power factor in 1/1000, sign of the reactive power
_PF_NAMES = {PF1: "1", L05: "0.5 ind", C08: "0.8 cap"}
_GRID_MA = (20, 50, 100, 250, 500, 1_000, 5_000, 20_000, 50_000, MAX_MA)

# (phases loaded, PF): ((from this current on in mA, limit), ...); below the first the class asks for nothing.
_CLASS_1 = {
    (3, PF1): ((250, 15), (500, 10)),
    (3, L05): ((500, 15), (1_000, 10)),
    (3, C08): ((500, 15), (1_000, 10)),
    (1, PF1): ((500, 20),),
    (1, L05): ((1_000, 20),),
}
_CLASS_05S = {
    (3, PF1): ((50, 10), (250, 5)),
    (3, L05): ((100, 10), (500, 6)),
    (3, C08): ((100, 10), (500, 6)),
    (1, PF1): ((250, 6),),
    (1, L05): ((500, 10),),
}
# Classes: starting current in mA, factor of the no-load test's time.
START_MA = {"1": 20, "0.5S": 5}
CREEP = {"1": 600_000_000, "0.5S": 600_000_000}


@dataclass(frozen=True)
class Point:
    i_ma: int
    pf: tuple[int, int] = PF1
    loaded: tuple[int, ...] = BALANCED

    @property
    def series(self) -> str:
        where = "balanced" if len(self.loaded) == 3 else f"phase {'ABC'[self.loaded[0]]} only"
        return f"{where}, PF {_PF_NAMES[self.pf]}"

    def p_mw(self) -> int:
        """The power of one loaded phase."""
        return UN_V * self.i_ma * self.pf[0] // 1000

    def q_mvar(self) -> int:
        s = UN_V * self.i_ma
        q_milli = {1000: 0, 500: 866, 800: 600}[self.pf[0]]
        return self.pf[1] * s * q_milli // 1000

    def limit(self, of: dict) -> int | None:
        """The limit in 0.1 %; None where the class asks for nothing."""
        found = None
        for from_ma, limit in of[len(self.loaded), self.pf]:
            if self.i_ma >= from_ma:
                found = limit
        return found

    def limits(self) -> dict[str, int | None]:
        return {"1": self.limit(_CLASS_1), "0.5S": self.limit(_CLASS_05S)}


def load_table() -> list[Point]:
    """Every point at least one class asks for, and the smallest current."""
    points = [Point(_GRID_MA[0])]
    for pf in (PF1, L05, C08):
        points += [Point(i_ma, pf) for i_ma in _GRID_MA]
    for pf in (PF1, L05):
        for phase in range(3):
            points += [Point(i_ma, pf, (phase,)) for i_ma in _GRID_MA]
    return [points[0], *(p for p in points if any(p.limits().values()))]


def few() -> list[Point]:
    """Enough to see that nothing is broken."""
    return [
        Point(50),
        Point(100_000),
        Point(100, L05),
        Point(5_000, C08),
        Point(250, PF1, (0,)),
        Point(5_000, L05, (1,)),
        Point(100_000, PF1, (2,)),
    ]


def no_load_s(of: str) -> int:
    """t >= C / (k * m * Un * Imax) minutes, 3 measuring elements, as whole seconds."""
    return -(-60 * CREEP[of] // (PULSES_PER_KWH * 3 * UN_V * MAX_MA // 1000))
