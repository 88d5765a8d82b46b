# SPDX-License-Identifier: Apache-2.0
"""What is on loan: loaded once however many borrow it, and let go with the last of them."""

import sys
from importlib import import_module

import pytest
from meter import heap

LOANS = {"one": ("core.dst", "core.days"), "other": ("core.days",)}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setattr(heap, "LOANS", LOANS)
    for name in ("dst", "days"):
        monkeypatch.delitem(sys.modules, f"meter.core.{name}", raising=False)
        monkeypatch.delattr(import_module("meter.core"), name, raising=False)


def load():
    import_module("meter.core.dst")
    import_module("meter.core.days")


def loaded():
    return {name for name in ("dst", "days") if f"meter.core.{name}" in sys.modules}


def test_what_is_given_back_is_let_go_and_loaded_again_at_the_next_loan():
    heap.borrow("one")
    load()
    heap.give_back("one")
    assert loaded() == set() and not hasattr(sys.modules["meter.core"], "dst")
    heap.borrow("one")
    load()
    assert loaded() == {"dst", "days"}
    heap.give_back("one")


def test_it_stays_until_the_last_of_its_borrowers_gives_it_back():
    heap.borrow("one")
    heap.borrow("one")
    load()
    heap.give_back("one")
    assert loaded() == {"dst", "days"}
    heap.give_back("one")
    assert loaded() == set()


def test_what_two_loans_name_stays_while_either_is_out():
    heap.borrow("one")
    heap.borrow("other")
    load()
    heap.give_back("one")
    assert loaded() == {"days"}
    heap.give_back("other")
    assert loaded() == set()


def test_what_was_borrowed_and_never_loaded_can_be_given_back():
    heap.borrow("one")
    heap.give_back("one")
    assert loaded() == set()


def test_to_borrow_gives_what_can_be_given_back():
    heap.give_back(heap.borrow("other"))


def test_to_give_back_what_is_not_out_is_an_error():
    with pytest.raises(KeyError):
        heap.give_back("one")
