# SPDX-License-Identifier: Apache-2.0
"""The bench's cards, good and forged: made, signed, sold on and read with the shop's own library and demo keys.

Nothing here looks at a rule of the shop's: cards no shop would issue, and records no shop would write, are half of
what a meter is tested with.
"""

import struct

from scripts.chips.desfire import DesfireCard
from scripts.supplier.errors import CardGone, FormatError
from scripts.supplier.formats import (
    IDENTITY,
    IDENTITY_N,
    LABEL,
    LABEL_N,
    PURCHASE,
    PURCHASE_N,
    PURCHASE_PREFIX,
    WRITEBACK,
    WRITEBACK_N,
    Identity,
    Label,
    SignedPurchase,
    WriteBack,
    seal,
)
from scripts.supplier.keys import MASTER, USER_AID, VENDING, KeySet
from scripts.supplier.signing import NO_SIGNATURE, sign
from scripts.vend.desfire import MACED, NATIVE_FRAME_N, PLAIN, Desfire
from scripts.vend.personalise import USER_FILES, change_keys, make_application, make_files

DEMO = KeySet.demo()  # of the virtual world; a provisioned meter refuses its keys, by their check value
SALE_KEY = DEMO.sale.seed()  # private: number 1
OTHER_KEY = bytes(range(32))  # of another supplier
UNSIGNED = NO_SIGNATURE
NUMBER = "00012345"
AID = USER_AID
SIZES = (LABEL_N, IDENTITY_N, PURCHASE_N, WRITEBACK_N)


class Field:
    """The card in a reader's field: vend's Carrier."""

    frame_n = NATIVE_FRAME_N

    def __init__(self, card: DesfireCard):
        self.card = card
        self.uid = card.uid
        card.field_on()

    def exchange(self, command: bytes) -> bytes:
        answer, _ = self.card.transceive(command)
        if answer is None:
            raise CardGone
        return answer

    def close(self) -> None:
        self.card.field_off()
        self.card.exchanges = 0


class Terminal(Desfire):
    """A trusted terminal at a card."""

    def __init__(self, card: DesfireCard, **options):
        self.card = card
        self._field = Field(card)
        super().__init__(self._field, **options)

    def close(self) -> None:
        self._field.close()


def label(meter_number: str) -> bytes:
    return Label(meter_number).pack()


def identity(meter_number: str, generation: int = 1, kind: int = 1, currency: str = "EUR") -> bytes:
    fields = (1, kind, generation, meter_number.encode("ascii"), currency.encode("ascii"), 0)
    return seal(IDENTITY, struct.pack("<BBH12s3sB", *fields))


def purchase(count: int, amount_micro: int, debt_micro: int = 0, sold_utc_s: int = 0, *, number: str = NUMBER,
             generation: int = 1, currency: str = "EUR", key_number: int | None = None, key: bytes = SALE_KEY,
             signature: bytes | None = None, version: int = 3) -> bytes:  # fmt: skip
    """File 2 of a card. key: a private one; key_number: what the record says of it (None: 1, or 0 before anything
    was sold); signature: in place of the right one."""
    if key_number is None:
        key_number = 1 if count else 0
    fields = (version, key_number, generation, count, amount_micro, debt_micro, sold_utc_s)
    body = struct.pack("<BBHIQQI12s3sB", *fields, number.encode("ascii"), currency.encode("ascii"), 0)
    if signature is None:
        signature = sign(key, PURCHASE_PREFIX + body) if count else NO_SIGNATURE
    return seal(PURCHASE, body) + signature


def personalise(card: DesfireCard, meter_number: str, generation: int = 1, kind: int = 1, currency: str = "EUR",
                keys: KeySet = DEMO) -> None:  # fmt: skip
    """Turn a blank DESFire into a user card of a meter: application, keys, files, identity, no purchase."""

    def known(role, version):
        return keys.user_card_key(version, role, card.uid, meter_number)

    t = Terminal(card)
    make_application(t, USER_AID)
    change_keys(t, known, keys.newest)
    make_files(t, known(MASTER, keys.newest), USER_FILES)
    t.login(VENDING, known(VENDING, keys.newest))
    t.write(LABEL, 0, label(meter_number), PLAIN)
    t.write(IDENTITY, 0, identity(meter_number, generation, kind, currency))
    t.write(PURCHASE, 0, purchase(0, 0, number=meter_number, generation=generation, currency=currency))
    t.commit()
    t.close()


def _shop(card, keys=DEMO):
    """A terminal logged in with vending rights, by keys of the version the card has."""
    t = Terminal(card)
    t.select(USER_AID)
    number = Label.unpack(t.read(LABEL, 0, LABEL_N)).meter_number
    t.login(VENDING, keys.user_card_key(t.key_version(VENDING), VENDING, card.uid, number))
    return t


def put(card: DesfireCard, file_no: int, record: bytes, keys: KeySet = DEMO) -> None:
    """Write any bytes into a file with vending rights: for cards no shop would issue."""
    t = _shop(card, keys)
    t.write(file_no, 0, record, PLAIN if file_no == LABEL else MACED)
    t.commit()
    t.close()


def _carried(card, keys=DEMO):
    """(what was sold last, what the meter has booked). FormatError: one of them is damaged."""
    t = _shop(card, keys)
    try:
        sold = SignedPurchase.unpack(t.read(PURCHASE, 0, PURCHASE_N)).purchase
        back = WriteBack.unpack(t.read(WRITEBACK, 0, WRITEBACK_N))
    finally:
        t.close()
    return sold, back.purchase_count if back else 0


def put_purchase(card: DesfireCard, count: int, amount_micro: int, debt_micro: int = 0, keys: KeySet = DEMO,
                 **options) -> None:  # fmt: skip
    """Write a purchase with what the card's identity says; options as of purchase(), for forgeries."""
    t = _shop(card, keys)
    found = Identity.unpack(t.read(IDENTITY, 0, IDENTITY_N))
    t.close()
    place = {"number": found.meter_number, "generation": found.generation, "currency": found.currency}
    put(card, PURCHASE, purchase(count, amount_micro, debt_micro, **{**place, **options}), keys)


def sell(card: DesfireCard, amount_micro: int, debt_micro: int = 0, keys: KeySet = DEMO, **options) -> int:
    """Write the next purchase. Return its number. options: as of purchase(), for forgeries. ValueError when the last
    one has not come back as booked."""
    if amount_micro <= 0:
        raise ValueError("an amount must be more than nothing")
    sold, booked = _carried(card, keys)
    if sold.count != booked:
        raise ValueError(f"purchase {sold.count} has not been to the meter yet")
    put_purchase(card, sold.count + 1, amount_micro, debt_micro, keys, **options)
    return sold.count + 1


def pending_micro(card: DesfireCard) -> int:
    """What a card would add to its meter's credit: the last sale, unless the write-back says it is booked."""
    sold, booked = _carried(card)
    return sold.amount_micro if sold.count > booked else 0


def read_back(card: DesfireCard) -> WriteBack | None:
    """What the meter wrote last, or None when it never did. FormatError when it is damaged."""
    t = _shop(card)
    record = t.read(WRITEBACK, 0, WRITEBACK_N)
    t.close()
    return WriteBack.unpack(record)


def peek_back(card: DesfireCard) -> WriteBack | None:
    """What read_back() would give, without touching the card: it may be in use. None also when it is damaged."""
    try:
        return WriteBack.unpack(bytes(card.applications[USER_AID].files[WRITEBACK].data))
    except (KeyError, FormatError):
        return None
