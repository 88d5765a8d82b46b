# SPDX-License-Identifier: Apache-2.0
"""Books, ledger, event log and card desk on chip models, in a world where power, wires and cards fail on order."""

import asyncio
import struct
import zlib
from dataclasses import asdict
from functools import cache

from meter.books import opening
from meter.books.books import Books
from meter.cards.desk import CardDesk
from meter.core import codes
from meter.core.errors import BusError
from meter.core.state import MeterState
from meter.documents import parse
from meter.drivers.fram import Fram
from meter.drivers.pn532 import Pn532
from meter.storage.events import EventLog
from meter.storage.ledger import FELL_BACK, Ledger

from host_tests.bench.cards import cards
from host_tests.bench.plant.direct import DirectI2C
from host_tests.stands.card import KEYS, Panel, Slot
from host_tests.unit.conftest import new_rings
from scripts.chips import I2cNak
from scripts.chips.desfire import DesfireCard
from scripts.chips.mb85rc256v import Mb85rc256vChip
from scripts.supplier.keys import KeySet

NUMBER = "00012345"
OTHER_NUMBER = "99999999"
FORGED_KEYS = KeySet({1: tuple(b"PENNYWATT-FALSE%d" % n for n in range(6))})


class FailingFram(Mb85rc256vChip):
    """One write fails on order, part of it kept: power is gone with it, or the part was only disturbed."""

    def __init__(self):
        super().__init__(0x50)
        # (how many writes go well, of at least how many bytes; bytes of the next one that are kept; does power fail?)
        self.fail = None

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        if self.fail is None or len(data) <= 2 or not self.powered:
            super().i2c_write(data, now_us, byte_us)
            return
        before, at_least, keep, cut = self.fail
        if before or len(data) - 2 < at_least:
            if len(data) - 2 >= at_least:
                self.fail = (before - 1, at_least, keep, cut)
            super().i2c_write(data, now_us, byte_us)
            return
        self.fail = None
        super().i2c_write(data[: 2 + keep], now_us, byte_us)
        if cut:
            self.power_off(now_us)
            self.on_cut(now_us)
        raise I2cNak(self.addr)


@cache
def settings(house):
    return parse.settings(house.document(NUMBER))


TARIFFS = (
    {
        "name": "Three rates",
        "currency": "EUR",
        "rates": [
            {"name": "night", "price": "0.182503"},
            {"name": "day", "price": "0.294001"},
            {"name": "sun", "price": "0"},
        ],
        "days": {"every": [["00:00", "night"], ["06:30", "day"], ["13:00", "sun"], ["15:00", "day"]]},
        "fallback": "day",
        "standing": "0.5",
        "steps": [[10, "0.1"], [25, "0.030001"]],
    },
    {"name": "Dear", "currency": "EUR", "price": "999.999999"},
    {"name": "Nothing", "currency": "EUR", "price": "0", "standing": "0.000001"},
    {
        "name": "Crumbs",
        "currency": "EUR",
        "rates": [{"name": "one", "price": "0.000001"}, {"name": "third", "price": "0.333333"}],
        "days": {"every": [["00:00", "one"], ["12:00", "third"]]},
        "fallback": "third",
        "standing": "0.100001",
        "steps": [[3, "2.5"], [9, "-2.4"]],
    },
)
_parse_tariff = cache(lambda n: parse.tariff(TARIFFS[n]))


@cache
def _image(number, uid, generation, forged):
    card = DesfireCard(uid)
    cards.personalise(card, number, generation, keys=FORGED_KEYS if forged else cards.DEMO)
    return card.snapshot()


class Card:
    """A card, and what is known about it outside the meter."""

    def __init__(self, n: int, generation: int, flaw: str = "", number: str = NUMBER):
        self.uid = bytes.fromhex("04A1B2C3D4") + struct.pack(">H", n)
        self.generation, self.flaw, self.number = generation, flaw, number
        self.chip = DesfireCard(self.uid)
        self.chip.restore(_image(number, self.uid, generation, flaw == "forged"))
        self.count = self.amount = self.debt = 0
        self.written = None  # what the meter wrote onto it, as a dict

    def image(self):
        """Another card with the same contents and the same UID."""
        other = object.__new__(Card)
        vars(other).update(vars(self))
        other.chip = DesfireCard(self.uid)
        other.chip.restore(self.chip.applications)
        return other

    def put(self, count: int, amount: int, debt: int = 0, damage: int = 0) -> None:
        """Write a purchase as anybody who has all keys could."""
        self.count, self.amount, self.debt = count, amount, debt
        record = bytearray(cards.purchase(count, amount, debt, generation=self.generation, number=self.number))
        record[9] ^= damage
        self._data(cards.PURCHASE)[:] = record

    def read_back(self):
        back = cards.WriteBack.unpack(bytes(self._data(cards.WRITEBACK)))
        if back is None:
            return None
        found = asdict(back)
        del found["status"], found["months"]  # the readings' own: see readings_are_in_order
        faults = back.faults & ~codes.FAULT_FRAM  # how long that is reported is not the model's business
        named = {"claims": back.claims, "relay": back.relay, "emergency_credit": back.emergency_credit}
        return found | named | {"faults": faults}

    def _data(self, number):
        return self.chip.applications[cards.AID].files[number].data


class Heard(Panel):
    """Sets `told` when it says something."""

    told = None

    def say(self, lines, hold_ms):
        super().say(lines, hold_ms)
        if self.told is not None:
            self.told.set()


