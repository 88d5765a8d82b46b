# SPDX-License-Identifier: Apache-2.0
"""The supplier's cards, which tell meters something and bring their answers home.

A card is written in this order: files, document, and in one commit the head and the end of old answers. A
meter takes no document that the head does not fit, so a card that was cut off does nothing, or what it did
before; write it again. Answers still on a card that is written again are read into the journal first.

A card must be read and believed. Its keys must be of the version the meters have: by default the newest, for one
meter what it reported last; a key change is always written for the version the meter has. Its signature must be of
the order key the meters have: by default the newest, for one meter what its last answer to a card with public keys
tells. Both can be said: a meter that refuses a card has others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scripts.supplier.errors import CardStatus, FormatError, Refused
from scripts.supplier.journal import DONE, UTILITY, VOID
from scripts.supplier.keys import CARD_KEYS, MASTER, UTILITY_AID, VENDING
from scripts.supplier.utility_formats import (
    ANSWERS,
    DOCUMENT,
    DOCUMENT_MAX_N,
    HEAD,
    HEAD_N,
    KEY_CHANGE,
    SETTINGS,
    TARIFF,
    TRUST_CHANGE,
    Answer,
    Head,
    KeyChange,
    Meters,
    TrustChange,
    answer_n,
    kind_word,
)

from ..common import InputError, parse_json
from ..common.text_file import without_mark
from .desfire import NO_FILE, Carrier, Desfire
from .personalise import (
    change_keys,
    has_application,
    login,
    make_application,
    make_files,
    refuse_other_use,
    utility_files,
)
from .shop import Shop

# Fits a 4 KB card beside a document, and a read-out an 8 KB card.
ANSWERS_DEFAULT = 20
_CHUNK_N = 480  # of a document in one write: a card that leaves early is noticed early


@dataclass(frozen=True)
class Written:
    head: Head
    key_version: int
    answers: int  # meters there is room for
    rescued: int  # answers found on the card and put into the journal


@dataclass(frozen=True)
class Brought:
    """What a utility card brought back."""

    head: Head
    answers: list[Answer]


def check_document(text: bytes, what: str, file: object = "") -> bytes:
    """A settings or tariff file as a meter takes it: JSON that fits on a card, without a byte order mark. FormatError.

    file: where it came from, for the error."""
    try:
        parse_json(text, file or f"The {what} file")
    except InputError as e:
        raise FormatError(str(e)) from None
    text = without_mark(text)
    if len(text) > DOCUMENT_MAX_N:
        raise FormatError(f"The {what} file has {len(text)} bytes; a card holds {DOCUMENT_MAX_N}. Take blanks out.")
    return text


def preset(shop: Shop, carrier: Carrier, kind: int, document: bytes, meters: Meters | str = "", **options) -> Written:
    """Settings or tariff for any meter, one, a range or a list."""
    if kind not in (SETTINGS, TARIFF):
        raise ValueError(f"kind {kind} carries no document of the supplier's")
    return write_card(shop, carrier, kind, check_document(document, kind_word(kind)), meters, **options)


def key_change(
    shop: Shop,
    carrier: Carrier,
    meter_number: str,
    has: int | None = None,
    to: int | None = None,
    order_key: int | None = None,
) -> Written:
    """New keys for one meter. has: version the meter has now (default: what it reported, else the one before).

    Refused when it has the new one already.
    """
    to = shop.keys.newest if to is None else to
    if has is None:
        has = shop.known_version(meter_number) or to - 1
    if has >= to:
        raise Refused(f"Meter {meter_number} has keys of version {has} already. Run 'keys roll' first for newer ones.")
    if has < 1:
        raise Refused("There is one key version only. Run 'keys roll' first.")
    new = shop.keys.card_key(to, meter_number), shop.keys.utility_key(to)
    current = shop.keys.card_key(has, meter_number)

    def document(serial):
        return KeyChange(meter_number, to, serial, *new, replaces=has).pack(current)

    options = {"key_version": has, "order_key": order_key, "answers": 1, "more": {"to": to}}
    return write_card(shop, carrier, KEY_CHANGE, document, meter_number, **options)


def trust_change(
    shop: Shop, carrier: Carrier, meters: Meters | str = "", has: int | None = None, to: int | None = None, **options
) -> Written:
    """The newest public keys for meters. has: number of the order key they have now, which signs (default: the only
    other one there is, or the only one); to: number of the order key they get (default: the newest).

    Old keys are good for nothing at once: purchases that a meter has not booked must be signed again ('resign').
    """
    order = shop.keys.order
    to = order.newest if to is None else to
    if has is None:
        has = _before(order.numbers, to)
    change = TrustChange.of(shop.keys.sale, order, order_number=to)
    more = {"sale": change.sale_number, "order": change.order_number}
    return write_card(shop, carrier, TRUST_CHANGE, change.pack(), meters, order_key=has, more=more, **options)


def _before(numbers, to):
    if numbers == (to,):
        return to  # a new sale key alone
    others = [number for number in numbers if number != to]
    if len(others) == 1 and len(numbers) == 2 and others[0] < to:
        return others[0]
    known = ", ".join(map(str, numbers))
    raise Refused(f"The key file has order keys {known}. Say which one the meters have now: --from NUMBER.")


def write_card(
    shop: Shop,
    carrier: Carrier,
    kind: int,
    document: bytes | Callable[[int], bytes] = b"",
    meters: Meters | str = "",
    *,
    key_version: int | None = None,
    order_key: int | None = None,
    answers: int = ANSWERS_DEFAULT,
    more: dict | None = None,
) -> Written:
    """Any utility card, on a blank card or one that was a utility card before. meters: a number, "" for any, or
    Meters; document: its bytes, or what makes them of the serial; more: for the journal."""
    meters = Meters.one(meters) if isinstance(meters, str) else meters
    meters.check()
    if not 1 <= answers <= 1000:
        raise Refused("A card has room for 1 to 1000 answers, and its memory sets a lower limit.")
    only = meters.only
    if key_version is None:
        key_version = shop.version_for(only) if only else shop.keys.newest
    if order_key is None:
        order_key = shop.order_number(only)
    shop.keys.utility_key(key_version)
    shop.keys.order.seed(order_key)
    Head.of(kind, 0, document(0) if callable(document) else document, meters)  # too long? before the card is touched
    card = shop.card(carrier)
    refuse_other_use(card, UTILITY_AID)
    rescued = _rescue(shop, card)
    with shop.journal.together():  # no two counters give one serial
        serial = shop.journal.next_serial(shop.clock())
        content = document(serial) if callable(document) else document
        head = Head.of(kind, serial, content, meters).signed(shop.keys.order, order_key)
        for earlier in shop.journal.open_intents(UTILITY, uid=card.uid):
            shop.journal.settle(earlier, VOID, "written again")
        data = {"kind": kind, "key_version": key_version, "order_key": order_key, **(more or {})}
        intent = shop.journal.intend(UTILITY, card.uid, only, serial, data)

    known = _known(shop, card)
    contents = meters.contents(content)
    make_application(card, UTILITY_AID)
    change_keys(card, known, key_version)
    files = utility_files(kind, len(contents), answers)
    make_files(card, known(MASTER, key_version), files)
    login(card, VENDING, known, "card")
    for at in range(0, len(contents), _CHUNK_N):
        card.write(DOCUMENT, at, contents[at : at + _CHUNK_N])
    card.write(HEAD, 0, head.pack())
    card.clear_records(ANSWERS)
    card.commit()
    shop.journal.conclude(intent, DONE)
    return Written(head, key_version, answers, rescued)


def read_answers(shop: Shop, carrier: Carrier, clear: bool = False) -> Brought:
    """What meters answered, oldest first; into the journal as well. clear: then empty the card's list."""
    card = shop.card(carrier)
    if not has_application(card, UTILITY_AID):
        raise Refused("This is no utility card of Pennywatt.")
    brought = _bring(shop, card)
    if clear and brought.answers:
        card.clear_records(ANSWERS)
        card.commit()
    return brought


