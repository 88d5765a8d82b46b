# SPDX-License-Identifier: Apache-2.0
"""Quality of the supply: each kind of event is found in the house where it happens, with what was measured, and ends.

Limits and times are the defaults, but for the power factor's: a quarter of an hour is a long test.
"""

from typing import NamedTuple

import pytest
from meter.core import codes

from host_tests.bench.run.session import Bench

HOLD_S = 60
ALL = 3
LOAD_W = 2000
EASY = {"low_pf": {"hold_s": HOLD_S, "release_s": HOLD_S}}


def one_phase(house):
    house.set_voltage(0, 230_000)
    house.set_load(0, LOAD_W * 1000)
    house.set_frequency(5000)


def three_phases(house):
    for phase in range(3):
        house.set_voltage(phase, 230_000)
        house.set_load(phase, LOAD_W * 1000)
    house.swap_phases(False)
    house.set_frequency(5000)


class Case(NamedTuple):
    """What happens, a little and then more so; what is said of it: phase, the value at the begin and at the end."""

    name: str
    code: int
    first: tuple
    then: tuple
    phase: int
    begins: int
    ends: int


def volts(phase, v):
    return ("set_voltage", phase, v * 1000)


def load(phase, w, var=0):
    return ("set_load", phase, w * 1000, var * 1000)


ONE = (
    Case("over-voltage", codes.LOG_OVER_VOLTAGE, volts(0, 277), volts(0, 281), 0, 2770, 2810),
    Case("under-voltage", codes.LOG_UNDER_VOLTAGE, volts(0, 170), volts(0, 160), 0, 1700, 1600),
    Case("low power factor", codes.LOG_LOW_PF, load(0, 800, 1500), load(0, 400, 1500), ALL, 470, 257),
    Case("high frequency", codes.LOG_HIGH_FREQUENCY, ("set_frequency", 5110), ("set_frequency", 5130), ALL, 5110, 5130),
)
THREE = (
    Case("voltage lost under load", codes.LOG_VOLTAGE_LOSS, volts(2, 175), volts(2, 165), 2, 1750, 1650),
    Case("phase failure", codes.LOG_PHASE_FAILURE, volts(1, 0), volts(1, 0), 1, 0, 0),
    Case("phase sequence", codes.LOG_PHASE_SEQUENCE, ("swap_phases", True), ("swap_phases", True), ALL, 1, 1),
    Case("over-current of one", codes.LOG_OVER_CURRENT, load(2, 15_000), load(2, 15_060), 2, 6521, 6547),
    Case("voltage imbalance", codes.LOG_VOLTAGE_IMBALANCE, volts(0, 160), volts(0, 138), ALL, 304, 400),
    Case("current imbalance", codes.LOG_CURRENT_IMBALANCE, load(0, 9200), load(0, 11_500), ALL, 782, 826),
    Case("low frequency", codes.LOG_LOW_FREQUENCY, ("set_frequency", 4890), ("set_frequency", 4870), ALL, 4890, 4870),
)
NORMAL = {1: one_phase, 3: three_phases}
CASES = [pytest.param(1, case, id=f"one phase, {case.name}") for case in ONE] + [
    pytest.param(3, case, id=f"three phases, {case.name}") for case in THREE
]


class Seen(NamedTuple):
    """What a meter said of one case."""

    began_s: int  # when it had begun in the house, and when it was over, by the meter's clock
    over_s: int
    short: list  # what was logged of a disturbance 10 s shorter than its hold
    tampered: bool
    records: list  # incidents: its begin and its end


def act(b, call):
    getattr(b.plant.house, call[0])(*call[1:])


def live(b, phases):
    """Each case in turn, first too short: what was said of each, by name. One begins while another's end is awaited."""
    house = b.plant.house
    NORMAL[phases](house)
    b.run_s(10)
    tampers = bytes(b.state().tampers)
    notes = {}
    for case in ONE if phases == 1 else THREE:
        last = b.events()[-1].number
        act(b, case.then)
        b.run_s(HOLD_S - 10)
        NORMAL[phases](house)
        b.run_s(10)
        short = [e for e in b.events() if e.number > last and e.code == case.code]
        began_s = b.state().utc_s
        act(b, case.first)
        b.run_s(HOLD_S + 10)
        act(b, case.then)
        b.run_s(20)
        NORMAL[phases](house)
        notes[case.name] = (began_s, b.state().utc_s, short, bytes(b.state().tampers) != tampers)
    b.run_s(HOLD_S + 10)
    seen = {}
    for case in ONE if phases == 1 else THREE:
        # Another case may have brought this about, too: it may have to end first.
        mine = [i for i in b.incidents() if i.code & ~1 == case.code and i.utc_s > notes[case.name][0]]
        while mine and mine[0].code != case.code:
            del mine[0]
        seen[case.name] = Seen(*notes[case.name], mine[:2])
    return seen


