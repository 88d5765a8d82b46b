# SPDX-License-Identifier: Apache-2.0
"""A card slot on the bench for unit tests: reader model, driver, desk, and real books over a FRAM model."""

import asyncio
import contextlib
import tempfile

import pytest
from meter.books import opening
from meter.books.books import Books
from meter.cards.desk import CardDesk
from meter.core.state import MeterState
from meter.documents import keys_doc, parse
from meter.drivers.fram import Fram
from meter.drivers.pn532 import Pn532
from meter.storage.events import EventLog
from meter.storage.ledger import Ledger

from host_tests.bench.cards.cards import DEMO
from host_tests.bench.documents import MADE
from host_tests.bench.plant.direct import DirectI2C, DirectPin
from host_tests.bench.run.cpython import VirtualTime
from scripts.chips.mb85rc256v import Mb85rc256vChip
from scripts.chips.pn532 import Pn532Chip
from scripts.supplier.errors import CardStatus

NUMBER = "00012345"
_FILES = tempfile.TemporaryDirectory(prefix="pennywatt-")  # where a meter's documents go, if a test gives no place
KEYS = keys_doc.parse(DEMO.meter_document(NUMBER, made=MADE))
TARIFF = {"name": "One price", "currency": "EUR", "price": "0.25"}


@contextlib.contextmanager
def refused(status):
    """The card is to refuse with this status."""
    with pytest.raises(CardStatus) as e:
        yield
    assert e.value.status == status


def with_keys(keys=KEYS, **changed):
    """The same keys but for some, by the names of their positions in documents/keys_doc.py."""
    keys = list(keys)
    for name, key in changed.items():
        keys[getattr(keys_doc, name)] = key
    return tuple(keys)


class Slot:
    """A reader in a virtual world of its own; the card bus runs at `freq`."""

    def __init__(self, freq=400_000):
        self.vt = VirtualTime()
        self.irq = DirectPin(0)
        self.chip = Pn532Chip(self.vt.at, self.irq.drive)
        self.reset = DirectPin(1, on_change=lambda level: self.chip.reset_pin(level, self.vt.now_us))
        self.chip.power_on(self.vt.now_us)
        self.i2c = DirectI2C(self.vt, [self.chip], freq)
        self.reader = Pn532(self.i2c, self.irq, self.reset)

    def insert(self, card):
        self.chip.insert(card, self.vt.now_us)

    def remove(self):
        self.chip.remove(self.vt.now_us)

    def run(self, coro):
        return self.vt.run(coro)


class Panel:
    """Remembers what was said, and when."""

    def __init__(self, vt):
        self.vt = vt
        self.said = []  # (now_us, rows, hold_ms); rows None: unsay

    def say(self, lines, hold_ms):
        assert len(lines) == 4, lines
        assert all(len(line) <= 20 for line in lines), lines
        self.said.append((self.vt.now_us, lines, hold_ms))

    def unsay(self):
        self.said.append((self.vt.now_us, None, 0))

    def first_rows(self):
        return [rows and rows[0].strip("\x02 ") for _, rows, _ in self.said]

    @property
    def text(self):
        """The last thing said, as one line."""
        return " ".join(" ".join(self.said[-1][1] or ()).split()).lstrip("\x02 ")


class Meter(Slot):
    """Slot, desk and books of one meter. `async with` it: inside, the desk's task runs."""

    def __init__(self, keys=KEYS, freq=400_000, **settings):
        super().__init__(freq)
        self.fram_chip = Mb85rc256vChip(0x50)
        self.fram_chip.power_on(0)
        self.fram_i2c = DirectI2C(self.vt, [self.fram_chip])
        self.cfg = parse.settings({"meter_number": NUMBER, **settings})
        self.panel = Panel(self.vt)
        self.keys = keys
        self.boot()

    def boot(self):
        """The microcontroller starts again: books from FRAM, another desk."""
        fram = Fram(self.fram_i2c, 0x50)
        self.events = EventLog(fram)
        self.books = Books(MeterState(), (Ledger(fram), self.events, fram), self.cfg, parse.tariff(TARIFF))
        opening.read_ledger(self.books)
        self.desk = CardDesk(self.reader, self.books, self.panel, self.keys)
        self.desk.root = CardDesk.root or _FILES.name

    @property
    def s(self):
        return self.books.s

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.desk.run(lambda: None))
        await asyncio.sleep(0.5)
        return self

    async def __aexit__(self, *exc):
        failed = self.task.done() and not self.task.cancelled() and self.task.exception()
        self.task.cancel()
        await asyncio.sleep(0)
        if failed and exc[0] is None:
            raise failed

    async def show(self, card, seconds=4.0):
        """Insert a card, leave it in for some seconds, take it out (if it is still there) and wait a little."""
        self.panel.said.clear()
        self.insert(card)
        await asyncio.sleep(seconds)
        if self.chip.card is not None:
            self.remove()
        await asyncio.sleep(2)

    def logged(self, code):
        """The values of all log records of this code."""
        records = [self.events.record(n) for n in range(1, self.events.next_number)]
        return [value for _, _, c, _, value in records if c == code]
