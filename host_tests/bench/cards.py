# SPDX-License-Identifier: Apache-2.0
"""The bench's card shop: personalises cards, sells on them, reads what they brought back.

Works on the card model through its commands, with the rights a shop has. Keys and record layouts are written
down here a second time on purpose: firmware and bench must agree about bytes, not share code.
"""

import struct
import zlib
from dataclasses import dataclass

from .chips.desfire import DesfireCard
from .chips.desfire_crypto import ZERO, aes_cbc, aes_cmac, an10922, card_crc32
from .chips.mifare_classic import ClassicCard

# Keys of the virtual world. A provisioned meter refuses the meter role's (by its check value).
DEMO_ROLE_KEYS = (
    b"PENNYWATT-DEMO-0",  # master
    b"PENNYWATT-DEMO-1",  # meter: this is "card_role_key" in a virtual meter's keys.json
    b"PENNYWATT-DEMO-2",  # vending
    b"PENNYWATT-DEMO-3",  # reader
    b"PENNYWATT-DEMO-4",  # change
)
DEMO_METER_ROLE_KEY = DEMO_ROLE_KEYS[1]
MASTER, METER, VENDING, READER, CHANGE = range(5)

AID = bytes.fromhex("015750")
LABEL, IDENTITY, PURCHASE, WRITEBACK = range(4)
SIZES = (17, 24, 20, 128)
_STD, _BACKUP = 0xCD, 0xCB
# create command, communication, rights: read, write, read and write, change
_FILES = (
    (_STD, 0, (14, 15, VENDING, CHANGE)),
    (_BACKUP, 1, (METER, 15, VENDING, CHANGE)),
    (_BACKUP, 1, (METER, 15, VENDING, CHANGE)),
    (_BACKUP, 1, (VENDING, 15, METER, CHANGE)),
)


class Refused(Exception):
    """The card answered with this status."""


class Terminal:
    """A trusted terminal at a card: the secure messaging a shop's reader does."""

    def __init__(self, card: DesfireCard):
        self.card = card
        self.session = None
        self.iv = ZERO
        card.field_on()

    def close(self) -> None:
        self.card.field_off()
        self.card.exchanges = 0

    def _raw(self, command, expect=0):
        answer, _ = self.card.transceive(command)
        if answer is None or answer[0] != expect:
            raise Refused("no answer" if answer is None else f"{answer[0]:02X} to {command[0]:02X}")
        return answer[1:]

    def select(self, aid: bytes) -> None:
        self.session = None
        self._raw(b"\x5a" + aid)

    def login(self, key_no: int, key: bytes, rnd_a: bytes = bytes(range(16))) -> None:
        self.session = None
        sent = self._raw(bytes((0xAA, key_no)), 0xAF)
        rnd_b = aes_cbc(key, ZERO, sent, decrypt=True)
        token = aes_cbc(key, sent, rnd_a + rnd_b[1:] + rnd_b[:1])
        proof = aes_cbc(key, token[16:], self._raw(b"\xaf" + token), decrypt=True)
        if proof != rnd_a[1:] + rnd_a[:1]:
            raise Refused("the card does not know the key")
        self.session = rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:]
        self.iv = ZERO
        self.key_no = key_no

    def ask(self, command: bytes, mac: bool = False) -> bytes:
        """One command; in a session with MAC chain and check of the answer's MAC. Follows AF chains."""
        if self.session is not None:
            self.iv = aes_cmac(self.session, self.iv, command)
            if mac:
                command += self.iv[:8]
        while len(command) > 60:
            self._raw(command[:60], 0xAF)
            command = b"\xaf" + command[60:]
        return self._checked(command)

    def _checked(self, command):
        answer, _ = self.card.transceive(command)
        data = b""
        while answer is not None and answer[0] == 0xAF:
            data += answer[1:]
            answer, _ = self.card.transceive(b"\xaf")
        if answer is None or answer[0]:
            raise Refused("no answer" if answer is None else f"{answer[0]:02X} to {command[0]:02X}")
        data += answer[1:]
        if self.session is None:
            return data
        data, mac = data[:-8], data[-8:]
        self.iv = aes_cmac(self.session, self.iv, data + b"\x00")
        if self.iv[:8] != mac:
            raise Refused("the card's MAC is wrong")
        return data

    def read(self, file_no: int, offset: int, n: int) -> bytes:
        return self.ask(b"\xbd" + _place(file_no, offset, n))

    def write(self, file_no: int, offset: int, data: bytes, mac: bool = True) -> None:
        self.ask(b"\x3d" + _place(file_no, offset, len(data)) + data, mac)

    def commit(self) -> None:
        self.ask(b"\xc7")

    def change_key(self, key_no: int, new: bytes, old: bytes, version: int = 1) -> None:
        head = bytes((0xC4, key_no))
        if key_no == self.key_no:
            plain = new + bytes((version,))
            plain += card_crc32(head + plain)
        else:
            plain = bytes(a ^ b for a, b in zip(new, old, strict=True)) + bytes((version,))
            plain += card_crc32(head + plain) + card_crc32(new)
        cipher = aes_cbc(self.session, self.iv, plain.ljust(32, b"\0"))
        self.iv = cipher[-16:]
        if key_no == self.key_no:
            self.session = None
        self._checked(head + cipher)


