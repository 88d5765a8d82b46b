# SPDX-License-Identifier: Apache-2.0
"""The supplier's preset card: another tariff, other settings, on a running meter; and everything that must not."""

import contextlib

import pytest
from meter.core import codes

from host_tests.bench.cards.cards import DEMO
from host_tests.bench.cards.largest import all_watched, as_bytes, largest
from host_tests.bench.cards.utility_cards import SERIAL, head, new_keys, new_trust, utility_card
from host_tests.bench.documents import settings, tariff
from scripts.supplier.keys import KeySet
from scripts.supplier.utility_formats import COVER_RESET, KEY_CHANGE, SETTINGS, TARIFF, TRUST_CHANGE

from .visits import show


def other_tariff(**changes):
    doc = {**tariff(), "name": "Home 2027", **changes}
    doc["rates"] = [{**rate, "price": "0.5"} for rate in doc["rates"]]
    return doc


def logged(b, code):
    return [e.value for e in b.events() if e.code == code]


def balance_page(b):
    for _ in range(70):  # once round all pages
        if "/kWh" in b.screen() and "/h" in b.screen():
            return b.screen()
        b.run_s(1)
    raise AssertionError(b.screen())


def test_another_tariff_is_in_force_at_once_and_after_a_restart(bench):
    b = bench(load_w=2000)
    said = show(b, utility_card(TARIFF, as_bytes(other_tariff())))
    assert "Please wait" in said and "Tariff changed Home 2027 is in force." in said
    assert "0.5000/kWh" in balance_page(b)
    assert logged(b, codes.LOG_TARIFF_CHANGED) == [codes.BY_CARD]
    b.plug(False)
    b.plug(True)
    b.run_s(5)
    assert "0.5000/kWh" in balance_page(b)
    assert not logged(b, codes.LOG_FAULT) and b.meter.restarts == 0


def test_the_same_card_again_changes_nothing(bench):
    b = bench()
    card = utility_card(TARIFF, as_bytes(other_tariff()))
    show(b, card)
    said = show(b, card)
    assert "Nothing to change: in force already." in said
    assert logged(b, codes.LOG_TARIFF_CHANGED) == [codes.BY_CARD]


def test_other_settings_are_in_force_at_once(bench):
    b = bench(load_w=600, initial_credit="12.00")
    said = show(b, utility_card(SETTINGS, as_bytes(settings(initial_credit="12.00", alarm1="20.00"))))
    assert "Settings changed They are in force." in said
    assert logged(b, codes.LOG_ALARM1) == [0]
    assert logged(b, codes.LOG_SETTINGS_CHANGED) == [codes.BY_CARD]


def test_settings_a_part_was_started_with_wait_for_the_restart_and_say_so(bench):
    b = bench()
    said = show(b, utility_card(SETTINGS, as_bytes(settings(relay_pulse_ms=80))))
    assert "Some need a restart: switch off and on." in said


