# SPDX-License-Identifier: Apache-2.0
"""What is watched for: when an event begins, when it ends, and what it says was the worst."""

import json
from array import array

from meter.core import codes, watch
from meter.core.errors import ConfigError
from meter.documents import parse

CODE = 128
NONE = watch.NO_GATE


def row(quantity, limit, clear, hold=1, release=1, gate=NONE, bound=0, code=CODE):
    return [code, quantity, gate, bound, limit, clear, hold, release]


def at(quantity, phase):
    """Where a quantity is among all of them."""
    return quantity * 3 + phase if quantity <= watch.OTHERS else quantity + 8


class Home:
    """Quantities, and what was told of them. Each look is a second after the one before."""

    def __init__(self, *rows, phases=1, three_wire=False, seconds=1):
        table = array("h")
        for one in rows:
            table.extend(array("h", one))
        self.watch = watch.Watch(table, phases, three_wire)
        self.n = len(rows)
        self.quantities = array("i", bytes(4 * watch.QUANTITIES))
        self.seconds = seconds
        self.now_s = 0
        self.told = []
        self.takes = True

    def look(self, times=1, behind=None, **quantities):
        """quantities: name of a quantity, or name and phase."""
        for name, value in quantities.items():
            of_phase = name[-2:] in ("_A", "_B", "_C")
            phase = "ABC".find(name[-1]) if of_phase else 0
            quantity = getattr(watch, name[:-2] if of_phase else name)
            self.quantities[at(quantity, phase)] = value
        for _ in range(times):
            self.now_s += self.seconds
            n = self.n if behind is None else behind
            self.watch.step(self.quantities, self.now_s, self.seconds, n, self._tell)
        told, self.told = self.told, []
        return told

    def _tell(self, code, phase, extreme, lasted_s):
        self.told.append((code, phase, extreme, lasted_s))
        return self.takes


def test_a_rising_quantity_begins_at_its_limit_and_ends_at_clear():
    home = Home(row(watch.FREQUENCY, 5100, 5090))
    assert home.look(FREQUENCY=5099) == []
    assert home.look(FREQUENCY=5100) == [(CODE, watch.ALL, 5100, -1)]
    assert home.look(FREQUENCY=5091) == []
    assert home.look(FREQUENCY=5090) == [(CODE + 1, watch.ALL, 5100, 2)]


def test_a_falling_quantity_begins_at_its_limit_and_ends_at_clear():
    home = Home(row(watch.FREQUENCY, 4900, 4910))
    assert home.look(FREQUENCY=4901) == []
    assert home.look(FREQUENCY=4900) == [(CODE, watch.ALL, 4900, -1)]
    assert home.look(FREQUENCY=4909) == []
    assert home.look(FREQUENCY=4910) == [(CODE + 1, watch.ALL, 4900, 2)]


def test_limits_may_be_negative():
    home = Home(row(watch.P, -50, -20))
    assert home.look(P=-49) == []
    assert home.look(P=-50) == [(CODE, 0, -50, -1)]
    assert home.look(P=-21) == []
    assert home.look(P=-20) == [(CODE + 1, 0, -50, 2)]


def test_the_code_of_an_end_is_one_more():
    home = Home(row(watch.COVER, 1, 0, code=80))
    assert home.look(COVER=1)[0][0] == 80
    assert home.look(COVER=0)[0][0] == 81


def test_it_must_hold_so_many_seconds_without_a_break():
    home = Home(row(watch.FREQUENCY, 5100, 5090, hold=5))
    assert home.look(4, FREQUENCY=5100) == []
    assert home.look(FREQUENCY=5099) == []
    assert home.look(4, FREQUENCY=5100) == []
    assert home.look() == [(CODE, watch.ALL, 5100, -1)]
    assert home.look(50) == []


def test_it_must_be_over_for_so_many_seconds_without_a_break():
    home = Home(row(watch.FREQUENCY, 5100, 5090, release=5))
    home.look(FREQUENCY=5100)
    assert home.look(4, FREQUENCY=5000) == []
    assert home.look(FREQUENCY=5091) == []
    assert home.look(4, FREQUENCY=5090) == []
    assert home.look() == [(CODE + 1, watch.ALL, 5100, 10)]
    assert home.look(50) == []