def _place(file_no, offset, n):
    return bytes((file_no,)) + offset.to_bytes(3, "little") + n.to_bytes(3, "little")


def card_key(role: int, uid: bytes, meter_number: str, role_keys=DEMO_ROLE_KEYS) -> bytes:
    return an10922(role_keys[role], uid + AID + meter_number.encode("ascii"))


def seal(file_no: int, body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(bytes((file_no,)) + body))


def label(meter_number: str) -> bytes:
    return seal(LABEL, struct.pack("<B12s", 1, meter_number.encode("ascii")))


def identity(meter_number: str, generation: int = 1, kind: int = 1, currency: str = "EUR") -> bytes:
    fields = (1, kind, generation, meter_number.encode("ascii"), currency.encode("ascii"), 0)
    return seal(IDENTITY, struct.pack("<BBH12s3sB", *fields))


def purchase(count: int, amount_micro: int) -> bytes:
    return seal(PURCHASE, struct.pack("<B3xIQ", 1, count, amount_micro))


def personalise(card, meter_number: str, generation: int = 1, kind: int = 1, currency: str = "EUR",
                role_keys=DEMO_ROLE_KEYS) -> None:  # fmt: skip
    """Turn a blank DESFire into a user card of a meter: application, keys, files, identity, no purchase."""
    if len(meter_number.encode("ascii")) > 12:
        raise ValueError("a meter number has at most 12 characters")
    keys = [card_key(role, card.uid, meter_number, role_keys) for role in range(5)]
    t = Terminal(card)
    # Settings 49: key 4 changes keys, files need the master key, which can be changed. 85: five AES keys.
    t.ask(b"\xca" + AID + b"\x49\x85")
    t.select(AID)
    t.login(CHANGE, ZERO)
    for role in (METER, VENDING, READER):
        t.change_key(role, keys[role], ZERO)
    t.login(MASTER, ZERO)
    t.change_key(CHANGE, keys[CHANGE], ZERO)
    t.change_key(MASTER, keys[MASTER], ZERO)
    t.login(MASTER, keys[MASTER])
    for number, (create, comm, (read, write, both, change)) in enumerate(_FILES):
        rights = read << 12 | write << 8 | both << 4 | change
        settings = struct.pack("<BBH", number, comm, rights)
        t.ask(bytes((create,)) + settings + SIZES[number].to_bytes(3, "little"))
    t.select(AID)
    t.login(VENDING, keys[VENDING])
    t.write(LABEL, 0, label(meter_number), mac=False)
    t.write(IDENTITY, 0, identity(meter_number, generation, kind, currency))
    t.write(PURCHASE, 0, purchase(0, 0))
    t.commit()
    t.close()


def _shop(card, role_keys=DEMO_ROLE_KEYS):
    """A terminal logged in with vending rights, and the meter number on the card."""
    t = Terminal(card)
    t.select(AID)
    number = t.read(LABEL, 0, SIZES[LABEL])[1:13].rstrip(b"\0").decode("ascii")
    t.login(VENDING, card_key(VENDING, card.uid, number, role_keys))
    return t


def put(card, file_no: int, record: bytes) -> None:
    """Write any bytes into a file with vending rights: for cards no shop would issue."""
    t = _shop(card)
    t.write(file_no, 0, record)
    t.commit()
    t.close()


