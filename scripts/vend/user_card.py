# SPDX-License-Identifier: Apache-2.0
"""A customer's card at the counter: read it, sell on it, renew its keys.

The count rule. A purchase has the number n+1 when the card carries n, and is sold only when the meter is known
to have booked n: from the write-back on this card, or from the journal. The meter books n+1 once; a card that
has not been to the meter since its last sale would lose that sale to the next, and is refused.

A sale that was cut off is an open intent in the journal. Every look at the card settles it first: the card
carries exactly that purchase, then it is done; it does not, then it is void, and the card can never come to
carry it later, because only a commit makes it real and a new session has dropped what was not committed.
"""

from dataclasses import dataclass, field

from .desfire import Carrier, Desfire
from .errors import CardError, CardGone, FormatError, Refused, VendError
from .formats import (
    IDENTITY,
    IDENTITY_N,
    LABEL,
    LABEL_N,
    PURCHASE,
    PURCHASE_N,
    WRITEBACK,
    WRITEBACK_N,
    Identity,
    Label,
    Purchase,
    SignedPurchase,
    WriteBack,
)
from .journal import DONE, ISSUE, REKEY, REPLACE, SALE, VOID
from .keys import CARD_KEYS, USER_AID, VENDING
from .personalise import change_keys, has_application, login
from .shop import Shop
from .units import money_text


@dataclass
class UserCard:
    """What a card carries, after anything left open has been settled. Logged in with the vending key."""

    card: Desfire
    meter_number: str
    key_versions: list[int]
    identity: Identity
    record: SignedPurchase
    write_back: WriteBack | None  # None: it has not been to the meter
    settled: list[str] = field(default_factory=list)  # what was found out about cut-off work, in words
    replaced: bool = False  # another card is the meter's now

    @property
    def purchase(self) -> Purchase:
        return self.record.purchase


@dataclass(frozen=True)
class Sale:
    meter_number: str
    purchase: Purchase
    settled: list[str]
    renewed_to: int | None = None  # key version
    renewal_failed: str = ""


def read_card(shop: Shop, carrier: Carrier) -> UserCard:
    """Read everything, settle what is open, and put what is new into the journal.

    Refused: no user card of ours, or never finished. FormatError: damaged. CardError: see there.
    """
    card = shop.card(carrier)
    found = _look(shop, card)
    _settle(shop, found)
    _learn(shop, found)
    return found


def _look(shop, card):
    if not has_application(card, USER_AID):
        raise Refused("This is no user card of Pennywatt. Issue one first, or take the right card.")
    number = _label(shop, card)
    versions = [card.key_version(i) for i in range(CARD_KEYS)]
    login(card, VENDING, lambda role, v: shop.keys.user_card_key(v, role, card.uid, number), "card")
    try:
        identity = Identity.unpack(card.read(IDENTITY, 0, IDENTITY_N))
        record = SignedPurchase.unpack(card.read(PURCHASE, 0, PURCHASE_N))
    except FormatError as e:
        raise FormatError(f"{e} Replace the card.") from e
    if identity.meter_number != number:
        raise FormatError(f"The card's label says meter {number}, its identity {identity.meter_number}. Replace it.")
    try:
        back = WriteBack.unpack(card.read(WRITEBACK, 0, WRITEBACK_N))
    except FormatError as e:
        raise FormatError(f"{e} The customer puts the card into the meter once more.") from e
    return UserCard(card, number, versions, identity, record, back)


def _label(shop, card):
    try:
        return Label.unpack(card.read(LABEL, 0, LABEL_N)).meter_number
    except CardGone:
        raise
    except (CardError, FormatError) as e:
        begun = [i for job in (ISSUE, REPLACE) for i in shop.journal.open_intents(job, card.uid)]
        if begun:
            entry = begun[0]
            raise Refused(f"This card was never finished. Run '{entry.job}' for meter {entry.meter} again.") from e
        raise Refused("The label of this card cannot be read. Replace the card.") from e


def _settle(shop, found: UserCard) -> None:
    for intent in shop.journal.open_intents(uid=found.card.uid):
        if intent.job == SALE:
            done = intent.purchase == found.purchase
            money = f"The sale of {money_text(intent.data['amount_micro'])} that was cut off"
            words = (
                f"{money} is on the card, as purchase {intent.count}."
                if done
                else f"{money} never happened: it is void."
            )
        elif intent.job in (ISSUE, REPLACE):
            done = intent.data["generation"] == found.identity.generation and intent.meter == found.meter_number
            words = (
                "The card that was being made is complete." if done else "A card that was being made is not this one."
            )
        elif intent.job == REKEY:
            done = all(version == intent.data["version"] for version in found.key_versions)
            words = (
                "The card has its new keys." if done else "The card's new keys are not complete; the next sale goes on."
            )
        else:
            continue
        shop.journal.settle(intent, DONE if done else VOID, words)
        found.settled.append(words)


