# SPDX-License-Identifier: Apache-2.0
"""Is the meter connected as it should be? Judged by one look at what its IC shows, while an ordinary load runs.

Works without a calibration, and writes nothing. findings() is a pure function. What it relies on: loads of a household
have power factors from 0.7 lagging to 0.85 leading, so the angle between a phase's voltage and its current lies from
-32 to +46 degrees (current lagging is positive). A current transformer turned round moves it by 180 degrees; one on the
conductor of another phase by 120. Which of these was done to which phase: the explanation with the fewest mistakes
that brings all angles to where they belong.
"""

from dataclasses import dataclass
from itertools import permutations, product
from math import atan2, cos, degrees, hypot, radians, sin

from .ic import Ic

WIRINGS = ("1P2W", "3P4W", "3P3W")
_SOME_MA = 50  # below it an angle says nothing
_LIVE = 0.5  # of nominal: less is no voltage
_LEAST_DEG, _MOST_DEG = -32, 46
_MISTAKE_DEG = 25  # an explanation with one mistake more must fit so much better
_EVEN = 0.1  # of nominal: what voltages may differ by
_SEQUENCE = 0x0200  # EMMState0: the voltages come in another order
_STRAY_MA = 100


@dataclass(frozen=True)
class Look:
    """One look: per phase A, B, C voltage in V, current in mA, P in W, Q in var, and the voltage's angle in degrees."""

    u_v: tuple[float, float, float]
    i_ma: tuple[float, float, float]
    p_w: tuple[float, float, float]
    q_var: tuple[float, float, float]
    u_angle: tuple[float, float, float] = (0, 120, 240)
    state0: int = 0
    neutral_ma: int = -1  # measured in the neutral conductor; -1: not measured


@dataclass(frozen=True)
class Finding:
    code: str
    phase: int  # -1: no single one
    advice: str


def look(ic: Ic, neutral_ma: int = -1) -> Look:
    """Read it from the part."""
    shown = [ic.shown(n) for n in range(3)]
    angles = tuple(ic.u_angle_tenths(n) / 10 for n in range(3))
    return Look(
        tuple(s.u_uv / 1e6 for s in shown),  # pyright: ignore[reportArgumentType]
        tuple(s.i_ua / 1e3 for s in shown),  # pyright: ignore[reportArgumentType]
        tuple(s.p_uw / 1e6 for s in shown),  # pyright: ignore[reportArgumentType]
        tuple(s.q_uvar / 1e6 for s in shown),  # pyright: ignore[reportArgumentType]
        angles,  # pyright: ignore[reportArgumentType]
        ic.state0(),
        neutral_ma,
    )


def findings(seen: Look, wiring: str, nominal_v: float = 230, exports: bool = False) -> list[Finding]:
    """What is wrong, each with one sentence of advice; nothing found: an empty list. exports: power may be negative."""
    if wiring not in WIRINGS:
        raise ValueError(f"wiring {wiring}: one of {', '.join(WIRINGS)}")
    voltages = _voltages(seen, wiring, nominal_v)
    found = list(voltages)
    if not any(f.code in ("wiring", "missing", "neutral lost") for f in voltages):
        found += _angles(seen, wiring, exports)
    return found + _neutral(seen, wiring)


def _name(phase):
    return f"Phase {'ABC'[phase]}"


# -- voltages -----------------------------------------------------------------------------------------


def _voltages(seen, wiring, nominal_v):
    live = [u > _LIVE * nominal_v for u in seen.u_v]
    if wiring == "1P2W":
        if not live[0]:
            yield _missing(0)
        extra = [n for n in (1, 2) if live[n]]
        if extra:
            names = " and ".join("BC"[n - 1] for n in extra)
            yield Finding(
                "wiring", -1, f"There is voltage on {names}, but the settings say one phase; set phases to 3."
            )
        return
    needed = (0, 1, 2) if wiring == "3P4W" else (0, 2)
    for n in needed:
        if not live[n]:
            yield _missing(n)
    if not all(live[n] for n in needed):
        return
    yield from _three(seen, wiring, nominal_v)


def _missing(n):
    return Finding("missing", n, f"{_name(n)}: there is no voltage; check its fuse and its terminal.")


