# SPDX-License-Identifier: Apache-2.0
"""Mistakes at the counter are put right, with the card on the reader.

    correct     another amount or debt for the last purchase, or another currency for the card
    take_back   the last purchase comes off the card; its number is sold again
    blank       a card made for the wrong meter is as new
    resign      the last purchase is signed with another key: for a meter that says the key is not in force

The card's write-back decides: what the meter has booked is not touched, and a card that has been accepted by its
meter keeps meter and currency. A meter books before it writes onto the card, so one that was pulled out in between
comes without the report. That costs nothing twice, for a number is booked once; when the meter has booked something
else than what was put right, the next reading says how much (user_card.py).

A purchase that was put right or taken back was signed all the same: somebody who had copied it, with the card key out
of the meter itself, could book that one in place of the next. Once, and the next reading says so.

What another shop sold is put right there: its journal would bring it back with the next replacement.
"""

from dataclasses import dataclass, replace

from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import Refused
from scripts.supplier.formats import Identity, Purchase, SignedPurchase
from scripts.supplier.journal import BLANK, CORRECT, DONE, RESIGN, SALE, Entry
from scripts.supplier.keys import CARD_KEYS, USER_AID
from scripts.supplier.units import money_text

from .desfire import Carrier
from .personalise import change_keys, has_application
from .shop import Shop
from .user_card import UserCard, purchase_data, read_card, write_purchase


@dataclass(frozen=True)
class Corrected:
    meter_number: str
    currency: str
    before: Purchase
    purchase: Purchase
    settled: list[str]
    sale_key: int = 0


def correct(
    shop: Shop,
    carrier: Carrier,
    amount_micro: int | None = None,
    debt_micro: int | None = None,
    currency: str | None = None,
) -> Corrected:
    """Put amount, debt or currency right; None leaves what is there. Refused: the meter has booked it already."""
    if amount_micro is None and debt_micro is None and currency is None:
        raise Refused("Say what is to be put right: --amount, --debt or --currency.")
    found = read_card(shop, carrier)
    had, identity = found.purchase, found.identity
    purchase = had
    if amount_micro is not None or debt_micro is not None:
        _refuse_booked(shop, found)
        purchase = replace(
            had,
            amount_micro=had.amount_micro if amount_micro is None else amount_micro,
            debt_micro=had.debt_micro if debt_micro is None else debt_micro,
        )
    if currency is not None and currency != identity.currency:
        if found.write_back is not None:
            raise Refused(f"Meter {found.meter_number} has taken this card, so {identity.currency} is right.")
        identity = replace(identity, currency=currency)
        identity.pack()
    if (purchase, identity) == (had, found.identity):
        raise Refused("The card says that already. Nothing was changed.")
    return _put(shop, carrier, found, purchase, identity, "the correction")


def take_back(shop: Shop, carrier: Carrier) -> Corrected:
    """Take the last purchase off the card. Refused: the meter has booked it already."""
    found = read_card(shop, carrier)
    _refuse_booked(shop, found)
    count = found.purchase.count - 1
    return _put(shop, carrier, found, _sold_before(shop, found.meter_number, count), found.identity, "taking it back")


def resign(shop: Shop, carrier: Carrier, sale_key: int | None = None) -> Corrected:
    """Sign the last purchase with this sale key; None: with the newest, or if it is, with the one before."""
    found = read_card(shop, carrier)
    _refuse_booked(shop, found, elsewhere=True)
    has, numbers = found.record.key_number, shop.keys.sale.numbers
    if sale_key is None:
        others = [number for number in numbers if number != has]
        if not others:
            raise Refused(f"The purchase is signed with sale key {has}, and this key file has no other one.")
        sale_key = others[-1]
    record = SignedPurchase.of(found.purchase, found.identity, shop.keys.sale, sale_key).pack()
    intent = _intend(shop, found, RESIGN, found.purchase, {"sale_key": sale_key})
    write_purchase(shop, carrier, found, record, intent, "signing the purchase again")
    currency = found.identity.currency
    return Corrected(found.meter_number, currency, found.purchase, found.purchase, found.settled, sale_key)


def blank(shop: Shop, carrier: Carrier) -> str:
    """Make a card that was never at its meter a blank one, for another meter. Return the meter it was for.

    Cut off? The same again. Refused: there is a purchase on it, or its meter has taken it.
    """
    card = shop.card(carrier)
    begun = shop.journal.open_intents(BLANK, card.uid)
    if begun:
        number, intent = begun[0].meter, begun[0]
    else:
        found = read_card(shop, carrier)
        number = found.meter_number
        if found.write_back is not None:
            raise Refused(f"Meter {number} has taken this card. It stays the card of that meter.")
        if found.purchase.count:
            raise Refused(f"Purchase {found.purchase.count} is on this card. Take it back first: 'take-back'.")
        intent = _intend(shop, found, BLANK, found.purchase, {})

    def known(role, version):
        return shop.keys.user_card_key(version, role, card.uid, number) if version else ZERO

    if has_application(card, USER_AID) and any(card.key_version(i) for i in range(CARD_KEYS)):
        change_keys(card, known, 0)
    shop.journal.conclude(intent, DONE)
    return number


def _put(shop, carrier, found: UserCard, purchase: Purchase, identity: Identity, what) -> Corrected:
    """Purchase and identity onto the card in one commit."""
    number = found.record.key_number or shop.sale_number(found.meter_number)
    if number not in shop.keys.sale.numbers:
        number = shop.keys.sale.newest
    record = SignedPurchase.of(purchase, identity, shop.keys.sale, number)
    before = {"count": found.purchase.count, **purchase_data(found.purchase, found.record.key_number)}
    more = {
        **purchase_data(purchase, record.key_number),
        "currency": identity.currency,
        "before": {**before, "currency": found.identity.currency},
    }
    intent = _intend(shop, found, CORRECT, purchase, more)
    moved = identity.pack() if identity != found.identity else b""
    write_purchase(shop, carrier, found, record.pack(), intent, what, moved)
    return Corrected(found.meter_number, identity.currency, found.purchase, purchase, found.settled, record.key_number)


def _intend(shop, found, job, purchase, data) -> Entry:
    """With the last look at the journal in one transaction: another counter may have replaced the card."""
    with shop.journal.together():
        current = shop.journal.card_of(found.meter_number)
        if current is None or current.uid != found.card.uid.hex():
            raise Refused("Another card has replaced this one. Take that one, and keep this one here.")
        return shop.journal.intend(job, found.card.uid, found.meter_number, purchase.count, data)


def _refuse_booked(shop, found: UserCard, elsewhere: bool = False) -> None:
    """Refused unless the card's purchase waits for the meter. elsewhere: one that another shop sold will do."""
    number, count = found.meter_number, found.purchase.count
    if not count:
        raise Refused("Nothing was sold onto this card yet.")
    if (shop.journal.booked_count(number) or 0) >= count:
        raise Refused(f"Meter {number} has booked purchase {count} already. What it booked stays.")
    last = shop.journal.last_sale(number)
    if not elsewhere and (last is None or last.count != count or last.data.get("adopted")):
        money = money_text(found.purchase.amount_micro)
        raise Refused(f"Purchase {count} of {money} was sold in another shop. Put it right there.")


def _sold_before(shop, meter_number, count) -> Purchase:
    """The purchase of this number, as it was sold; that of 0 is none."""
    if not count:
        return Purchase()
    for entry in shop.journal.done((SALE, CORRECT), meter_number, -1):
        if entry.count == count:
            return entry.purchase
    raise Refused(
        f"This journal does not know purchase {count} of meter {meter_number}. Take it back where it was sold."
    )
