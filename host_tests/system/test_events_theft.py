# SPDX-License-Identifier: Apache-2.0
"""Theft and tampering: each kind is found where it happens in the house, counted, kept as evidence, and, where settings
say so, switches the supply off until the supplier's inspector was here.
"""

from datetime import datetime
from typing import NamedTuple

import pytest
from meter.core import codes
from meter.core.state import times

from host_tests.bench.cards.utility_cards import utility_card
from scripts.supplier.keys import KeySet
from scripts.supplier.utility_formats import RELAY_TEST

from .visits import show

ALL = 3
SINCE = 150  # a comparison begins with what was counted before
# By default a minute, of a lost current four hours: the first test after these has the defaults.
SOON = {"hold_s": 10, "release_s": 10}
EASY = {"reverse": SOON, "no_voltage": SOON, "neutral": SOON}
EASY_3 = {**EASY, "current_loss": SOON}


class Case(NamedTuple):
    """How it is done and undone, how long it takes to be found, and what is said of it."""

    name: str  # in "tamper_trips"
    kind: int
    code: int
    phase: int
    value: int
    begin: object
    end: object
    found_s: int = 20
    over_s: int = 20
    phases: int = 1
    load_w: int = 3000
    board: str = "esp32_devkit"


def house(method, *args):
    return lambda b: getattr(b.plant.house, method)(*args)


def set_on(part, name, value):
    return lambda b: setattr(getattr(b.plant, part), name, value)


def magnet(near):
    return lambda b: b.plant.set_input(b.board.MAGNET, int(near))


def cover(is_open):
    return lambda b: b.plant.cover(is_open)


CASES = (
    Case("cover", codes.TAMPER_COVER, codes.LOG_COVER_OPEN, ALL, 1, cover(True), cover(False), 6, 11),
    Case("magnet", codes.TAMPER_MAGNET, codes.LOG_MAGNET_ON, ALL, 1, magnet(True), magnet(False), 6, 6),
    Case(
        "reverse", codes.TAMPER_REVERSE, codes.LOG_REVERSE, 0, -3000,
        house("reverse_ct", 0), house("reverse_ct", 0, False),
    ),
    Case(
        "reverse", codes.TAMPER_REVERSE, codes.LOG_REVERSE, 1, -3000,
        house("reverse_ct", 1), house("reverse_ct", 1, False), phases=3,
    ),
    Case(
        "no_voltage", codes.TAMPER_NO_VOLTAGE, codes.LOG_NO_VOLTAGE, 0, 0,
        house("cut_voltage_lead", 0), house("cut_voltage_lead", 0, False),
    ),
    Case(
        "no_voltage", codes.TAMPER_NO_VOLTAGE, codes.LOG_NO_VOLTAGE, 2, 0,
        house("cut_voltage_lead", 2), house("cut_voltage_lead", 2, False), phases=3,
    ),
    Case(
        "current_loss", codes.TAMPER_CURRENT_LOSS, codes.LOG_CURRENT_LOSS, 1, 0,
        house("bypass", 1, 1000), house("bypass", 1, 0), phases=3,
    ),
    Case(
        "pulses", codes.TAMPER_PULSES, codes.LOG_PULSES, ALL, 1000,
        set_on("meter_ic", "cf1_dead", True), set_on("meter_ic", "cf1_dead", False), 315, 0, load_w=15_000,
    ),
    Case(
        "pulses", codes.TAMPER_PULSES, codes.LOG_PULSES, ALL, 1000,
        set_on("meter_ic", "registers_dead", True), set_on("meter_ic", "registers_dead", False), 315, 0, load_w=15_000,
    ),
    Case(
        "neutral", codes.TAMPER_NEUTRAL, codes.LOG_NEUTRAL, ALL, 521,
        house("return_by_earth", 500), house("return_by_earth", 0), board="esp32_atm90e26",
    ),
    Case(
        "neutral", codes.TAMPER_NEUTRAL, codes.LOG_NEUTRAL, ALL, 587,
        house("bypass", 0, 500), house("bypass", 0, 0), board="esp32_atm90e26",
    ),
)  # fmt: skip


