# SPDX-License-Identifier: Apache-2.0
"""The card desk's table: every state with every event, against what it is meant to be."""

import itertools

import pytest
from meter.cards import states
from meter.cards.dialogue import Dialogue
from meter.cards.household import Visit
from meter.cards.states import step

STATES = (
    "RESET", "WAIT", "IDENTIFY", "READ", "RETURN", "ACCOUNT", "WRITE_BACK", "PROVE", "SUPPLIER",
    "RESULT", "FIGURES", "REFUSAL", "UNFINISHED", "REMOVE",
)  # fmt: skip
EVENTS = (
    "READER_OK", "READER_LOST", "CARD_IN", "GENUINE", "JUDGED", "BOOKED",
    "WRITTEN", "UNWRITTEN", "REFUSED", "PULLED", "TIME_UP", "GONE", "NO_HOUSEHOLDS", "SERVED",
    "NEW", "LOOKED",
)  # fmt: skip

# state: "event -> next" for all that may happen; whatever is not here must be refused.
MEANT = """
RESET       READER_OK   WAIT
WAIT        CARD_IN     IDENTIFY
IDENTIFY    GENUINE     READ
IDENTIFY    REFUSED     REFUSAL
IDENTIFY    PULLED      REFUSAL
IDENTIFY    NO_HOUSEHOLDS SUPPLIER
READ        JUDGED      ACCOUNT
READ        NEW         PROVE
PROVE       LOOKED      RETURN
RETURN      JUDGED      ACCOUNT
RETURN      REFUSED     REFUSAL
RETURN      PULLED      REFUSAL
READ        REFUSED     REFUSAL
READ        PULLED      REFUSAL
ACCOUNT     BOOKED      WRITE_BACK
ACCOUNT     REFUSED     REFUSAL
WRITE_BACK  WRITTEN     RESULT
WRITE_BACK  UNWRITTEN   UNFINISHED
SUPPLIER    SERVED      REFUSAL
SUPPLIER    REFUSED     REFUSAL
SUPPLIER    PULLED      REFUSAL
RESULT      TIME_UP     FIGURES
FIGURES     TIME_UP     REMOVE
REFUSAL     TIME_UP     REMOVE
UNFINISHED  TIME_UP     REMOVE
RESULT      GONE        WAIT
FIGURES     GONE        WAIT
REFUSAL     GONE        WAIT
UNFINISHED  GONE        WAIT
REMOVE      GONE        WAIT
"""
NEXT = {(state, event): after for state, event, after in map(str.split, MEANT.strip().splitlines())}
# A reader can be lost wherever it is being talked to.
NEXT |= {(state, "READER_LOST"): "RESET" for state in STATES if state not in ("ACCOUNT", "PROVE")}


def number(name):
    return getattr(states, name)


def test_states_and_events_are_numbered_without_gaps():
    assert sorted(number(name) for name in STATES) == list(range(len(STATES)))
    assert sorted(number(name) for name in EVENTS) == list(range(len(EVENTS)))


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_every_state_with_every_event(state, event):
    if (state, event) in NEXT:
        assert step(number(state), number(event)) == number(NEXT[state, event])
    else:
        with pytest.raises(ValueError, match="card desk"):
            step(number(state), number(event))


def test_money_is_out_of_reach_without_identity_and_judgement():
    """Every path from WAIT to ACCOUNT goes through GENUINE and JUDGED, and that of a new purchase through PROVE."""
    before = {(a, event) for (a, event), b in NEXT.items() if b == "ACCOUNT"}
    assert before == {("READ", "JUDGED"), ("RETURN", "JUDGED")}
    assert {(a, event) for (a, event), b in NEXT.items() if b == "RETURN"} == {("PROVE", "LOOKED")}
    assert {(a, event) for (a, event), b in NEXT.items() if b == "PROVE"} == {("READ", "NEW")}
    assert {(a, event) for (a, event), b in NEXT.items() if b == "READ"} == {("IDENTIFY", "GENUINE")}


def test_from_every_state_the_desk_gets_back_to_waiting():
    for start in STATES:
        reached, todo = set(), [start]
        while todo:
            state = todo.pop()
            if state not in reached:
                reached.add(state)
                todo += [b for (a, _), b in NEXT.items() if a == state]
        assert "WAIT" in reached


def test_every_state_has_something_to_do():
    assert len(Visit._DO) == STATES.index("PROVE") - STATES.index("IDENTIFY")
    assert len(Dialogue._DO) == len(STATES) - STATES.index("RESULT")


def test_a_suppliers_card_never_comes_to_money():
    assert {b for (a, _), b in NEXT.items() if a == "SUPPLIER"} == {"REFUSAL", "RESET"}
