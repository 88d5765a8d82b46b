# SPDX-License-Identifier: Apache-2.0
"""The cards lying beside the bench: the household's, the supplier's, and those that must be refused."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from host_tests.bench.cards.cards import personalise, purchase, put, put_purchase, read_back, sell
from host_tests.bench.cards.utility_cards import head, put_head, utility_card
from scripts.chips.card_file import CardFile
from scripts.chips.desfire import DesfireCard
from scripts.chips.mifare_classic import ClassicCard
from scripts.supplier.formats import PURCHASE
from scripts.supplier.utility_formats import COVER_RESET, RELAY_TEST, TARIFF


@dataclass
class BenchCard:
    id: str
    label: str
    text: str
    card: object
    prepare: object = None  # called before it goes into the slot


class Deck:
    """The cards lying beside the bench, for one meter. utc_s: the time, from which an inspector's cards have their
    serials: they are made new whenever one is taken."""

    def __init__(
        self,
        meter_number: str,
        currency: str = "EUR",
        files: Iterable[CardFile] = (),
        utc_s: Callable[[], int] = lambda: 1,
    ):
        uid = bytes.fromhex("04A1B2C3D4E5F0")
        good = DesfireCard(uid)
        personalise(good, meter_number, currency=currency)
        unsold = good.snapshot()
        sell(good, 20_000_000)

        empty = DesfireCard(uid)
        empty.restore(unsold)

        def follow():
            # The same customer's card between two purchases: what was sold last has been booked.
            booked = read_back(good)
            count = booked.purchase_count if booked else 0
            put_purchase(empty, count, 20_000_000 if count else 0)

        def fresh(card, kind):
            return lambda: put_head(card, head(kind, serial=utc_s()))

        replayed = DesfireCard(uid)
        replayed.restore(unsold)
        malformed = DesfireCard(uid)
        malformed.restore(unsold)
        broken = bytearray(purchase(1, 20_000_000, number=meter_number, currency=currency))
        broken[9] ^= 0x40
        put(malformed, PURCHASE, bytes(broken))
        blank = DesfireCard(bytes.fromhex("04A1B2C3D4E5F2"))
        classic = ClassicCard(bytes.fromhex("A1B2C3D4"))
        other = DesfireCard(bytes.fromhex("04A1B2C3D4E5F1"))
        personalise(other, "99999999" if meter_number != "99999999" else "11111111", currency=currency)
        sell(other, 50_000_000)
        flat = {"name": "Flat offer", "currency": currency, "price": "0.20", "standing": "0.10"}
        offer = utility_card(TARIFF, json.dumps(flat).encode(), serial=1, uid="04A1B2C3D4E5E1")
        relay_test = utility_card(RELAY_TEST, uid="04A1B2C3D4E5E2")
        inspector = utility_card(COVER_RESET, uid="04A1B2C3D4E5E3")
        fresh_test, fresh_inspector = fresh(relay_test, RELAY_TEST), fresh(inspector, COVER_RESET)
        self.cards = (
            *(BenchCard(f"file{n}", card.path.name, "From the shop.", card, card.read) for n, card in enumerate(files)),
            BenchCard("good", "Your card", "A purchase of 20.00 waits on it.", good),
            BenchCard("empty", "Your card, used", "Restores supply after a warning.", empty, follow),
            BenchCard("foreign", "Neighbour", "Made for another meter, 50.00 on it.", other),
            BenchCard("replayed", "Old copy", "An image of your card, older than its purchase.", replayed),
            BenchCard("malformed", "Damaged card", "One bit of the purchase record is wrong.", malformed),
            BenchCard("blank", "Blank DESFire", "As it comes from the factory.", blank),
            BenchCard("classic", "Transport card", "A MIFARE Classic: the wrong kind.", classic),
            BenchCard("tariff", "New tariff", "The supplier's: one price, 0.20, at all times.", offer),
            BenchCard("relay", "Relay test", "The supplier's: switches off and on.", relay_test, fresh_test),
            BenchCard(
                "inspector", "Inspector", "The supplier's: releases what tampering blocked.", inspector, fresh_inspector
            ),
        )
        self._by_id = {entry.id: entry for entry in self.cards}

    def card(self, card_id: str):
        """The card as it lies there. KeyError when there is none of that id."""
        return self._by_id[card_id].card

    def take(self, card_id: str):
        """The card, made ready to go into the slot."""
        entry = self._by_id[card_id]
        if entry.prepare is not None:
            entry.prepare()
        return entry.card