def _three(seen, wiring, nominal_v):
    between = (seen.u_angle[2] - seen.u_angle[0]) % 360
    across = min(between, 360 - between)
    if wiring == "3P3W":
        if across > 90:
            yield Finding(
                "wiring",
                -1,
                "The voltages are those of four wires, but the settings say three; set three_wire to false.",
            )
        return
    if across < 90 and seen.u_v[0] > 1.4 * nominal_v and seen.u_v[2] > 1.4 * nominal_v:
        yield Finding(
            "wiring", -1, "The voltages are those of three wires, but the settings say four; set three_wire to true."
        )
        return
    if max(seen.u_v) - min(seen.u_v) > _EVEN * nominal_v:
        lines = _line_voltages(seen)
        if max(lines) - min(lines) < _EVEN * nominal_v and _near(sum(lines) / 3, 3**0.5 * nominal_v, 0.1):
            yield Finding(
                "neutral lost",
                -1,
                "The neutral is lost: phase voltages differ, line voltages do not;"
                " switch off at once and check the neutral terminal.",
            )
        else:
            low = seen.u_v.index(min(seen.u_v))
            yield Finding(
                "uneven",
                low,
                f"{_name(low)}: its voltage is {seen.u_v[low]:.0f} V and others are higher; check its joints.",
            )
    if seen.state0 & _SEQUENCE:
        yield Finding("sequence", -1, "The phases come in the order A, C, B; swap the conductors of B and C.")


def _line_voltages(seen):
    at = [(u * cos(radians(a)), u * sin(radians(a))) for u, a in zip(seen.u_v, seen.u_angle, strict=True)]
    return [hypot(at[n][0] - at[m][0], at[n][1] - at[m][1]) for n, m in ((0, 1), (1, 2), (2, 0))]


def _near(value, wanted, part):
    return abs(value - wanted) < part * wanted


# -- currents -----------------------------------------------------------------------------------------


def _angles(seen, wiring, exports):
    loaded = [n for n in range(3) if seen.i_ma[n] >= _SOME_MA]
    if wiring == "1P2W":
        loaded = [n for n in loaded if n == 0]
    if wiring == "3P3W":
        # Between line voltages and line currents the angles are 30 degrees apart from the load's.
        return [_turned(n) for n in loaded if n != 1 and seen.p_w[n] < 0 and not exports and sum(seen.p_w) < 0]
    angle = [degrees(atan2(seen.q_var[n], seen.p_w[n])) for n in range(3)]
    best, found = None, []
    orders = permutations(range(3)) if len(loaded) > 1 else [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
    if wiring == "1P2W":
        orders = [(0, 1, 2)]
    for order in orders:
        # The transformer of channel n sits on the conductor of phase order[n].
        for turned in product((False, True), repeat=len(loaded)):
            if exports and any(turned):
                continue
            cost = 0.0
            for n, back in zip(loaded, turned, strict=True):
                shift = (seen.u_angle[order[n]] - seen.u_angle[n]) + (180 if back else 0)
                cost += _outside((angle[n] - shift + 180) % 360 - 180, exports) + _MISTAKE_DEG * (
                    back + (order[n] != n)
                )
            if best is None or cost < best - 1e-9:
                best = cost
                found = [_turned(n) for n, back in zip(loaded, turned, strict=True) if back]
                found += [_swapped(n, order[n]) for n in loaded if order[n] != n]
    return found


def _outside(angle, exports):
    """How far from where a load's angle belongs."""
    if exports and abs(angle) > 90:
        angle = (angle + 360) % 360 - 180
    return max(0.0, _LEAST_DEG - angle, angle - _MOST_DEG)


def _turned(n):
    return Finding("turned", n, f"{_name(n)}: the current transformer is turned round; swap its two wires.")


def _swapped(n, other):
    return Finding(
        "swapped",
        n,
        f"{_name(n)}: the current transformer is on the conductor of phase {'ABC'[other]}; move it to {'ABC'[n]}.",
    )


def _neutral(seen, wiring):
    """What goes out on the line and does not come back on the neutral."""
    if wiring != "1P2W" or seen.neutral_ma < 0:
        return []
    stray = seen.i_ma[0] - seen.neutral_ma
    if abs(stray) <= max(_STRAY_MA, 0.05 * seen.i_ma[0]):
        return []
    return [
        Finding(
            "neutral current",
            0,
            f"Line and neutral current differ by {abs(stray) / 1000:.2f} A; look for a leak to earth or a bypass.",
        )
    ]
