# SPDX-License-Identifier: Apache-2.0
"""A customer's card is made: the first one of a meter, or the one that replaces a lost or broken card.

A replacement brings the last purchase sold for the meter, under its own number, amount, debt and time, whether
the meter is known to have booked it or not. That cannot pay twice:

- The meter has booked it: number equal, nothing to credit.
- The meter has not: number one higher, credited once. The lost card carries the same number; whichever comes
  first is booked, the other is not.
- Once the meter has seen the higher generation it refuses the old card altogether.

A purchase is signed for the generation of its card, so the replacement's is signed again.

A sale that was cut off on the lost card is of unknown outcome, since nobody can read that card. It counts as
sold: the replacement carries it. (Counted as void, and yet on the lost card, it would take up the number of the
next sale, which the meter would then ignore.) The result says so, for the clerk to take the money.

The journal is all that is left of a lost card. Read a card once where the journal does not know its meter.
"""

from dataclasses import dataclass

from scripts.supplier.errors import CardStatus, FormatError, Refused
from scripts.supplier.formats import (
    GENERATION_MAX,
    IDENTITY,
    IDENTITY_N,
    LABEL,
    PURCHASE,
    Identity,
    Label,
    Purchase,
    SignedPurchase,
)
from scripts.supplier.journal import BLANK, CORRECT, DONE, ISSUE, REPLACE, RESIGN, SALE, VOID, Entry
from scripts.supplier.keys import MASTER, USER_AID, VENDING
from scripts.supplier.units import money_text

from .desfire import NO_FILE, PLAIN, Carrier, Desfire
from .personalise import USER_FILES, change_keys, has_application, login, make_application, make_files, refuse_other_use
from .shop import Shop
from .user_card import issue_data


@dataclass(frozen=True)
class Made:
    """A finished card. carried_over: a cut-off sale that counts as sold now, or None."""

    identity: Identity
    purchase: Purchase
    key_version: int
    carried_over: Purchase | None = None


def issue(shop: Shop, carrier: Carrier, meter_number: str, currency: str, key_version: int | None = None) -> Made:
    """The first card of a meter. Its first visit there opens the account.

    Cut off? The same again, with the same card or another blank one. Refused: the meter has a card already,
    or this card is one.
    """
    identity = Identity(meter_number, 1, currency)
    identity.pack()  # before the card is touched
    card = shop.card(carrier)
    intent = _begun(shop, card, ISSUE, meter_number)
    if intent is not None:
        if intent.data["currency"] != currency:
            raise Refused(
                f"With this card 'issue' for meter {meter_number} was begun, in {intent.data['currency']}. Finish that,"
                " then put it right with 'correct'."
            )
        return _finish(shop, card, intent)
    version = shop.version_for(meter_number) if key_version is None else key_version
    _refuse_unfit(shop, card, version)
    with shop.journal.together():
        if shop.journal.card_of(meter_number) is not None:
            raise Refused(f"Meter {meter_number} has a card already. Use 'replace' if it is lost or broken.")
        intent = _begin(shop, card, ISSUE, identity, version, Purchase())
    return _finish(shop, card, intent)


def replace(shop: Shop, carrier: Carrier, meter_number: str, key_version: int | None = None) -> Made:
    """A blank card becomes the meter's card in place of its lost one. See the module's text for what it brings."""
    card, journal = shop.card(carrier), shop.journal
    intent = _begun(shop, card, REPLACE, meter_number)
    if intent is not None:
        return _finish(shop, card, intent)
    old = _to_replace(journal, card, meter_number)
    version = shop.version_for(meter_number) if key_version is None else key_version
    if key_version is None and journal.last_write_back(meter_number) is None:
        version = old.data["key_version"]  # at least that one the meter has
    _refuse_unfit(shop, card, version)
    with journal.together():  # another counter may be selling onto the old card: that comes before this or never
        _to_replace(journal, card, meter_number)
        for job in (CORRECT, RESIGN):
            for cut in journal.open_intents(job, meter=meter_number):
                journal.settle(cut, VOID, "outcome unknown on the lost card; what was sold stands")
        carried = [i for i in journal.open_intents(SALE, meter=meter_number)]
        for sale in carried:
            journal.settle(sale, DONE, "outcome unknown on the lost card; carried over to its replacement")
        last = journal.last_sale(meter_number)
        purchase = last.purchase if last else Purchase()
        booked = journal.booked_count(meter_number) or 0
        if booked > purchase.count:  # a card with the older number would be refused by the meter
            raise Refused(
                f"Meter {meter_number} has booked purchase {booked}, and this journal knows {purchase.count}."
                " Replace the card in the shop that sold last."
            )
        extra = {"carried_over": True} if carried else {}
        identity = Identity(meter_number, 1, journal.currency_of(meter_number))
        intent = _begin(shop, card, REPLACE, identity, version, purchase, extra)
    return _finish(shop, card, intent)