def _learn(shop, found: UserCard) -> None:
    """Cards other shops made, purchases they sold, and what the meter wrote."""
    journal, number, uid = shop.journal, found.meter_number, found.card.uid
    current = journal.card_of(number)
    if current is None or found.identity.generation > current.data["generation"]:
        journal.adopt(
            ISSUE, uid, number, found.purchase.count, issue_data(found.identity, found.purchase, found.key_versions[1])
        )
        current = journal.card_of(number)
    found.replaced = current is not None and current.uid != uid.hex()
    last = journal.last_sale(number)
    if found.purchase.count > (last.count if last else 0) and not found.replaced:
        journal.adopt(SALE, uid, number, found.purchase.count, purchase_data(found.purchase))
    if found.write_back is not None:
        journal.note_write_back(uid, number, found.write_back)


def purchase_data(purchase: Purchase) -> dict:
    """As the journal keeps it, beside the count."""
    return {
        "amount_micro": purchase.amount_micro,
        "debt_micro": purchase.debt_micro,
        "sold_utc_s": purchase.sold_utc_s,
    }


def issue_data(identity: Identity, purchase: Purchase, key_version: int) -> dict:
    return {
        "generation": identity.generation,
        "currency": identity.currency,
        "key_version": key_version,
        **purchase_data(purchase),
    }


# -- selling --------------------------------------------------------------------------------------


def sell(shop: Shop, carrier: Carrier, amount_micro: int, debt_micro: int = 0) -> Sale:
    """Put the next purchase onto the card. debt_micro: what this sale adds to the customer's debt.

    Refused when the last purchase is not known to be booked, and whenever card, meter and journal disagree.
    CardGone in the middle: put the card back and read it, and it is known whether the purchase is on it.
    """
    if amount_micro <= 0 or debt_micro < 0:
        raise Refused("An amount is more than nothing, and a debt is not negative.")
    found = read_card(shop, carrier)
    purchase = Purchase(found.purchase.count + 1, amount_micro, debt_micro, shop.clock())
    record = SignedPurchase.of(purchase, found.identity, shop.keys.sale).pack()
    try:
        _check_sale(shop, found)
    except Refused as e:
        raise Refused(" ".join([*found.settled, str(e)])) from None
    intent = shop.journal.intend(
        SALE, found.card.uid, found.meter_number, purchase.count, purchase_data(purchase)
    )  # fmt: skip
    try:
        found.card.write(PURCHASE, 0, record)
        found.card.commit()
    except CardGone:
        raise CardGone(
            f"The card went away during the sale of {money_text(amount_micro)}. Put it back and read it:"
            " then it is known whether the purchase is on it. Take no money before."
        ) from None
    except CardError as e:
        again = read_card(shop, carrier)  # settles the intent
        if again.purchase != purchase:
            raise CardError(f"{e} {' '.join(again.settled)}") from e
    else:
        shop.journal.settle(intent, DONE)
    return _renew(shop, found, Sale(found.meter_number, purchase, found.settled))


def _check_sale(shop, found: UserCard) -> None:
    number, count = found.meter_number, found.purchase.count
    if found.replaced:
        raise Refused(f"Another card has replaced this one for meter {number}. Take that one, and keep this one here.")
    if shop.journal.open_intents(REPLACE, meter=number):
        raise Refused(f"A replacement for meter {number} was begun. Run 'replace' again and finish it.")
    last = shop.journal.last_sale(number)
    if last is not None and last.count > count:
        raise Refused(
            f"Purchase {last.count} was sold for meter {number}, and this card carries {count}."
            " Replace the card: the new one brings what was sold."
        )
    booked = shop.journal.booked_count(number) or 0  # this card's own report is among them
    if booked < count:
        raise Refused(
            f"Purchase {count} of {money_text(found.purchase.amount_micro)} has not been to meter {number} yet."
            " The customer puts the card into the meter first."
        )
    if booked > count:
        raise Refused(f"Meter {number} has booked purchase {booked}, and this card carries {count}. Replace the card.")


def _renew(shop, found: UserCard, sale: Sale) -> Sale:
    """New keys for the card once its meter has reported that it has them. The sale stands, whatever happens."""
    back = found.write_back
    if back is None or back.key_version not in shop.keys or back.key_version < max(found.key_versions):
        return sale
    if all(version == back.key_version for version in found.key_versions):
        return sale
    try:
        renew_keys(shop, found, back.key_version)
    except VendError as e:
        return Sale(sale.meter_number, sale.purchase, sale.settled, renewal_failed=str(e))
    return Sale(sale.meter_number, sale.purchase, sale.settled, renewed_to=back.key_version)


def renew_keys(shop: Shop, found: UserCard, version: int) -> None:
    """All five keys in this version. Cut off, the card works on with some old and some new ones."""
    card, number = found.card, found.meter_number
    intent = shop.journal.intend(REKEY, card.uid, number, data={"version": version})
    card.select(USER_AID)
    change_keys(card, lambda role, v: shop.keys.user_card_key(v, role, card.uid, number), version)
    shop.journal.settle(intent, DONE)