def _bring(shop, card: Desfire) -> Brought:
    login(card, VENDING, _known(shop, card), "utility card")
    head = Head.unpack(card.read(HEAD, 0, HEAD_N))
    answers = [Answer.unpack(record) for record in card.read_records(ANSWERS, answer_n(head.kind))]
    if not answers:
        login(card, VENDING, _known(shop, card), "utility card")  # "there is none" ended the session
    _learn(shop, card, answers)
    return Brought(head, answers)


def _learn(shop, card, answers) -> None:
    journal = shop.journal
    with journal.together():
        for answer in answers:
            record = {"answer": answer.pack().hex()}
            if not journal.has_noted(UTILITY, card.uid, answer.meter_number, record):
                journal.note(UTILITY, card.uid, answer.meter_number, record)
            if answer.write_back is not None:
                journal.note_write_back(card.uid, answer.meter_number, answer.write_back)


def _rescue(shop, card: Desfire) -> int:
    """Answers on a card about to be written again. A card that never had a good head has none."""
    if not has_application(card, UTILITY_AID):
        return 0
    versions = [card.key_version(number) for number in range(CARD_KEYS)]
    if not all(versions):
        return 0
    try:
        return len(_bring(shop, card).answers)
    except FormatError:
        return 0
    except CardStatus as e:
        if e.status != NO_FILE:
            raise
        return 0


def _known(shop, card):
    return lambda role, version: shop.keys.utility_card_key(version, role, card.uid)
