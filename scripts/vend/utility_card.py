# SPDX-License-Identifier: Apache-2.0
"""The supplier's cards, which tell meters something and bring their answers home.

A card is written in this order: files, document, and in one commit the head and the end of old answers. A
meter takes no document that the head does not fit, so a card that was cut off does nothing, or what it did
before; write it again. Answers still on a card that is written anew are read into the journal first.

The keys must be of a version the meters have (they keep the one before, too): by default the newest, for one
meter what it reported last; a key change is always written for the version the meter has.
"""

import json
from dataclasses import dataclass

from .desfire import NO_FILE, Carrier, Desfire
from .errors import CardStatus, FormatError, Refused
from .formats import meter_number_bytes
from .journal import DONE, UTILITY, VOID
from .keys import CARD_KEYS, MASTER, UTILITY_AID, VENDING
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
from .utility_formats import (
    ANSWERS,
    DOCUMENT,
    DOCUMENT_MAX_N,
    HEAD,
    HEAD_N,
    KEY_CHANGE,
    SETTINGS,
    TARIFF,
    Answer,
    Head,
    KeyChange,
    Meters,
    answer_n,
    kind_word,
)

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


def check_document(text: bytes, what: str) -> bytes:
    """A settings or tariff file as a meter can take it: one JSON object that fits on a card. FormatError."""

    def once(pairs):
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FormatError(f"The {what} file says {twice!r} twice.")
        return dict(pairs)

    try:
        document = json.loads(text, object_pairs_hook=once)
    except ValueError as e:
        raise FormatError(f"The {what} file is not JSON: {e}.") from e
    if not isinstance(document, dict):
        raise FormatError(f"The {what} file is not a JSON object.")
    if len(text) > DOCUMENT_MAX_N:
        raise FormatError(f"The {what} file has {len(text)} bytes; a card holds {DOCUMENT_MAX_N}. Take blanks out.")
    return text


def preset(shop: Shop, carrier: Carrier, kind: int, document: bytes, meter_number: str = "", **options) -> Written:
    """Settings or tariff for any meter, or for one."""
    if kind not in (SETTINGS, TARIFF):
        raise ValueError(f"kind {kind} carries no document of the supplier's")
    return write_card(shop, carrier, kind, check_document(document, kind_word(kind)), meter_number, **options)


def key_change(
    shop: Shop, carrier: Carrier, meter_number: str, has: int | None = None, to: int | None = None
) -> Written:
    """New keys for one meter. has: version the meter has now (default: what it reported, else the one before).

    Refused when it has the new one already.
    """
    to = shop.keys.newest if to is None else to
    if has is None:
        back = shop.journal.last_write_back(meter_number)
        has = back.key_version if back else to - 1
    if has >= to:
        raise Refused(f"Meter {meter_number} has keys of version {has} already. Run 'keys roll' first for newer ones.")
    if has < 1:
        raise Refused("There is one key version only. Run 'keys roll' first.")
    serial = _serial(shop)
    change = KeyChange(
        meter_number, to, serial, shop.keys.card_key(to, meter_number), shop.keys.utility_key(to)
    )  # fmt: skip
    document = change.pack(shop.keys.card_key(has, meter_number))
    return write_card(shop, carrier, KEY_CHANGE, document, meter_number, key_version=has, answers=1, serial=serial)


def write_card(
    shop: Shop,
    carrier: Carrier,
    kind: int,
    document: bytes = b"",
    meter_number: str = "",
    key_version: int | None = None,
    answers: int = ANSWERS_DEFAULT,
    serial: int | None = None,
) -> Written:
    """Any utility card, on a blank card or one that was a utility card before."""
    if meter_number:
        meter_number_bytes(meter_number)
    if not 1 <= answers <= 1000:
        raise Refused("A card has room for 1 to 1000 answers, and its memory sets a lower limit.")
    if key_version is None:
        key_version = shop.version_for(meter_number) if meter_number else shop.keys.newest
    shop.keys.masters(key_version)
    meters = Meters.one(meter_number)
    contents = meters.contents(document)
    head = Head.of(kind, _serial(shop) if serial is None else serial, document, meters).signed(shop.keys.order)
    card = shop.card(carrier)
    refuse_other_use(card, UTILITY_AID)
    rescued = _rescue(shop, card)
    for earlier in shop.journal.open_intents(UTILITY, uid=card.uid):
        shop.journal.settle(earlier, VOID, "written anew")
    data = {"kind": kind, "key_version": key_version}
    intent = shop.journal.intend(UTILITY, card.uid, meter_number, head.serial, data)

    known = _known(shop, card)
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
    shop.journal.settle(intent, DONE)
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
    """Answers on a card about to be written anew. A card that never had a good head has none."""
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


def _serial(shop) -> int:
    """Now, and above every card written before: a meter takes no older card after a newer one."""
    return max(shop.clock(), shop.journal.highest_serial() + 1)