def _to_replace(journal, card, meter_number) -> Entry:
    old = journal.card_of(meter_number)
    if old is None:
        raise Refused(f"The journal knows no card of meter {meter_number}. Read its card here once, or issue one.")
    if old.uid == card.uid.hex():
        raise Refused(f"This card is the card of meter {meter_number}. Take a blank one.")
    return old


def _begun(shop, card: Desfire, job: str, meter_number: str) -> Entry | None:
    """What was begun with this card and not finished. Refused when it was for something else."""
    for intent in shop.journal.open_intents(uid=card.uid):
        if intent.job == BLANK:
            raise Refused("This card was being taken back. Run 'blank' again and finish it.")
        if intent.job not in (ISSUE, REPLACE):
            continue
        if (intent.job, intent.meter) != (job, meter_number):
            raise Refused(
                f"With this card '{intent.job}' for meter {intent.meter} was begun. Finish that, or take a blank card."
            )
        return intent
    return None


def _refuse_unfit(shop, card, version):
    """Refused when the card is another one already, KeyFileError when the keys are not there."""
    shop.keys.masters(version)
    refuse_other_use(card, USER_AID)
    if has_application(card, USER_AID) and card.key_version(MASTER):
        raise Refused("This card is a user card already. Take a blank one.")


def _begin(shop, card, job, identity, version, purchase, extra=None) -> Entry:
    """Begin an entry, in a transaction. identity: its generation is not known yet."""
    journal, number = shop.journal, identity.meter_number
    generation = journal.highest_generation(number) + 1
    if generation > GENERATION_MAX:
        raise Refused(f"Meter {number} has had {GENERATION_MAX} cards, and no more are possible.")
    for job_before in (ISSUE, REPLACE):
        for other in journal.open_intents(job_before, meter=number):
            journal.settle(other, VOID, "another card was taken")
    sale_key = shop.sale_number(number) if purchase.count else 0
    data = issue_data(Identity(number, generation, identity.currency), purchase, version, sale_key)
    return journal.intend(job, card.uid, number, purchase.count, {**data, **(extra or {})})


def _finish(shop, card: Desfire, intent: Entry) -> Made:
    """From wherever the card stands to a complete user card; the commit at the end makes it one."""
    number, version = intent.meter, intent.data["key_version"]
    identity = Identity(number, intent.data["generation"], intent.data["currency"])
    purchase = intent.purchase
    record = SignedPurchase.of(purchase, identity, shop.keys.sale, intent.data.get("sale_key") or None)

    def known(role, key_version):
        return shop.keys.user_card_key(key_version, role, card.uid, number)

    if not _complete(card, known, identity):
        make_application(card, USER_AID)
        change_keys(card, known, version)
        make_files(card, known(MASTER, version), USER_FILES)
        login(card, VENDING, known, "card")
        card.write(LABEL, 0, Label(number).pack(), PLAIN)
        card.write(IDENTITY, 0, identity.pack())
        card.write(PURCHASE, 0, record.pack())
        if shop.journal.outcome(intent) != VOID:  # a counter that began later has the higher generation
            card.commit()
    if not shop.journal.conclude(intent, DONE) and shop.journal.outcome(intent) == VOID:
        raise Refused(f"Another counter has made a card for meter {number} meanwhile. Keep this one here.")
    return Made(identity, purchase, version, purchase if intent.data.get("carried_over") else None)


def _complete(card: Desfire, known, identity: Identity) -> bool:
    """Was only the answer to the last commit lost?"""
    if not has_application(card, USER_AID) or not card.key_version(MASTER):
        return False
    login(card, VENDING, known, "card")
    try:
        return Identity.unpack(card.read(IDENTITY, 0, IDENTITY_N)) == identity
    except FormatError:
        return False
    except CardStatus as e:
        if e.status != NO_FILE:
            raise
        return False


def carried_words(made: Made) -> str:
    """What the clerk has to know about a sale that was cut off on the lost card."""
    if made.carried_over is None:
        return ""
    return (
        f"The sale of {money_text(made.carried_over.amount_micro)} that was cut off on the old card counts as sold"
        " and is on this one. Take the money, if you have not."
    )