def test_what_nobody_could_take_down_is_told_with_each_look_until_somebody_can():
    for hold, release in ((3, 2), (0, 0)):
        home = Home(row(watch.FREQUENCY, 5100, 5090, hold, release))
        home.takes = False
        begun = home.look(5, FREQUENCY=5100)
        assert len(begun) >= 3 and begun[-1] == (CODE, watch.ALL, 5100, -1)
        home.takes = True
        assert len(home.look(FREQUENCY=5100)) == 1 and home.look(9) == []
        home.takes = False
        over = home.look(5, FREQUENCY=5000)
        assert len(over) >= 3 and over[-1][0] == CODE + 1
        home.takes = True
        assert len(home.look()) == 1 and home.look(9) == []


def test_it_can_come_again():
    home = Home(row(watch.MAGNET, 1, 0))
    told = [home.look(MAGNET=n & 1)[0][0] for n in range(1, 7)]
    assert told == [CODE, CODE + 1] * 3


def test_without_a_hold_one_look_is_enough():
    home = Home(row(watch.PULSES, 20, 10, hold=0, release=0), seconds=5)
    assert home.look(PULSES=20) == [(CODE, watch.ALL, 20, -1)]
    assert home.look(PULSES=10) == [(CODE + 1, watch.ALL, 20, 5)]


def test_looks_some_seconds_apart_count_so_many():
    home = Home(row(watch.FREQUENCY, 5100, 5090, hold=60, release=15), seconds=5)
    assert home.look(11, FREQUENCY=5100) == []
    assert home.look() == [(CODE, watch.ALL, 5100, -1)]
    assert home.look(2, FREQUENCY=5000) == []
    assert home.look() == [(CODE + 1, watch.ALL, 5100, 15)]


def test_the_extreme_is_taken_from_the_first_second_of_the_hold():
    home = Home(row(watch.FREQUENCY, 5100, 5090, hold=3))
    home.look(FREQUENCY=5150)
    home.look(FREQUENCY=5110)
    assert home.look(FREQUENCY=5120) == [(CODE, watch.ALL, 5150, -1)]
    home.look(FREQUENCY=5160)
    home.look(FREQUENCY=5100)
    assert home.look(FREQUENCY=5000)[0][2] == 5160


def test_the_extreme_of_a_falling_quantity_is_the_lowest():
    home = Home(row(watch.P, -50, -20, hold=3))
    home.look(P=-70)
    home.look(P=-90)
    assert home.look(P=-60) == [(CODE, 0, -90, -1)]


def test_the_extreme_of_a_hold_that_was_broken_is_forgotten():
    home = Home(row(watch.FREQUENCY, 5100, 5090, hold=2))
    home.look(FREQUENCY=5300)
    home.look(FREQUENCY=5000)
    home.look(FREQUENCY=5110)
    assert home.look(FREQUENCY=5105) == [(CODE, watch.ALL, 5110, -1)]
    home.look(FREQUENCY=5000)
    home.look(FREQUENCY=5101)
    assert home.look(FREQUENCY=5102) == [(CODE, watch.ALL, 5102, -1)]


def test_what_is_worse_while_the_end_is_waited_for_counts():
    home = Home(row(watch.FREQUENCY, 5100, 5090, release=3))
    home.look(FREQUENCY=5100)
    home.look(FREQUENCY=5000)
    home.look(FREQUENCY=5095)
    home.look(FREQUENCY=5200)
    assert home.look(3, FREQUENCY=5000)[0][2] == 5200


def test_without_so_much_of_its_gate_there_is_no_event():
    home = Home(row(watch.U, 23, 138, hold=2, gate=watch.I, bound=25))
    assert home.look(9, U=0, I=24) == []
    assert home.look(1, I=25) == []
    assert home.look() == [(CODE, 0, 0, -1)]


def test_a_gate_that_fails_begins_the_hold_anew():
    home = Home(row(watch.U, 23, 138, hold=2, gate=watch.I, bound=25))
    home.look(U=0, I=25)
    home.look(I=24)
    assert home.look(I=25) == []
    assert home.look()[0][0] == CODE


