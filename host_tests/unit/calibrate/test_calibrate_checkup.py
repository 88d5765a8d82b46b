# SPDX-License-Identifier: Apache-2.0
"""The installation check: each mistake, made at the chip model's terminals, gets its sentence, and a good one none."""

from math import atan2, cos, degrees, radians, sin

import pytest

from scripts.calibrate.checkup import Look, findings, look
from scripts.calibrate.ic import Ic
from scripts.calibrate.sim import SimLink

LAG = (10, 25, 0)  # degrees of the loads of A, B, C
AMPERES = (6.0, 4.0, 9.0)


class House:
    """Voltages and currents as phasors; a transformer may sit elsewhere, or the wrong way round."""

    def __init__(self, phases=3, lag=LAG, amperes=AMPERES, u_v=(230, 230, 230), turn=(0, 120, 240)):
        self.link = SimLink(errors=False, phases=phases)
        self.ic = Ic(self.link, phases, 1)
        self.ic.configure()
        self.phases, self.u_v, self.turn = phases, list(u_v), turn
        self.amperes, self.lag = list(amperes), lag
        self.on = [0, 1, 2]  # the conductor each transformer is on
        self.back = [False] * 3

    def look(self, neutral_ma=-1) -> Look:
        chip, now_us = self.link.chip, self.link.now_us
        chip.set_turn(round(self.turn[1] * 10), round(self.turn[2] * 10), now_us)
        for n in range(self.phases):
            m = self.on[n]
            angle = self.turn[m] + self.lag[m] + (180 if self.back[n] else 0) - self.turn[n]
            s = self.u_v[n] * self.amperes[m]
            p, q = s * cos(radians(angle)), s * sin(radians(angle))
            chip.set_phase(
                n, self.u_v[n] * 1000, round(self.amperes[m] * 1000), round(p * 1000), round(q * 1000), now_us
            )
        self.link.wait(1000)
        return look(self.ic, neutral_ma)

    def said(self, wiring="3P4W", neutral_ma=-1, **more):
        return [f.advice for f in findings(self.look(neutral_ma), wiring, **more)]


def turned(n):
    return f"Phase {'ABC'[n]}: the current transformer is turned round; swap its two wires."


def moved(n, m):
    a, b = "ABC"[n], "ABC"[m]
    return f"Phase {a}: the current transformer is on the conductor of phase {b}; move it to {a}."


def test_a_good_installation_gets_no_advice():
    assert House().said() == []
    assert House(1).said("1P2W") == []


@pytest.mark.parametrize("lag", [(45, 45, 45), (-30, -30, -30), (45, -30, 0), (0, 0, 0)])
def test_ordinary_loads_are_no_mistake(lag):
    assert House(lag=lag).said() == []


def test_one_odd_load_is_not_taken_for_two_mistakes():
    # 60 degrees lagging: a transformer turned round on another conductor would explain it, too.
    assert House(lag=(62, 0, 0), amperes=(6, 0, 0)).said() == []


@pytest.mark.parametrize("n", range(3))
def test_a_transformer_turned_round(n):
    house = House()
    house.back[n] = True
    assert house.said() == [turned(n)]


def test_the_only_transformer_turned_round():
    house = House(1)
    house.back[0] = True
    assert house.said("1P2W") == [turned(0)]


def test_all_three_turned_round():
    house = House()
    house.back = [True] * 3
    assert house.said() == [turned(0), turned(1), turned(2)]


def test_a_household_that_feeds_in_is_no_mistake():
    house = House(lag=(170, 180, 190))
    assert house.said() != []
    assert house.said(exports=True) == []


@pytest.mark.parametrize("a, b", [(0, 1), (0, 2), (1, 2)])
def test_two_transformers_exchanged(a, b):
    house = House()
    house.on[a], house.on[b] = b, a
    assert house.said() == [moved(a, b), moved(b, a)]


@pytest.mark.parametrize("on", [[1, 2, 0], [2, 0, 1]])
def test_all_three_moved_on_by_one(on):
    house = House()
    house.on = on
    assert house.said() == [moved(n, on[n]) for n in range(3)]


def test_one_turned_round_and_two_exchanged():
    house = House()
    house.on, house.back = [1, 0, 2], [False, False, True]
    assert house.said() == [turned(2), moved(0, 1), moved(1, 0)]


def test_phases_without_current_are_not_judged():
    house = House(amperes=(6, 0, 0))
    house.back[0] = True
    assert house.said() == [turned(0)]
    assert House(amperes=(0, 0, 0)).said() == []


@pytest.mark.parametrize("n", range(3))
def test_a_missing_phase(n):
    house = House()
    house.u_v[n] = 0
    house.amperes[n] = 0
    assert house.said() == [f"Phase {'ABC'[n]}: there is no voltage; check its fuse and its terminal."]


def test_a_meter_of_one_phase_without_voltage():
    assert House(1, u_v=(0, 0, 0), amperes=(0, 0, 0)).said("1P2W") == [
        "Phase A: there is no voltage; check its fuse and its terminal."
    ]


def test_phases_in_the_wrong_order():
    said = House(turn=(0, 240, 120)).said()
    assert said == ["The phases come in the order A, C, B; swap the conductors of B and C."]


def test_three_phases_behind_settings_of_one():
    assert House().said("1P2W") == ["There is voltage on B and C, but the settings say one phase; set phases to 3."]


def line_voltages():
    """A-B on A and C-B on C: 60 degrees apart; B is not used."""
    return House(u_v=(400, 0, 400), amperes=(6, 0, 6), turn=(0, 120, 60), lag=(30, 0, -30))


def test_three_wires_are_good_where_they_should_be():
    assert line_voltages().said("3P3W") == []


def test_three_wires_behind_settings_of_four():
    said = House(u_v=(400, 400, 400), turn=(0, 120, 60), amperes=(0, 0, 0)).said()
    assert said == ["The voltages are those of three wires, but the settings say four; set three_wire to true."]


def test_four_wires_behind_settings_of_three():
    assert House().said("3P3W") == [
        "The voltages are those of four wires, but the settings say three; set three_wire to false."
    ]


def test_a_lost_neutral():
    # The star point has moved by 60 V towards A: line voltages are what they were.
    x, y = 230 * cos(radians(120)) - 60, 230 * sin(radians(120))
    far = (x * x + y * y) ** 0.5
    angle = degrees(atan2(y, x))
    said = House(u_v=(170, round(far), round(far)), turn=(0, angle, 360 - angle)).said()
    assert said == [
        "The neutral is lost: phase voltages differ, line voltages do not;"
        " switch off at once and check the neutral terminal."
    ]


def test_one_low_phase_is_no_lost_neutral():
    said = House(u_v=(230, 195, 230)).said()
    assert said == ["Phase B: its voltage is 195 V and others are higher; check its joints."]


def test_current_that_does_not_come_back_on_the_neutral():
    house = House(1)
    assert house.said("1P2W", neutral_ma=5_950) == []
    assert house.said("1P2W", neutral_ma=4_000) == [
        "Line and neutral current differ by 2.00 A; look for a leak to earth or a bypass."
    ]


def test_a_wiring_nobody_knows():
    with pytest.raises(ValueError):
        findings(House(1).look(), "2P3W")


def test_a_look_writes_nothing():
    house = House()
    writes = []
    house.link.write = lambda addr, word: writes.append(addr)
    house.look()
    assert writes == []
