# SPDX-License-Identifier: Apache-2.0
"""What the display says of an order: the words of each result, and that no result is without."""

from types import SimpleNamespace

import pytest
from meter.cards import answers
from meter.commands import orders, results
from meter.core import codes
from meter.core.state import MeterState

SAID = {
    (orders.SETTINGS, results.DONE): ("Settings changed", "They are in force.", "", ""),
    (orders.SETTINGS, results.WITH_START): ("Settings changed", "Some need a restart:", "switch off and on.", ""),
    (orders.SETTINGS, results.ALREADY): ("Settings", "Nothing to change:", "in force already.", ""),
    (orders.SETTINGS, results.UNSTORED): ("Settings", "Memory fault:", "nothing was changed.", "Call your supplier"),
    (orders.TARIFF, results.DONE): ("Tariff changed", "Winter", "is in force.", ""),
    (orders.TARIFF, results.LATER): ("Tariff stored", "Summer", "comes in force", "at its time."),
    (orders.TARIFF, results.ALREADY): ("Tariff", "Nothing to change:", "in force already.", ""),
    (orders.TARIFF, results.UNSTORED): ("Tariff", "Memory fault:", "nothing was changed.", "Call your supplier"),
    (orders.KEYS, results.DONE): ("Keys changed", "", "", ""),
    (orders.KEYS, results.ALREADY): ("Keys", "Nothing to change:", "in force already.", ""),
    (orders.KEYS, results.UNSTORED): ("Keys", "Memory fault:", "nothing was changed.", "Call your supplier"),
    (orders.KEYS, results.WELL_KNOWN): (
        "Keys refused:", "They are well known.", "Nothing was changed.", "Make the card again."
    ),
    (orders.RELAY, results.DONE): ("Relay test", "Passed.", "", ""),
    (orders.RELAY, results.STUCK_CLOSED): ("Relay test", "Failed: the relay", "does not open", "Call your supplier"),
    (orders.RELAY, results.STUCK_OPEN): ("Relay test", "Failed: the relay", "does not close", "Call your supplier"),
    (orders.READ_OUT, results.DONE): ("Meter read", "The card has it.", "", ""),
    (orders.READ_OUT, results.NO_ROOM): ("Meter not read", "The card is full:", "empty it at the", "office."),
    (orders.COVER, results.DONE): ("Inspection", "Supply released.", "Cover     3 Magnet 2", "Other signs        7"),
    (orders.COVER, results.ALREADY): (
        "Inspection", "Nothing was blocked.", "Cover     3 Magnet 2", "Other signs        7"
    ),
    (orders.TRUST, results.DONE): ("Supplier's keys", "changed.", "Cards signed before", "are not valid now."),
    (orders.TRUST, results.ALREADY): ("Supplier's keys", "Nothing to change:", "in force already.", ""),
    (orders.TRUST, results.UNSTORED): (
        "Supplier's keys", "Memory fault:", "nothing was changed.", "Call your supplier"
    ),
    (orders.TRUST, results.WELL_KNOWN): (
        "Supplier's keys", "They are well known.", "Nothing was changed.", "Make the card again."
    ),
    (orders.TRUST, results.SAME_KEYS): (
        "Supplier's keys", "Both are the same.", "Nothing was changed.", "Make the card again."
    ),
    (orders.TRUST, results.MISNUMBERED): (
        "Supplier's keys", "Number does not fit.", "Nothing was changed.", "Make the card again."
    ),
    (orders.TRUST, results.NO_KEY): (
        "Supplier's keys", "Sale key is no key.", "Nothing was changed.", "Make the card again."
    ),
    (orders.TRUST, results.UNPROVEN): (
        "Supplier's keys", "Order key unproven.", "Nothing was changed.", "Make the card again."
    ),
}  # fmt: skip


def books():
    s = MeterState()
    for kind, times in ((codes.TAMPER_COVER, 3), (codes.TAMPER_MAGNET, 2), (codes.TAMPER_NEUTRAL, 7)):
        s.tampers[2 * kind] = times
    return SimpleNamespace(s=s, tariff=SimpleNamespace(name="Winter"), later=SimpleNamespace(name="Summer"))


@pytest.mark.parametrize(("kind", "result"), SAID)
def test_each_result_of_an_order_has_its_words(kind, result):
    rows = answers.rows(kind, result, 0, books())
    assert rows == ("\x02 " + SAID[kind, result][0], *SAID[kind, result][1:])
    assert all(len(row) <= 20 for row in rows)


@pytest.mark.parametrize(
    ("kind", "title"), [(orders.SETTINGS, "\x02 Settings refused"), (orders.TARIFF, "\x02 Tariff refused")]
)
def test_a_refused_document_is_named_with_the_place_and_the_beginning_of_the_reason(kind, title):
    value = "rates[3].price.of.what", "must be a number with at most six decimals, as text"
    rows = answers.rows(kind, results.DOCUMENT, value, books())
    assert rows == (title, "rates[3].price.of.wh", "must be a number", "with at most six")


def test_a_result_that_no_order_of_the_kind_has_is_a_bug():
    with pytest.raises(ValueError, match="no words"):
        answers.rows(orders.READ_OUT, results.LATER, 0, books())