def test_a_gate_that_fails_ends_the_event_as_clear_does():
    home = Home(row(watch.U, 23, 138, release=2, gate=watch.I, bound=25))
    home.look(U=0, I=25)
    assert home.look(I=0) == []
    assert home.look() == [(CODE + 1, 0, 0, 2)]


def test_a_negative_bound_wants_less_than_that_of_the_gate():
    home = Home(row(watch.U, 138, 149, gate=watch.I, bound=-3))
    assert home.look(U=100, I=3) == []
    assert home.look(I=2) == [(CODE, 0, 100, -1)]
    assert home.look(I=3) == [(CODE + 1, 0, 100, 1)]


def test_a_quantity_per_phase_is_watched_on_each_by_itself():
    home = Home(row(watch.U, 2760, 2645, hold=2), phases=3)
    assert home.look(U_A=2760, U_B=2300, U_C=2300) == []
    assert home.look(U_C=2800) == [(CODE, 0, 2760, -1)]
    assert home.look(U_A=2645) == [(CODE + 1, 0, 2760, 1), (CODE, 2, 2800, -1)]
    assert home.look(U_B=2900, U_C=0) == [(CODE + 1, 2, 2800, 1)]


def test_the_gate_of_a_phase_is_that_phases():
    home = Home(row(watch.U, 23, 138, gate=watch.I, bound=25), phases=3)
    assert home.look(U_A=0, U_B=0, U_C=0, I_B=30) == [(CODE, 1, 0, -1)]


def test_a_quantity_of_all_is_watched_once():
    home = Home(row(watch.SEQUENCE, 1, 0), phases=3)
    assert home.look(SEQUENCE=1) == [(CODE, watch.ALL, 1, -1)]


def test_three_wires_have_no_phase_b():
    home = Home(row(watch.U, 1794, 1955), row(watch.FREQUENCY, 4900, 4910, code=146), phases=3, three_wire=True)
    told = home.look(U_A=2300, U_B=0, U_C=2300, FREQUENCY=5000)
    assert told == []
    told = home.look(U_A=0, U_C=0, FREQUENCY=0)
    assert told == [(CODE, 0, 0, -1), (CODE, 2, 0, -1), (146, watch.ALL, 0, -1)]


def test_rows_know_nothing_of_each_other():
    home = Home(row(watch.U, 2760, 2645), row(watch.U, 1794, 1955, code=130, hold=2))
    assert home.look(U=2760) == [(CODE, 0, 2760, -1)]
    assert home.look(U=1794) == [(CODE + 1, 0, 2760, 1)]
    assert home.look() == [(130, 0, 1794, -1)]
    assert home.look(U=2300) == [(131, 0, 1794, 1)]


def test_only_the_rows_asked_for_are_looked_at():
    home = Home(row(watch.COVER, 1, 0, code=80), row(watch.MAGNET, 1, 0, code=82), row(watch.OPEN_U, 1, 0, code=92))
    assert home.look(MAGNET=1, OPEN_U=1, behind=2) == [(82, watch.ALL, 1, -1)]
    assert home.look() == [(92, watch.ALL, 1, -1)]


# -- the rows -----------------------------------------------------------------------------------------


def settings(**changes):
    doc = {"meter_number": "1"}
    doc.update(changes)
    return parse.settings(json.loads(json.dumps(doc)))


def rows_of(cfg):
    """code -> row"""
    n = watch.COLUMNS
    return {cfg.watch[i]: list(cfg.watch[i : i + n]) for i in range(0, len(cfg.watch), n)}


def refusal_of(**changes):
    changes["meter_number"] = "1"
    try:
        parse.settings(changes)
    except ConfigError as error:
        return str(error)
    raise AssertionError("accepted")