def named(case):
    return f"{case.name}-{case.board.removeprefix('esp32_')}-{case.phases}{'ABC '[case.phase]}".strip()


def furnished(bench, case, **settings):
    b = bench(
        load_w=case.load_w, board=case.board, phases=case.phases, overload_w=0, initial_credit="450.00",
        events=EASY_3 if case.phases == 3 else EASY, **settings,
    )  # fmt: skip
    for phase in range(case.phases):
        b.plant.house.set_voltage(phase, 230_000)
        b.plant.house.set_load(phase, case.load_w * 1000)
    b.run_s(6)
    return b


def records(b, code):
    return [i for i in b.incidents() if i.code == code]


def counted(b):
    s = b.state()
    return {kind: times(s, kind) for kind in range(16) if times(s, kind)}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_it_is_found_counted_and_kept_and_switches_off_until_the_inspector_was_here(bench, case):
    b = furnished(bench, case, tamper_trips=[case.name])
    assert counted(b) == {}
    case.begin(b)
    b.run_s(case.found_s)
    (begun,) = records(b, case.code)
    assert begun.phase == case.phase
    assert abs(begun.value - case.value) <= (SINCE if case.name == "pulses" else 2)
    assert counted(b) == {case.kind: 1}
    (event,) = [e for e in b.events() if e.code == case.code]
    assert (event.number, event.utc_s, event.value) == (begun.event, begun.utc_s, begun.value * 4 + begun.phase)
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed
    assert "upplier" in b.screen(), "the display says whom to call"
    case.end(b)
    if case.over_s:
        b.run_s(case.over_s)
        (ended,) = records(b, case.code + 1)
        assert ended.lasted_s >= 1 and abs(ended.lasted_s - (ended.utc_s - begun.utc_s)) <= 1
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed, "that it is over releases nothing"
    b.insert("inspector")
    b.run_s(6)
    b.insert(None)
    assert b.state().claims == 0 and b.plant.relay.closed
    assert counted(b) == {case.kind: 1}


