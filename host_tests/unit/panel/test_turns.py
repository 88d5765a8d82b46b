# SPDX-License-Identifier: Apache-2.0
"""Which page the panel turns to: each row of the table, and every set of facts against the rules in other words."""

import itertools

import pytest
from meter.panel import turns
from meter.panel.turns import CHANGED, KEY, OVER, PINNED, SAID, UNKNOWN, WORSE

FACTS = (SAID, UNKNOWN, CHANGED, KEY, OVER, PINNED, WORSE)
ALL = sum(FACTS)


def test_what_is_said_goes_before_all_else():
    assert turns.turn(ALL) == turns.turn(SAID) == turns.SAY


def test_before_the_ledger_is_read_and_something_has_ticked_it_is_starting():
    assert turns.turn(ALL & ~SAID) == turns.turn(UNKNOWN) == turns.START


@pytest.mark.parametrize("more", [0, KEY, KEY | OVER | PINNED | WORSE])
def test_other_reasons_to_be_off_are_seen_at_once_whatever_page_a_key_has_chosen(more):
    assert turns.turn(CHANGED | more) == turns.FRONT


@pytest.mark.parametrize("more", [0, PINNED, WORSE])
def test_the_page_of_a_key_goes_back_to_the_front_when_its_time_is_over(more):
    assert turns.turn(KEY | OVER | more) == turns.FRONT


@pytest.mark.parametrize("more", [0, OVER, WORSE])
def test_a_claim_or_an_alarm_holds_the_front(more):
    assert turns.turn(PINNED | more) == turns.FRONT


@pytest.mark.parametrize("more", [0, KEY, KEY | PINNED, OVER])
def test_a_new_fault_is_shown_even_to_who_has_pressed_the_key(more):
    assert turns.turn(WORSE | more) == turns.TROUBLE


def test_the_next_page_comes_when_the_time_of_one_is_over():
    assert turns.turn(OVER) == turns.NEXT


@pytest.mark.parametrize("facts", [0, KEY, KEY | PINNED])
def test_else_the_page_stays(facts):
    assert turns.turn(facts) == turns.STAY


def meant(said, unknown, changed, key, over, pinned, worse):
    if said:
        return turns.SAY
    if unknown:
        return turns.START
    if changed or (over if key else pinned):
        return turns.FRONT
    if worse:
        return turns.TROUBLE
    return turns.NEXT if over else turns.STAY


def test_every_set_of_facts_has_the_turn_it_is_meant_to_have():
    for held in itertools.product((False, True), repeat=len(FACTS)):
        facts = sum(fact for fact, holds in zip(FACTS, held, strict=True) if holds)
        assert turns.turn(facts) == meant(*held), held