@pytest.fixture(scope="module")
def meters():
    made = {n: Bench(phases=n, overload_w=0, initial_credit="450.00", events=EASY) for n in NORMAL}
    yield made
    for b in made.values():
        b.close()


@pytest.fixture(scope="module")
def seen(meters):
    return {n: live(b, n) for n, b in meters.items()}


def close(value, expected):
    return abs(value - expected) <= max(1, abs(expected) // 200)


@pytest.mark.parametrize("phases, case", CASES)
def test_it_begins_when_it_has_lasted_its_hold(seen, phases, case):
    s = seen[phases][case.name]
    begun = s.records[0]
    assert begun.code == case.code and begun.phase == case.phase
    assert close(begun.value, case.begins)
    assert HOLD_S - 5 <= begun.utc_s - s.began_s <= HOLD_S + 8
    assert begun.lasted_s == 0 and begun.marks == 0


@pytest.mark.parametrize("phases, case", CASES)
def test_it_ends_when_all_has_been_well_for_as_long_and_says_how_bad_it_was(seen, phases, case):
    s = seen[phases][case.name]
    begun, ended = s.records
    assert ended.code == case.code + 1 and ended.phase == case.phase
    assert close(ended.value, case.ends)
    assert HOLD_S - 5 <= ended.utc_s - s.over_s <= HOLD_S + 8
    assert abs(ended.lasted_s - (ended.utc_s - begun.utc_s)) <= 1


@pytest.mark.parametrize("phases, case", CASES)
def test_shorter_than_its_hold_it_is_nothing(seen, phases, case):
    assert seen[phases][case.name].short == []


@pytest.mark.parametrize("phases, case", CASES)
def test_event_log_and_incidents_name_each_other(meters, seen, phases, case):
    events = {e.number: e for e in meters[phases].events()}
    for record in seen[phases][case.name].records:
        event = events[record.event]
        assert (event.code, event.utc_s) == (record.code, record.utc_s)
        assert (event.value & 3, event.value >> 2) == (record.phase, record.value)


def test_none_of_it_counts_as_tampering(seen):
    assert [case for cases in seen.values() for case, s in cases.items() if s.tampered] == []


def test_an_incident_keeps_what_was_measured_on_all_phases(meters, seen):
    b = meters[3]
    house = b.plant.house
    last = b.incidents()[-1].number
    house.set_load(1, 1500_000, 1100_000)
    house.set_voltage(2, 278_000)
    b.run_s(HOLD_S + 10)
    (found,) = [i for i in b.incidents() if i.number > last]
    assert found.u_dv == (2300, 2300, 2780)
    assert all(close(a, e) for a, e in zip(found.i_ca, (869, 808, 719), strict=True))
    assert found.p_w == (2000, 1500, 2000)
    assert all(close(a, e) for a, e in zip(found.pf_milli, (1000, 806, 1000), strict=True))
    assert found.freq_chz == 5000


def test_what_settings_switch_off_is_not_looked_for(bench):
    b = bench(events={"over_voltage": None})
    b.plant.house.set_voltage(0, 290_000)
    b.run_s(HOLD_S * 3)
    assert codes.LOG_OVER_VOLTAGE not in [e.code for e in b.events()]


def test_other_limits_and_times_are_the_settings(bench):
    b = bench(events={"under_voltage": {"limit": 2070, "clear": 2185, "hold_s": 5, "release_s": 5}})
    b.plant.house.set_voltage(0, 205_000)
    b.run_s(12)
    b.plant.house.set_voltage(0, 212_000)
    b.run_s(12)
    assert [e.code for e in b.events()][-1] == codes.LOG_UNDER_VOLTAGE
    b.plant.house.set_voltage(0, 220_000)
    b.run_s(12)
    assert [e.code for e in b.events()][-1] == codes.LOG_UNDER_VOLTAGE + 1