def test_without_the_setting_nothing_switches_off_and_the_short_is_nothing(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    reverse, lead = b.plant.house.reverse_ct, b.plant.house.cut_voltage_lead
    for change in (reverse, lead, reverse):
        change(0)
        b.run_s(50)
        change(0, False)
        b.run_s(10)
    assert counted(b) == {} and b.incidents() == []
    reverse(0)
    magnet(True)(b)
    b.run_s(72)
    assert counted(b) == {codes.TAMPER_REVERSE: 1, codes.TAMPER_MAGNET: 1}
    assert b.plant.relay.closed and b.state().claims == 0


def test_neither_a_purchase_nor_the_main_switch_releases_what_tampering_has_blocked(bench):
    b = bench(tamper_trips=["magnet"])
    magnet(True)(b)
    b.run_s(6)
    magnet(False)(b)
    b.insert("good")
    b.run_s(6)
    b.insert(None)
    b.run_s(2)
    assert b.state().purchase_count == 1
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed
    b.plug(False)
    b.plug(True)
    b.run_s(6)
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed


def test_two_at_once_are_one_claim_and_one_inspection(bench):
    """With all kinds named that can be."""
    b = furnished(bench, CASES[0], tamper_trips=[case.name for case in CASES] + ["clock_back", "cover_unpowered"])
    b.plant.cover(True)
    magnet(True)(b)
    b.run_s(6)
    assert counted(b) == {codes.TAMPER_COVER: 1, codes.TAMPER_MAGNET: 1}
    assert b.state().claims == codes.CLAIM_TAMPER
    magnet(False)(b)
    b.plant.cover(False)
    b.insert("inspector")
    b.run_s(6)
    assert b.state().claims == 0 and b.plant.relay.closed


# -- with the supply off ------------------------------------------------------------------------------


def switched_off(bench, fault="none", **settings):
    """A household whose credit is low: the reminder has switched off."""
    b = bench(load_w=6000, initial_credit="3.01", **settings)
    b.fault("relay", fault)
    b.run_s(70)
    assert codes.CLAIM_REMINDER & b.state().claims
    return b


def test_a_wire_around_the_open_contact_is_found_by_its_energy_and_its_voltage(bench):
    b = switched_off(bench)
    counts = b.state().open_counts
    b.plant.house.bridge(True)
    b.run_s(90)
    (energy,) = records(b, codes.LOG_OPEN_ENERGY)
    assert (energy.phase, energy.value) == (ALL, 6000) and energy.marks & 2
    assert energy.p_w[0] == 6000
    assert len(records(b, codes.LOG_OPEN_VOLTAGE)) == 1
    assert counted(b) == {codes.TAMPER_OPEN_ENERGY: 1, codes.TAMPER_OPEN_VOLTAGE: 1}
    assert b.state().open_counts - counts > 85 * 6000 / 11.25
    b.plant.house.bridge(False)
    b.run_s(90)
    assert records(b, codes.LOG_OPEN_ENERGY + 1) and records(b, codes.LOG_OPEN_VOLTAGE + 1)


def test_energy_through_a_welded_contact_is_found(bench):
    b = switched_off(bench, "welded")
    b.run_s(80)
    (energy,) = records(b, codes.LOG_OPEN_ENERGY)
    assert energy.value == 6000
    assert times(b.state(), codes.TAMPER_OPEN_ENERGY) == 1


def test_a_generator_behind_the_open_contact_is_found(bench):
    b = switched_off(bench, tamper_trips=["open_voltage"])
    b.plant.house.generator(True)
    b.run_s(40)
    (found,) = records(b, codes.LOG_OPEN_VOLTAGE)
    assert found.marks & 2
    assert counted(b) == {codes.TAMPER_OPEN_VOLTAGE: 1}
    assert b.state().claims & codes.CLAIM_TAMPER
    b.plant.house.generator(False)
    b.run_s(40)
    assert len(records(b, codes.LOG_OPEN_VOLTAGE + 1)) == 1


# -- without power, and with cards -----------------------------------------------------------------------


def test_a_cover_opened_while_there_is_no_power_is_found_at_the_start(bench):
    b = bench(tamper_trips=["cover_unpowered"])
    b.plug(False)
    b.plant.cover(True)
    b.plant.cover(False)
    b.plug(True)
    b.run_s(8)
    assert len(records(b, codes.LOG_COVER_UNPOWERED)) == 1
    assert counted(b) == {codes.TAMPER_COVER_UNPOWERED: 1}
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed
    b.plug(False)
    b.plug(True)
    b.run_s(8)
    assert counted(b) == {codes.TAMPER_COVER_UNPOWERED: 1}, "told once"


def test_a_clock_that_was_set_back_without_power_is_found(bench):
    b = bench(utc=datetime(2026, 1, 12, 7), tamper_trips=["clock_back"])
    b.plug(False)
    b.plant.rtc.set_time(datetime(2026, 1, 12, 5), b.plant.clock.now_us)
    b.plug(True)
    b.run_s(8)
    (found,) = records(b, codes.LOG_CLOCK_BACK)
    assert abs(found.value - 7200) < 15
    assert counted(b) == {codes.TAMPER_CLOCK_BACK: 1}
    assert b.state().claims == codes.CLAIM_TAMPER and not b.plant.relay.closed


def test_cards_that_try_keys_are_found_and_a_good_card_ends_it(bench):
    b = bench(tamper_trips=["bad_cards"], initial_credit="50.00")
    for n in range(5):
        b.run_s(20)
        show(b, utility_card(RELAY_TEST, keys=KeySet({1: (b"someone else's 1",) * 6})), 4)
        assert bool(records(b, codes.LOG_BAD_CARDS)) == (n == 4)
    (found,) = records(b, codes.LOG_BAD_CARDS)
    assert found.value == 5
    assert counted(b) == {codes.TAMPER_BAD_CARDS: 1}
    assert b.state().claims == codes.CLAIM_TAMPER
    b.run_s(30)
    b.insert("good")
    b.run_s(8)
    b.insert(None)
    b.run_s(8)
    assert len(records(b, codes.LOG_BAD_CARDS + 1)) == 1