ONE_PHASE = {
    # name: quantity, gate, bound, limit, clear, hold, release, for 230 V, 5 (60) A
    "COVER_OPEN": [watch.COVER, NONE, 0, 1, 0, 0, 0],
    "MAGNET_ON": [watch.MAGNET, NONE, 0, 1, 0, 0, 0],
    "OPEN_VOLTAGE": [watch.OPEN_U, NONE, 0, 1, 0, 5, 5],
    "BAD_CARDS": [watch.CARDS, NONE, 0, 5, 0, 0, 0],
    "PULSES": [watch.PULSES, NONE, 0, 20, 10, 0, 0],
    "OPEN_ENERGY": [watch.OPEN_W, NONE, 0, 20, 10, 60, 60],
    "NO_VOLTAGE": [watch.U, watch.I, 25, 230, 1380, 60, 60],
    "NEUTRAL": [watch.NEUTRAL, NONE, 0, 50, 25, 60, 60],
    "OVER_VOLTAGE": [watch.U, NONE, 0, 2760, 2645, 60, 60],
    "UNDER_VOLTAGE": [watch.U, NONE, 0, 1794, 1955, 60, 60],
    "OVER_CURRENT": [watch.I, NONE, 0, 6500, 6000, 60, 60],  # the IC shows no more than 65.5 A
    "LOW_PF": [watch.PF, watch.S, 1380, 500, 600, 900, 900],
    "LOW_FREQUENCY": [watch.FREQUENCY, watch.FREQUENCY, 1, 4900, 4910, 60, 60],
    "HIGH_FREQUENCY": [watch.FREQUENCY, NONE, 0, 5100, 5090, 60, 60],
    "REVERSE": [watch.P, NONE, 0, -50, -20, 60, 60],
}
THREE_PHASES = {
    "VOLTAGE_LOSS": [watch.U, watch.I, 2, 1794, 1955, 60, 60],
    "PHASE_FAILURE": [watch.U, watch.I, -2, 1380, 1495, 60, 60],
    "PHASE_SEQUENCE": [watch.SEQUENCE, NONE, 0, 1, 0, 60, 60],
    "VOLTAGE_IMBALANCE": [watch.U_SPREAD, NONE, 0, 300, 250, 60, 60],
    "CURRENT_IMBALANCE": [watch.I_SPREAD, watch.I_HIGH, 3000, 300, 250, 60, 60],
    "CURRENT_LOSS": [watch.I, watch.OTHERS, 500, 2, 4, 14_400, 60],
}


def coded(table):
    return {getattr(codes, "LOG_" + name): [getattr(codes, "LOG_" + name)] + columns for name, columns in table.items()}


def test_what_is_watched_for_on_one_phase():
    assert rows_of(settings()) == coded(ONE_PHASE)


def test_what_is_watched_for_on_three_phases():
    both = dict(ONE_PHASE)
    both.update(THREE_PHASES)
    assert rows_of(settings(phases=3)) == coded(both)


def test_the_limits_follow_what_the_meter_is_made_for():
    rows = rows_of(settings(phases=3, nominal_v=120, base_a=10, max_a=100))
    assert rows[codes.LOG_OVER_VOLTAGE][4:6] == [1440, 1380]
    assert rows[codes.LOG_UNDER_VOLTAGE][4:6] == [936, 1020]
    assert rows[codes.LOG_OVER_CURRENT][4:6] == [12_000, 10_000]
    assert rows[codes.LOG_LOW_PF][3] == 1200
    assert rows[codes.LOG_PHASE_FAILURE][3] == -5
    assert rows[codes.LOG_CURRENT_LOSS][3:6] == [1000, 5, 10]


def test_rows_lie_in_the_order_they_are_looked_at():
    table = settings(phases=3).watch
    quantities = [table[i + 1] for i in range(0, len(table), watch.COLUMNS)]
    assert set(quantities[: watch.BLIND]) == {watch.COVER, watch.MAGNET, watch.OPEN_U, watch.CARDS}


def test_each_event_has_a_row_of_its_own_and_each_begins_with_an_even_code():
    rows = rows_of(settings(phases=3))
    assert len(rows) * watch.COLUMNS == len(settings(phases=3).watch)
    assert all(code % 2 == 0 for code in rows)


def test_who_may_feed_in_is_not_watched_for_that():
    rows = rows_of(settings(exports=True))
    assert rows[codes.LOG_REVERSE][2:4] == [watch.COVER, 32_767]  # a gate nothing passes
    rows = rows_of(settings(exports=True, events={"reverse": {"limit": -4000}}))
    assert rows[codes.LOG_REVERSE][4:6] == [-4000, -20]


