# SPDX-License-Identifier: Apache-2.0
"""What a counter has: keys, journal, clock and randomness. Everything done to a card is given one."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from scripts.supplier.journal import CORRECT, ISSUE, REPLACE, RESIGN, SALE, Journal
from scripts.supplier.keys import KeySet
from scripts.supplier.signing import SigningKeys
from scripts.supplier.units import now_utc_s
from scripts.supplier.utility_formats import DONE, KEY_CHANGE, NEXT_START, TRUST_CHANGE, WAS_SO, Answer

from .desfire import Carrier, Desfire


@dataclass(frozen=True)
class Shop:
    keys: KeySet
    journal: Journal
    clock: Callable[[], int] = now_utc_s  # seconds since 2000
    random_bytes: Callable[[int], bytes] = field(default=secrets.token_bytes)

    def card(self, carrier: Carrier) -> Desfire:
        return Desfire(carrier, self.random_bytes)

    def version_for(self, meter_number: str) -> int:
        """Newest key version a meter is known to have, from its reports and its answers to key changes; of a meter
        that never said anything, the newest there is.

        A new meter is provisioned with the newest. One that had an older version when the masters were rolled,
        and whose cards never came back, needs the version said by hand.
        """
        return self.known_version(meter_number) or self.keys.newest

    def known_version(self, meter_number: str) -> int:
        """0: the meter never said."""
        back = self.journal.last_write_back(meter_number)
        return max(back.key_version if back else 0, self._told(meter_number, KEY_CHANGE, "to"))

    def sale_number(self, meter_number: str) -> int:
        """The sale key to sign with for this meter: the newest it is known to have, from its answer to a card with
        public keys or from what it booked last; else the newest there is."""
        booked = self.journal.booked_count(meter_number) or 0
        sold = self.journal.done((SALE, CORRECT, RESIGN, ISSUE, REPLACE), meter_number, -1)
        keys = (entry.data.get("sale_key", 0) for entry in sold if 0 < entry.count <= booked)
        last = next((number for number in keys if number), 0)
        return _fitting(self.keys.sale, [last, self._told(meter_number, TRUST_CHANGE, "sale")])

    def order_number(self, meter_number: str) -> int:
        """The order key to sign with for this meter, as far as its answers tell; "" or unknown: the newest."""
        return _fitting(self.keys.order, [self._told(meter_number, TRUST_CHANGE, "order")] if meter_number else [])

    def _told(self, meter_number, kind, what):
        """Number of the key that the last card of this kind brought to this meter; 0: none came back."""
        for record in self.journal.answers_of(meter_number):
            answer = Answer.unpack(record)
            if answer.kind == kind and answer.result in (DONE, WAS_SO, NEXT_START):
                for card in self.journal.utility_cards(answer.serial):
                    return card.data.get(what, 0)
        return 0


def _fitting(keys: SigningKeys, known: list[int]) -> int:
    number = max(known, default=0)
    return number if number in keys.numbers else keys.newest
