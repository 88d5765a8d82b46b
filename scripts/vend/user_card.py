# SPDX-License-Identifier: Apache-2.0
"""A customer's card at the counter: read it, sell on it, renew its keys.

The count rule. A purchase has the number n+1 when the card carries n, and is sold only when the meter is known
to have booked n: from the write-back on this card, or from the journal. The meter books n+1 once; a card that
has not been to the meter since its last sale would lose that sale to the next, and is refused.

A sale that was cut off is an open intent in the journal. Every look at the card settles it first: the card
carries exactly that purchase, then it is done; it does not, then it is void, and the card can never come to
carry it later, because only a commit makes it real and a new session has dropped what was not committed.
"""

from dataclasses import dataclass, field, replace

from scripts.supplier.errors import CardError, CardGone, FormatError, JournalError, Refused, VendError
from scripts.supplier.formats import (
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
from scripts.supplier.journal import BLANK, CORRECT, DONE, ISSUE, REKEY, REPLACE, RESIGN, SALE, VOID
from scripts.supplier.keys import CARD_KEYS, USER_AID, VENDING
from scripts.supplier.units import money_text

from .desfire import Carrier, Desfire
from .personalise import change_keys, has_application, login
from .shop import Shop


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
    waits_for: int = 0  # the sale key the meter is thought to have, if what waits for it is signed with another one

    @property
    def purchase(self) -> Purchase:
        return self.record.purchase


@dataclass(frozen=True)
class Sale:
    meter_number: str
    purchase: Purchase
    settled: list[str]
    sale_key: int = 0  # number
    renewed_to: int | None = None  # key version
    renewal_failed: str = ""


def read_card(shop: Shop, carrier: Carrier) -> UserCard:
    """Read everything, settle what is open, and put what is new into the journal.

    Refused: no user card of ours, or never finished. FormatError: damaged. CardError: see there.
    """
    card = shop.card(carrier)
    if shop.journal.open_intents(BLANK, card.uid):
        raise Refused("This card was being taken back. Run 'blank' again and finish it.")
    found = _look(shop, card)
    _settle(shop, found)
    _learn(shop, found)
    if found.purchase.count > (shop.journal.booked_count(found.meter_number) or 0):
        has = shop.sale_number(found.meter_number)
        found.waits_for = 0 if has == found.record.key_number else has
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
    if not record.belongs_to(identity):
        raise FormatError("The purchase on this card was sold for another card. Replace the card.")
    sale = shop.keys.sale
    if record.key_number in sale.numbers and not record.signed_by(sale.public(record.key_number)):
        raise FormatError("The purchase on this card is not signed by this supplier. Replace the card.")
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
        if intent.job not in _SETTLED:
            continue
        done, words = _SETTLED[intent.job](found, intent)
        if shop.journal.conclude(intent, DONE if done else VOID, words):
            found.settled.append(words)


def _sale(found, intent):
    money = f"The sale of {money_text(intent.data['amount_micro'])} that was cut off"
    if intent.purchase == found.purchase:
        return True, f"{money} is on the card, as purchase {intent.count}."
    return False, f"{money} never happened: it is void."


def _making(found, intent):
    if intent.data["generation"] == found.identity.generation and intent.meter == found.meter_number:
        return True, "The card that was being made is complete."
    return False, "A card that was being made is not this one."


def _rekey(found, intent):
    if all(version == intent.data["version"] for version in found.key_versions):
        return True, "The card has its new keys."
    return False, "The card's new keys are not complete; the next sale goes on."


def _correct(found, intent):
    if intent.purchase == found.purchase and intent.data["currency"] == found.identity.currency:
        return True, "The correction that was cut off is on the card."
    return False, "The correction that was cut off never happened: it is void."


def _resign(found, intent):
    if found.record.key_number == intent.data["sale_key"] and intent.count == found.purchase.count:
        return True, "The card's purchase is signed again."
    return False, "Signing the card's purchase again was cut off: it is signed as before."


_SETTLED = {
    SALE: _sale, ISSUE: _making, REPLACE: _making, REKEY: _rekey, CORRECT: _correct, RESIGN: _resign,
}  # fmt: skip


def _learn(shop, found: UserCard) -> None:
    """Cards other shops made, purchases they sold, and what the meter wrote."""
    journal, number, uid = shop.journal, found.meter_number, found.card.uid
    with journal.together():
        current = journal.card_of(number)
        newer = current is None or found.identity.generation > current.data["generation"]
        same = current is not None and current.uid == uid.hex()
        if newer or (same and found.identity.currency != journal.currency_of(number)):
            data = issue_data(found.identity, found.purchase, found.key_versions[1], found.record.key_number)
            journal.adopt(ISSUE, uid, number, found.purchase.count, data)
        found.replaced = _replaced(journal, found)
        last = journal.last_sale(number)
        if found.purchase.count > (last.count if last else 0) and not found.replaced:
            journal.adopt(
                SALE, uid, number, found.purchase.count, purchase_data(found.purchase, found.record.key_number)
            )
        back = found.write_back
        if back is not None:
            found.settled.extend(_booked_otherwise(journal, uid, number, back))
            journal.note_write_back(uid, number, back)


def _replaced(journal, found):
    current = journal.card_of(found.meter_number)
    return current is not None and current.uid != found.card.uid.hex()


def _booked_otherwise(journal, uid, number, back):
    """Words, once, when the meter booked another amount than the last one, as it was put right, says.

    A meter books before it writes onto the card: a card pulled in between comes to the counter without the report.
    """
    corrections = journal.done((CORRECT,), number)
    if not corrections:
        return
    was = corrections[0].data["before"]
    before = journal.last_write_back(number, corrections[0])
    had_count, had_micro = (before.purchase_count, before.purchased_micro) if before else (0, 0)
    if had_count != was["count"] - 1 or back.purchase_count != was["count"]:
        return
    last = journal.last_sale(number)
    right_micro = last.data["amount_micro"] if last.count == was["count"] else 0
    said = {"booked": was["count"], "booked_micro": back.purchased_micro - had_micro, "right_micro": right_micro}
    if said["booked_micro"] == right_micro or journal.has_noted(CORRECT, uid, number, said):
        return
    journal.note(CORRECT, uid, number, said)
    yield (
        f"The meter booked purchase {was['count']} with {money_text(said['booked_micro'])}, before it was corrected to"
        f" {money_text(right_micro)}. Settle the difference with the customer."
    )


def purchase_data(purchase: Purchase, sale_key: int) -> dict:
    """The purchase as the journal keeps it, beside the count.

    sale_key: number of the key it is signed with; 0: nothing sold."""
    return {
        "sale_key": sale_key,
        "amount_micro": purchase.amount_micro,
        "debt_micro": purchase.debt_micro,
        "sold_utc_s": purchase.sold_utc_s,
    }


def issue_data(identity: Identity, purchase: Purchase, key_version: int, sale_key: int = 0) -> dict:
    return {
        "generation": identity.generation,
        "currency": identity.currency,
        "key_version": key_version,
        **purchase_data(purchase, sale_key),
    }


# -- selling --------------------------------------------------------------------------------------


def sell(
    shop: Shop,
    carrier: Carrier,
    amount_micro: int,
    debt_micro: int = 0,
    sale_key: int | None = None,
    cap_micro: int = 0,
) -> Sale:
    """Put the next purchase onto the card. debt_micro: what this sale adds to the customer's debt. sale_key: number
    of the key to sign with (None: what the meter is known to have). cap_micro: what no meter's credit may exceed; 0:
    not known.

    Refused when the last purchase is not known to be booked, and whenever card, meter and journal disagree.
    CardGone in the middle: put the card back and read it, and it is known whether the purchase is on it.
    """
    if amount_micro <= 0 or debt_micro < 0:
        raise Refused("An amount is more than nothing, and a debt is not negative.")
    if cap_micro and amount_micro > cap_micro:
        raise Refused(
            f"No meter would book {money_text(amount_micro)}: credit is limited to {money_text(cap_micro)}. Sell less."
        )
    found = read_card(shop, carrier)
    purchase = Purchase(found.purchase.count + 1, amount_micro, debt_micro, shop.clock())
    number = shop.sale_number(found.meter_number) if sale_key is None else sale_key
    record = SignedPurchase.of(purchase, found.identity, shop.keys.sale, number).pack()
    try:
        with shop.journal.together():  # a replacement at another counter comes before this or after it
            _check_sale(shop, found)
            data = purchase_data(purchase, number)
            intent = shop.journal.intend(SALE, found.card.uid, found.meter_number, purchase.count, data)
    except Refused as e:
        raise Refused(" ".join([*found.settled, str(e)])) from None
    write_purchase(shop, carrier, found, record, intent, f"the sale of {money_text(amount_micro)}")
    return _renew(shop, found, Sale(found.meter_number, purchase, found.settled, number))


def write_purchase(shop, carrier, found: UserCard, record: bytes, intent, what: str, identity: bytes = b"") -> None:
    """The intent's record onto the card, and the outcome into the journal. what: "the sale of 20.00"; identity: the
    card's, if that changes as well."""
    try:
        if identity:
            found.card.write(IDENTITY, 0, identity)
        found.card.write(PURCHASE, 0, record)
        found.card.commit()
    except CardGone:
        raise CardGone(
            f"The card went away during {what}. Put it back and read it: then it is known whether that is on the card."
            f" {'Take' if intent.job == SALE else 'Settle'} no money before."
        ) from None
    except CardError as e:
        again = read_card(shop, carrier)  # settles the intent
        if shop.journal.outcome(intent) != DONE:
            raise CardError(f"{e} {' '.join(again.settled)}") from e
    else:
        try:
            concluded = shop.journal.conclude(intent, DONE)
        except JournalError as e:
            raise JournalError(f"{e} Then read the card again: it carries {what}.") from e
        if not concluded:
            found.settled.append(
                "Another counter has replaced this card meanwhile, and the new one brings what was sold. Keep this one"
                " here."
            )


def _check_sale(shop, found: UserCard) -> None:
    number, count = found.meter_number, found.purchase.count
    if _replaced(shop.journal, found):
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
            " The customer puts the card into the meter first. If the meter refuses it: 'resign' signs it again,"
            " 'correct' and 'take-back' put a mistake right."
        )
    if booked > count:
        raise Refused(f"Meter {number} has booked purchase {booked}, and this card carries {count}. Replace the card.")


def _renew(shop, found: UserCard, sale: Sale) -> Sale:
    """New keys for the card once its meter is known to have them. The sale stands, whatever happens."""
    version = shop.known_version(found.meter_number)
    if version not in shop.keys or version < max(found.key_versions):
        return sale
    if all(had == version for had in found.key_versions):
        return sale
    try:
        renew_keys(shop, found, version)
    except VendError as e:
        return replace(sale, renewal_failed=str(e))
    return replace(sale, renewed_to=version)


def renew_keys(shop: Shop, found: UserCard, version: int) -> None:
    """All five keys in this version. Cut off, the card works on with some old and some new ones."""
    card, number = found.card, found.meter_number
    intent = shop.journal.intend(REKEY, card.uid, number, data={"version": version})
    card.select(USER_AID)
    change_keys(card, lambda role, v: shop.keys.user_card_key(v, role, card.uid, number), version)
    shop.journal.settle(intent, DONE)
