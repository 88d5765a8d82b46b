# SPDX-License-Identifier: Apache-2.0
"""The heap at its fullest: what is free at the worst moment of metering, and of each kind of visit.

Looked at where peaks are: at each request to the plant (a read of a module on its way in, a transfer of a card, of
the display, of the memory), after a collection. One run each, no best of several.
"""

from datetime import datetime

from host_tests.bench.cards.cards import DEMO
from host_tests.bench.cards.largest import all_watched, as_bytes, largest
from host_tests.bench.cards.utility_cards import SERIAL, new_keys, new_trust, utility_card
from host_tests.bench.documents import settings, tariff
from host_tests.bench.run.session import Bench
from scripts.supplier.utility_formats import (
    COVER_RESET,
    KEY_CHANGE,
    READ_OUT,
    RELAY_TEST,
    SETTINGS,
    TARIFF,
    TRUST_CHANGE,
)

METERING, HOUSEHOLD, SUPPLIER = "metering", "household", "supplier"
VISIT_S = 12
_EVENING = datetime(2026, 1, 12, 22, 41)  # local midnight, with its registers and the day's charge, is in 19 minutes


def _keys(number):
    document = new_keys(number, 2, b"a new card key 2", b"new utility key2", SERIAL)
    return utility_card(KEY_CHANGE, document, number=number)


def _trust():
    return utility_card(TRUST_CHANGE, new_trust(DEMO.sale.rolled(), DEMO.order.rolled()))


def _listed(number):
    """The longest list of meters, and what is left of the card for a tariff."""
    return utility_card(TARIFF, as_bytes(tariff()), listed=(*(f"LIST{n:08}" for n in range(99)), number))


def visits(number: str):
    """(group, what, card or id of the bench's deck)."""
    yield HOUSEHOLD, "purchase", "good"
    yield HOUSEHOLD, "nothing new on it", "empty"
    yield HOUSEHOLD, "another meter's", "foreign"
    yield HOUSEHOLD, "damaged", "malformed"
    yield HOUSEHOLD, "of the wrong kind", "classic"
    yield SUPPLIER, "settings near all limits", utility_card(SETTINGS, as_bytes(all_watched()))
    yield SUPPLIER, "the largest tariff", utility_card(TARIFF, as_bytes(largest()))
    yield SUPPLIER, "a tariff for a hundred meters", _listed(number)
    yield SUPPLIER, "keys", _keys(number)
    yield SUPPLIER, "supplier's keys", _trust()
    yield SUPPLIER, "relay test", utility_card(RELAY_TEST)
    yield SUPPLIER, "read-out", utility_card(READ_OUT)
    yield SUPPLIER, "inspection", utility_card(COVER_RESET)


def metering(**how) -> tuple[int, int, int]:
    """Bytes free at the worst moment of metering: of ten minutes without the work that is loaded for the first tick of
    each, of five minutes with it, of a midnight. The start is not in it. how: profile and heap of the Bench."""
    with Bench(load_w=600, utc=_EVENING, **how) as b:
        b.run_s(90)
        b.run_s(3 - b.plant.clock.now_us % 60_000_000 / 1_000_000 + 60)
        calm = []
        for _ in range(10):
            b.meter.watch_heap()
            b.run_s(54)
            calm.append(b.meter.heap_low)
            b.meter.watch_heap(False)
            b.run_s(6)
        b.meter.watch_heap()
        b.run_s(240)
        minute = b.meter.heap_low
        b.meter.watch_heap(False)
        b.run_s(90)
        b.meter.watch_heap()
        b.run_s(120)
        return min(calm), minute, b.meter.heap_low


def visit(card, **how) -> tuple[int, str]:
    """(bytes free at the worst moment of a visit, what the display said at its end). RuntimeError when it restarted.
    how: profile and heap of the Bench."""
    with Bench(load_w=600, **how) as b:
        b.run_s(70)
        b.meter.watch_heap()
        if isinstance(card, str):
            b.insert(card)
        else:
            b.plant.reader.insert(card, b.plant.clock.now_us)
        b.run_s(VISIT_S / 3)
        said = b.screen()
        b.run_s(VISIT_S * 2 / 3)
        b.plant.reader.remove(b.plant.clock.now_us)
        b.run_s(VISIT_S / 4)
        if b.meter.restarts:
            raise RuntimeError("\n".join(b.meter.console))
        return b.meter.heap_low, said


if __name__ == "__main__":
    print(METERING, metering())
    for group, what, card in visits(settings()["meter_number"]):
        print(group, what, *visit(card))