def sell(card, amount_micro: int) -> int:
    """Write the next purchase; gives its number. ValueError when the last one has not come back as booked."""
    if amount_micro <= 0:
        raise ValueError("an amount must be more than nothing")
    t = _shop(card)
    try:
        sold = struct.unpack_from("<I", t.read(PURCHASE, 0, SIZES[PURCHASE]), 4)[0]
        booked = _unpack_writeback(t.read(WRITEBACK, 0, SIZES[WRITEBACK]))
        if sold != (booked["purchase_count"] if booked else 0):
            raise ValueError(f"purchase {sold} has not been to the meter yet")
        t.write(PURCHASE, 0, purchase(sold + 1, amount_micro))
        t.commit()
        return sold + 1
    finally:
        t.close()


def pending_micro(card) -> int:
    """What a card would add to its meter's credit: the last sale, unless the write-back says it is booked."""
    t = _shop(card)
    try:
        record = t.read(PURCHASE, 0, SIZES[PURCHASE])
        if seal(PURCHASE, record[:-4]) != record:
            raise ValueError("the purchase is damaged")
        count, amount = struct.unpack_from("<IQ", record, 4)
        booked = _unpack_writeback(t.read(WRITEBACK, 0, SIZES[WRITEBACK]))
    finally:
        t.close()
    return amount if count > (booked["purchase_count"] if booked else 0) else 0


def read_back(card):
    """What the meter wrote last, as a dict, or None when it never did. ValueError when it is damaged."""
    t = _shop(card)
    record = t.read(WRITEBACK, 0, SIZES[WRITEBACK])
    t.close()
    return _unpack_writeback(record)


def peek_back(card: DesfireCard):
    """What read_back() would give, without touching the card: it may be in use. None also when it is damaged."""
    try:
        return _unpack_writeback(bytes(card.applications[AID].files[WRITEBACK].data))
    except (KeyError, ValueError):
        return None


def _unpack_writeback(record):
    if not any(record):
        return None
    if seal(WRITEBACK, record[:-4]) != record or record[0] != 1:
        raise ValueError("the write-back is damaged")
    f = struct.unpack("<BBHIIQ8QqQQIQI", record[:-4])
    return {
        "refused_cards": f[2],
        "number": f[3],
        "utc_s": f[4],
        "import_counts": f[5],
        "rate_counts": list(f[6:14]),
        "credit_micro": f[14],
        "overdraft_counts": f[15],
        "overdraft_micro": f[16],
        "purchase_count": f[17],
        "purchased_micro": f[18],
        "claims": f[19] & 0xFF,
        "relay_closed": f[19] >> 8 & 3,
        "faults": f[19] >> 16,
    }


@dataclass
class BenchCard:
    id: str
    label: str
    text: str
    card: object
    prepare: object = None  # called before it goes into the slot


class Deck:
    """The cards lying beside the bench, for one meter."""

    def __init__(self, meter_number: str, currency: str = "EUR"):
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
            count = booked["purchase_count"] if booked else 0
            put(empty, PURCHASE, purchase(count, 20_000_000 if count else 0))

        replayed = DesfireCard(uid)
        replayed.restore(unsold)
        malformed = DesfireCard(uid)
        malformed.restore(unsold)
        broken = bytearray(purchase(1, 20_000_000))
        broken[9] ^= 0x40
        put(malformed, PURCHASE, bytes(broken))
        blank = DesfireCard(bytes.fromhex("04A1B2C3D4E5F2"))
        classic = ClassicCard(bytes.fromhex("A1B2C3D4"))
        other = DesfireCard(bytes.fromhex("04A1B2C3D4E5F1"))
        personalise(other, "99999999" if meter_number != "99999999" else "11111111", currency=currency)
        sell(other, 50_000_000)
        self.cards = (
            BenchCard("good", "Your card", "A purchase of 20.00 waits on it.", good),
            BenchCard("empty", "Your card, used", "Restores supply after a warning.", empty, follow),
            BenchCard("foreign", "Neighbour", "Made for another meter, 50.00 on it.", other),
            BenchCard("replayed", "Old copy", "An image of your card, older than its purchase.", replayed),
            BenchCard("malformed", "Damaged card", "One bit of the purchase record is wrong.", malformed),
            BenchCard("blank", "Blank DESFire", "As it comes from the factory.", blank),
            BenchCard("classic", "Transport card", "A MIFARE Classic: the wrong kind.", classic),
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