@pytest.mark.parametrize(
    "kind, document, says",
    [
        (TARIFF, as_bytes(other_tariff(fallback="nowhere")), "Tariff refused fallback"),
        (TARIFF, as_bytes(other_tariff(currency="USD")), "Tariff refused currency"),
        (TARIFF, b'{"name": "Home', "Tariff refused tariff.json this is not JSON"),
        (SETTINGS, as_bytes(settings(meter_number="99")), "Settings refused meter_number is another meter's"),
        (SETTINGS, as_bytes(settings(alarm3="1")), "Settings refused alarm3"),
        (SETTINGS, as_bytes(settings(currency="USD")), "Settings refused currency must be EUR"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_whole_and_logged(bench, kind, document, says):
    b = bench()
    assert says in show(b, utility_card(kind, document))
    assert logged(b, codes.LOG_DOCUMENT_REFUSED) == [codes.BY_CARD | (16 if kind == SETTINGS else 0)]
    assert "0.5000" not in balance_page(b)
    b.plug(False)
    b.plug(True)
    b.run_s(4)
    assert "0.5000" not in balance_page(b) and not logged(b, codes.LOG_FAULT)


def test_a_card_that_is_damaged_or_has_another_key_is_refused(bench):
    b = bench()
    document = as_bytes(other_tariff())
    assert "damaged" in show(b, utility_card(TARIFF, document, header=head(TARIFF, document[:-1] + b" ")))
    assert "damaged" in show(b, utility_card(3, document))
    assert "key is not right" in show(b, utility_card(TARIFF, document, keys=KeySet({1: (b"someone else's 1",) * 6})))
    assert "0.5000" not in balance_page(b)
    assert logged(b, codes.LOG_CARD_REFUSED) == [codes.CARD_MALFORMED, codes.CARD_MALFORMED, codes.CARD_AUTH]


def test_a_card_pulled_while_it_is_read_changes_nothing(bench):
    b = bench()
    for exchanges in range(2, 14, 3):
        card = utility_card(TARIFF, as_bytes(other_tariff()))
        card.pull_after(exchanges)
        assert "Nothing lost" in show(b, card, 3)
    assert "0.5000" not in balance_page(b)
    assert not logged(b, codes.LOG_TARIFF_CHANGED)


def cut_after(b, card, n):
    """Show a card; power fails before operation n of the flash from now on. Then it comes back."""
    flash = b.plant.flash
    left = [n]

    def count(kind):
        real = getattr(flash, kind)

        def counted(*args):
            if left[0] <= 0:
                raise Cut
            left[0] -= 1
            return real(*args)

        setattr(flash, kind, counted)

    count("program")
    count("erase")
    with contextlib.suppress(Cut):
        show(b, card, 4)
    del flash.program, flash.erase
    again(b)


def again(b):
    b.plug(False)
    b.plant.reader.remove(b.plant.clock.now_us)
    b.plug(True)
    b.run_s(4)


class Cut(Exception):
    """Power fails before this operation of the flash."""


def test_a_power_cut_at_any_moment_leaves_the_old_tariff_or_the_new_one(bench):
    """The cut comes at every third operation of the flash, until the change is through."""
    changed = n = 0
    while not changed:
        b = bench(up_s=1.5)
        cut_after(b, utility_card(TARIFF, as_bytes(other_tariff())), n)
        changed = "0.5000/kWh" in balance_page(b)
        assert not logged(b, codes.LOG_FAULT), n
        assert changed or not logged(b, codes.LOG_TARIFF_CHANGED)
        n += 3
        b.plug(False)
    assert n > 9


NUMBER = settings()["meter_number"]
NEXT = KeySet({1: tuple(b"the next keys  %d" % n for n in range(6))}, DEMO.sale, DEMO.order)


def key_card():
    """Another card and utility key for the bench's meter."""
    document = new_keys(NUMBER, 2, NEXT.card_key(1, NUMBER), NEXT.utility_key(1), SERIAL)
    return utility_card(KEY_CHANGE, document, number=NUMBER)


ROTATED = DEMO.rolled_signing("sale", bytes).rolled_signing("order", lambda n: bytes(range(n)))


def trust_card():
    """New public keys of the supplier's."""
    return utility_card(TRUST_CHANGE, new_trust(ROTATED.sale, ROTATED.order))


def inspection(key_card=False, trust_card=False):
    """A card that a meter takes with the keys it was made with, or after one of those cards."""
    signed = {"key": ROTATED.order.seed(), "key_number": 2} if trust_card else {}
    return utility_card(COVER_RESET, keys=NEXT if key_card else DEMO, **signed)


CHANGES = {
    "key_card": (key_card, "Keys changed", codes.LOG_KEYS_CHANGED, codes.CARD_AUTH),
    "trust_card": (trust_card, "Supplier's keys changed", codes.LOG_TRUST_CHANGED, codes.CARD_KEY_OLD),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_keys_are_in_force_at_once_and_after_a_restart_and_those_before_are_not(bench, name):
    card, says, event, code = CHANGES[name]
    b = bench()
    assert says in show(b, card())
    for _ in range(2):
        assert "Inspection" in show(b, inspection(**{name: True}))
        assert "not accepted" in show(b, inspection())
        again(b)
    assert len(logged(b, event)) == 1 and logged(b, codes.LOG_CARD_REFUSED) == [code] * 2
    assert not logged(b, codes.LOG_FAULT) and b.meter.restarts == 0


@pytest.mark.parametrize("name", CHANGES)
def test_a_power_cut_at_any_moment_leaves_the_old_keys_or_the_new_ones(bench, name):
    """The cut comes at every second operation of the flash, until the change is through."""
    card, *_ = CHANGES[name]
    changed = n = 0
    while not changed:
        b = bench(up_s=1.5)
        cut_after(b, card(), n)
        show(b, inspection(**{name: True}), 3)
        changed = len(logged(b, codes.LOG_INSPECTED))
        show(b, inspection(), 3)
        assert len(logged(b, codes.LOG_INSPECTED)) == 1, n
        assert not logged(b, codes.LOG_FAULT), n
        n += 2
        b.plug(False)
    assert n > 3


def test_what_is_not_signed_or_not_for_this_meter_is_refused(bench):
    b = bench()
    document = as_bytes(other_tariff())
    show(b, utility_card(TARIFF, document, signature=bytes(64)))
    show(b, utility_card(TARIFF, document, key=DEMO.sale.seed()))
    show(b, utility_card(TARIFF, document, listed=("PW99999999", "PW99999998")))
    show(b, utility_card(TARIFF, document, serial=SERIAL + 365 * 86_400))
    show(b, utility_card(TARIFF, document, serial=0xFFFFFFFF))
    assert "Tariff changed" in show(b, utility_card(TARIFF, document, listed=("PW99999999", NUMBER)))
    assert logged(b, codes.LOG_CARD_REFUSED) == [
        codes.CARD_SIGNATURE, codes.CARD_SIGNATURE, codes.CARD_FOREIGN, codes.CARD_AHEAD, codes.CARD_AHEAD,
    ]  # fmt: skip


def test_a_damaged_document_gives_way_to_the_one_before_and_is_kept(bench):
    b = bench()
    show(b, utility_card(TARIFF, as_bytes(other_tariff())))
    at = bytes(b.plant.flash.data).rindex(b'"Home 2027"')
    b.plug(False)
    for place in find_all(b.plant.flash.data, b'"Home 2027"'):
        b.plant.flash.data[place] = ord("!")
    assert at
    b.plug(True)
    b.run_s(5)
    assert "the one before is in force" in "\n".join(b.meter.console)
    assert "0.5000" not in balance_page(b) and "Tariff refused" in pages(b)
    assert logged(b, codes.LOG_FAULT) == [codes.FAULT_TARIFF]
    said = show(b, utility_card(TARIFF, as_bytes(other_tariff(name="Home 2028"))))
    assert "Home 2028 is in force" in said
    assert logged(b, codes.LOG_FAULT_CLEARED) == [codes.FAULT_TARIFF]


def find_all(data, needle):
    place = bytes(data).find(needle)
    while place >= 0:
        yield place
        place = bytes(data).find(needle, place + 1)


def pages(b, seconds=60):
    seen = set()
    for _ in range(seconds // 2):
        b.run_s(2)
        seen.add(b.screen())
    return " | ".join(seen)


@pytest.mark.parametrize(
    "kind, doc, says",
    [(TARIFF, largest(), "As large as it gets"), (SETTINGS, all_watched(), "Settings changed")],
    ids=["tariff", "settings"],
)
def test_the_largest_documents_are_read_within_seconds_and_leave_10_kb_of_the_heap(bench, kind, doc, says):
    b = bench(load_w=2000, heap="102k")  # of 112
    document = as_bytes(doc)
    assert (3040 if kind == TARIFF else 2200) <= len(document) <= 3072
    said = show(b, utility_card(kind, document), 9)
    assert says in said, "\n".join(b.meter.console)
    assert b.meter.restarts == 0 and not logged(b, codes.LOG_TASK_CRASH)
