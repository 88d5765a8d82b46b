# SPDX-License-Identifier: Apache-2.0
"""A blank DESFire gets an application, five keys and its files; or its keys are renewed.

Everything here can be cut off at any exchange and is then simply done again: each key's version byte tells
which keys are on the card already (0: the zeros it was created with), the directory tells which files.

Settings 49: key 4 changes keys, the master key (0) creates files and changes itself and key 4.
"""

from collections.abc import Callable, Iterable

from scripts.supplier.crypto import ZERO
from scripts.supplier.errors import CardStatus, CardUntrusted, Refused
from scripts.supplier.formats import IDENTITY, IDENTITY_N, LABEL, LABEL_N, PURCHASE, PURCHASE_N, WRITEBACK, WRITEBACK_N
from scripts.supplier.keys import CARD_KEYS, CHANGE, MASTER, METER, READER, USER_AID, UTILITY_AID, VENDING
from scripts.supplier.utility_formats import ANSWERS, DOCUMENT, HEAD, HEAD_N, answer_n

from .desfire import (
    BACKUP,
    EXISTS,
    FREE,
    LINEAR,
    MACED,
    NEVER,
    NO_APPLICATION,
    PICC,
    PLAIN,
    STANDARD,
    Desfire,
    FileSpec,
)

SETTINGS = 0x49
_FILE_MIN_N = 32  # what a card's memory comes in; a file of no bytes does not exist

# The key of (number, version); version 0 is never asked for.
KnownKey = Callable[[int, int], bytes]

# A right names one key, so key 3 cannot read the write-back beside key 2; and the right to write alone would
# let vending forge it without letting it read.
USER_FILES = (
    FileSpec(LABEL, STANDARD, PLAIN, (FREE, NEVER, VENDING, CHANGE), LABEL_N),
    FileSpec(IDENTITY, BACKUP, MACED, (METER, NEVER, VENDING, CHANGE), IDENTITY_N),
    FileSpec(PURCHASE, BACKUP, MACED, (METER, NEVER, VENDING, CHANGE), PURCHASE_N),
    FileSpec(WRITEBACK, BACKUP, MACED, (VENDING, NEVER, METER, CHANGE), WRITEBACK_N),
)


def utility_files(kind: int, document_n: int, answers: int) -> tuple[FileSpec, ...]:
    """answers: how many meters the card has room for."""
    ours = (METER, NEVER, VENDING, CHANGE)
    return (
        FileSpec(HEAD, BACKUP, MACED, ours, HEAD_N),
        FileSpec(DOCUMENT, STANDARD, MACED, ours, max(document_n, _FILE_MIN_N)),
        FileSpec(ANSWERS, LINEAR, MACED, (READER, METER, VENDING, CHANGE), answer_n(kind), answers),
    )


def has_application(card: Desfire, aid: bytes) -> bool:
    """Enters it when it is there."""
    try:
        card.select(aid)
    except CardStatus as e:
        if e.status != NO_APPLICATION:
            raise
        return False
    return True


def refuse_other_use(card: Desfire, aid: bytes) -> None:
    """A card is a user card or a utility card; Refused when it is the other one."""
    other, word = (UTILITY_AID, "utility") if aid == USER_AID else (USER_AID, "user")
    if has_application(card, other):
        raise Refused(f"This is a {word} card. Take a blank card.")


def make_application(card: Desfire, aid: bytes) -> None:
    """Enter the application, created if need be."""
    card.select(PICC)
    try:
        card.create_application(aid, SETTINGS, CARD_KEYS)
    except CardStatus as e:
        if e.status != EXISTS:
            raise
    card.select(aid)


def key_versions(card: Desfire) -> list[int]:
    return [card.key_version(number) for number in range(CARD_KEYS)]


def change_keys(card: Desfire, known: KnownKey, version: int) -> None:
    """Give all five keys this version. CardUntrusted when the card's present keys are not the known ones."""
    versions = key_versions(card)

    def present(number):
        return known(number, versions[number]) if versions[number] else ZERO

    plain = [number for number in (METER, VENDING, READER) if versions[number] != version]
    # Those that key 4 changes first, the master key last: it must still be known to change key 4.
    for changer, numbers in ((CHANGE, plain), (MASTER, [CHANGE, MASTER])):
        numbers = [number for number in numbers if versions[number] != version]
        if numbers:
            card.login(changer, present(changer))
        for number in numbers:
            card.change_key(number, known(number, version), present(number), version)


def make_files(card: Desfire, master: bytes, files: Iterable[FileSpec]) -> None:
    """Create what is missing, and make again what does not serve.

    What serves is kept: a card never gets back the memory of a deleted file, short of formatting.
    """
    card.login(MASTER, master)
    present = card.file_ids()
    for spec in files:
        if spec.number in present:
            if spec.is_served_by(card.file_settings(spec.number)):
                continue
            card.delete_file(spec.number)
        card.create_file(spec)


def login(card: Desfire, number: int, known: KnownKey, what: str) -> int:
    """Log in with whatever version the card has of this key. Return the version. Refused in words for people."""
    version = card.key_version(number)
    if version == 0:
        raise Refused(f"This {what} was never finished. Issue it again with the same meter number.")
    key = known(number, version)
    try:
        card.login(number, key)
    except CardUntrusted as e:
        raise Refused(f"This {what} does not accept our keys: another supplier's card, or the wrong key file.") from e
    return version