class World(Slot):
    """A meter of `house` (meter_model.House). dark: power has failed; boot() brings it back."""

    def __init__(self, house, tariff_n: int, blank: int):
        super().__init__(400_000)
        self.fram = FailingFram()
        self.fram.data[:] = bytes((blank,)) * len(self.fram.data)
        self.fram.on_cut = self._cut
        new_rings()
        self._fram_i2c = DirectI2C(self.vt, [self.fram], 400_000)
        self._cfg = settings(house)
        self.tariff_n = tariff_n
        self.acked = []  # every record the log has taken: number, code, value, utc_s
        self.commits = []  # of every commit: was it acknowledged?
        self.dark = True
        self.panel = Heard(self.vt)
        self._told = None

    def seed(self, event_seq: int) -> None:
        """A meter that has written many events, which somebody has since wiped."""
        self.fram.power_on(0)
        s = MeterState()
        s.credit_micro = self._cfg.initial_credit_micro
        s.event_seq = event_seq
        Ledger(Fram(self._fram_i2c)).commit(s)

    # -- power ------------------------------------------------------------------------------------

    def _cut(self, now_us):
        self.dark = True
        self.fram.power_off(now_us)
        self.chip.power_off(now_us)
        if self._told is not None:
            self._told.set()

    def cut(self) -> None:
        self._cut(self.vt.now_us)

    def boot(self, silences: int = 0) -> int:
        """Power on, and what app.start() does before the tasks run. silences: transfers the FRAM does not answer."""
        now_us = self.vt.now_us
        self.fram.power_on(now_us)
        self.fram.nak_next = silences
        if self.chip.card is not None:
            self.chip.remove(now_us)
        self.chip.power_on(now_us)
        self.dark = False
        self.reader = Pn532(self.i2c, self.irq, self.reset)
        fram = Fram(self._fram_i2c)
        self.log = EventLog(fram)
        store = Ledger(fram)
        self._listen(self.log, store)
        self.books = books = Books(MeterState(), (store, self.log, fram), self._cfg, _parse_tariff(self.tariff_n))
        while True:
            try:
                found = opening.read_ledger(books)
                break
            except BusError:
                books.fault(codes.FAULT_FRAM, True)
        books.log(codes.LOG_RESET, 1)
        if found == FELL_BACK:
            books.log(codes.LOG_LEDGER_FALLBACK)
        if books.faults & codes.FAULT_FRAM:
            books.log(codes.LOG_FAULT, codes.FAULT_FRAM)
        books.fault(codes.FAULT_FRAM, False)
        self.desk = CardDesk(self.reader, books, self.panel, KEYS)
        return found

    def _listen(self, log, store):
        genuine, genuine_commit = log.append, store.commit

        def append(code, value, utc_s):
            number = log.next_number
            genuine(code, value, utc_s)
            self.acked.append((number, code, value, utc_s))

        def commit(s):
            self.commits.append(False)
            genuine_commit(s)
            self.commits[-1] = True

        log.append, store.commit = append, commit

    # -- a card -----------------------------------------------------------------------------------

    def visit(self, card: DesfireCard, at: int = -1, meanwhile=None) -> bool:
        """Insert a card, wait until the meter has said something, take it out. meanwhile: called during exchange `at`.

        Was it called?
        """
        called = []

        def transceive(command):
            if card.exchanges - before == at and not called:
                called.append(at)
                meanwhile()
                if self.dark:
                    return None, 0
            return DesfireCard.transceive(card, command)

        before = card.exchanges
        if meanwhile is not None:
            card.transceive = transceive
        try:
            self.vt.run(self._visit(card))
        finally:
            vars(card).pop("transceive", None)
            card.pull_after(None)
        return bool(called)

    async def _visit(self, card):
        task = asyncio.ensure_future(self.desk.run(lambda: None))
        await asyncio.sleep(0.5)
        self._told = self.panel.told = asyncio.Event()
        self.panel.said.clear()
        self.insert(card)
        waits = asyncio.ensure_future(self._told.wait())
        await asyncio.wait((task, waits), timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert waits.done() or task.done(), "somebody stands there and reads nothing"
        self._told = None
        if task.done() and not self.dark:
            task.result()
        if self.chip.card is not None:
            self.remove()
        task.cancel()
        await asyncio.sleep(0)

    # -- what is in the FRAM ----------------------------------------------------------------------

    def sequences(self):
        """The sequence numbers of the sound copies of the ledger, read by FORMAT.md."""
        found = []
        for at in (0, 0x400):
            record = bytes(self.fram.data[at : at + 376])
            if record[:4] == b"PL\4\0" and zlib.crc32(record[:372]) == struct.unpack_from("<I", record, 372)[0]:
                found.append(struct.unpack_from("<I", record, 4)[0])
        return found

    def months(self):
        """The months of the newest sound readings, read by FORMAT.md: [(month, counts)], newest first."""
        newest, found = 0, []
        for at in (0xC00, 0xE00):
            record = bytes(self.fram.data[at : at + 188])
            sequence = struct.unpack_from("<I", record, 4)[0]
            sound = record[:3] == b"PM\1" and zlib.crc32(record[:184]) == struct.unpack_from("<I", record, 184)[0]
            if sound and sequence > newest:
                newest = sequence
                found = [struct.unpack_from("<HIH", record, 8 + 8 * n) for n in range(12)]
        return [(month, low | high << 32) for month, low, high in found if month]

    def event(self, number: int):
        """Record `number` of the event log, read by FORMAT.md: (number, code, value, utc_s or None)."""
        at = 0x1000 + number % 1024 * 16
        record = bytes(self.fram.data[at : at + 16])
        if zlib.crc32(record[:14]) & 0xFFFF != struct.unpack_from("<H", record, 14)[0]:
            return None
        n, utc_s, code, quality, value = struct.unpack_from("<IIBBi", record)
        return n, code, value, None if quality else utc_s