def test_limits_can_be_changed_one_by_one():
    default = rows_of(settings())
    for key, at, value in (("limit", 4, 2700), ("clear", 5, 2500), ("hold_s", 6, 0), ("release_s", 7, 32_767)):
        rows = rows_of(settings(events={"over_voltage": {key: value}}))
        wanted = dict(default)
        wanted[codes.LOG_OVER_VOLTAGE] = list(default[codes.LOG_OVER_VOLTAGE])
        wanted[codes.LOG_OVER_VOLTAGE][at] = value
        assert rows == wanted, key


def test_an_event_can_be_switched_off():
    cfg = settings(phases=3, events={"over_voltage": None, "under_voltage": None, "reverse": None})
    home = Home(phases=3)
    home.watch = watch.Watch(cfg.watch, 3)
    home.n = len(cfg.watch) // watch.COLUMNS
    for u, p in ((0, -30_000), (32_000, 30_000)):
        told = home.look(100, U_A=u, U_B=u, U_C=u, P_A=p, P_B=p, P_C=p)
        found = {code & ~1 for code, _, _, _ in told}
        assert not found & {codes.LOG_OVER_VOLTAGE, codes.LOG_UNDER_VOLTAGE, codes.LOG_REVERSE}


def test_refusals_name_the_place():
    for events, words in (
        ([], "events: must be a JSON object"),
        ({"overvoltage": None}, 'events.overvoltage: is not known here; did you mean "over_voltage"?'),
        ({"voltage_loss": None}, "events.voltage_loss: is not known here"),  # of one phase
        ({"over_voltage": 5}, "events.over_voltage: must be a JSON object"),
        ({"over_voltage": {"hold": 5}}, 'events.over_voltage.hold: is not known here; did you mean "hold_s"?'),
        ({"over_voltage": {"limit": "5"}}, "events.over_voltage.limit: must be a whole number"),
        ({"over_voltage": {"hold_s": -1}}, "events.over_voltage.hold_s: -1 is not between 0 and 32767"),
        ({"over_voltage": {"limit": 2645}}, "events.over_voltage: must begin at a limit above clear"),
        ({"over_voltage": {"clear": 2800}}, "events.over_voltage: must begin at a limit above clear"),
        ({"under_voltage": {"clear": 1700}}, "events.under_voltage: must begin at a limit below clear"),
    ):
        found = refusal_of(events=events)
        assert found[: len(words)] == words, (found, words)
    assert refusal_of(events={"over_voltage": {"limit": 32_768}}).endswith("is not between -32767 and 32767")


def test_kinds_of_tampering_that_switch_off():
    assert settings().tamper_trips == 0
    for name, kind in (
        ("cover", codes.TAMPER_COVER), ("magnet", codes.TAMPER_MAGNET), ("reverse", codes.TAMPER_REVERSE),
        ("no_voltage", codes.TAMPER_NO_VOLTAGE), ("current_loss", codes.TAMPER_CURRENT_LOSS),
        ("open_energy", codes.TAMPER_OPEN_ENERGY), ("open_voltage", codes.TAMPER_OPEN_VOLTAGE),
        ("pulses", codes.TAMPER_PULSES), ("neutral", codes.TAMPER_NEUTRAL), ("bad_cards", codes.TAMPER_BAD_CARDS),
        ("pattern", codes.TAMPER_PATTERN), ("clock_back", codes.TAMPER_CLOCK_BACK),
        ("cover_unpowered", codes.TAMPER_COVER_UNPOWERED), ("calibration", codes.TAMPER_CALIBRATION),
    ):  # fmt: skip
        assert settings(tamper_trips=[name]).tamper_trips == 1 << kind, name
        assert getattr(codes, "LOG_" + name.upper(), None) in (None, 80 + 2 * kind), name
    assert settings(tamper_trips=["magnet", "cover", "cover"]).tamper_trips == 3


def test_what_is_no_kind_of_tampering():
    assert refusal_of(tamper_trips="cover") == "tamper_trips: must be a JSON list"
    for name in ("", "covers", 0, None, {}, [], "reminder"):
        assert refusal_of(tamper_trips=["cover", name]) == "tamper_trips: no tampering is called so", name
