# SPDX-License-Identifier: Apache-2.0
"""A bench in use: a plant, a meter on it, and what a person can do to both.

Tests drive it with run_s(); live.py lets it run at a multiple of real time, for the page.
"""

from collections import deque
from datetime import datetime

from host_tests.bench import documents
from host_tests.bench.cards.cards import sell
from host_tests.bench.cards.deck import Deck
from host_tests.bench.plant import costs as tables
from host_tests.bench.plant.clock import VirtualTime
from host_tests.bench.plant.faults import FAULTS, set_fault
from host_tests.bench.plant.flash import NorFlash, Profile, flash_of
from host_tests.bench.plant.plant import EPOCH, Plant
from host_tests.bench.run.board import load_board
from host_tests.bench.run.process import MeterProcess
from host_tests.bench.views.ledger import read_crashes, read_events, read_ledger
from host_tests.bench.views.rings import read_flash_events, read_flash_ledger, read_incidents
from scripts.chips.desfire import DesfireCard
from scripts.common import decimal

_AMOUNT_MAX_MICRO = 1_000_000_000_000_000  # a thousand million: what a meter books


class Bench:
    """A plant, a meter and what the person at the page can do to them."""

    def __init__(
        self,
        arch="i386",
        heap=None,
        utc=datetime(2026, 1, 12, 7, 0),
        tariff=None,
        files=None,
        image=None,
        load_w=600,
        up=True,
        start_us=0,
        board="esp32_devkit",
        card_files=(),
        costs=tables.ESP32,
        profile=Profile.STOCK,
        **settings,
    ):
        """A meter just plugged in. settings: changes to the bench's; files: documents in place of
        the usual; image: another file system, or a whole chip; up=False leaves the plug out; start_us: bench time;
        board: a folder of boards/; card_files: cards that the shop keeps in files;
        costs: what computing takes; profile: stock, or place, where slot a runs in place."""
        self.settings = documents.settings(**settings)
        self.board = load_board(board)
        files = {**documents.as_files(self.settings, tariff), **(files or {})}
        flash = image or flash_of(profile, files, board)
        self.plant = Plant(
            VirtualTime(start_us),
            self.board,
            flash if isinstance(flash, NorFlash) else NorFlash(flash),
            utc_s=int((utc - EPOCH).total_seconds()),
            costs=costs,
        )
        self.meter = MeterProcess(self.plant, arch, heap)
        began_s = int((utc - EPOCH).total_seconds())
        self.deck = Deck(
            self.settings["meter_number"],
            self.settings["currency"],
            card_files,
            lambda: began_s + (self.plant.clock.now_us - start_us) // 1_000_000,
        )
        self.card = None
        self.plugged = False
        self.load_w, self.pf_milli = load_w, 980
        self.faults = {part: "none" for part in FAULTS}
        self.tick_reads_us = deque(maxlen=200)  # when the firmware read the IC's total energy register
        self.plant.meter_ic.on_energy_read = self._tick_read
        self._load()
        if up:
            self.plug(True)

    def _tick_read(self, addr, counts, now_us):
        if addr == 0x80:
            self.tick_reads_us.append(now_us)

    # -- the person -------------------------------------------------------------------------------

    def _load(self):
        q_factor = max(0, 1_000_000 - self.pf_milli**2) ** 0.5 / max(1, self.pf_milli)
        self.plant.house.set_load(0, self.load_w * 1000, round(self.load_w * 1000 * q_factor))

    def load(self, w: int, pf_milli: int = 1000) -> None:
        """What the house draws while it is supplied."""
        self.load_w, self.pf_milli = w, pf_milli
        self._load()

    def fault(self, part: str, mode: str) -> None:
        """Break a part, or mend it ("none"). ValueError for what there is not."""
        set_fault(self.plant, part, mode)
        self.faults[part] = mode

    def plug(self, plugged: bool) -> None:
        if plugged and not self.plugged:
            self.meter.plug_in()
        elif self.plugged and not plugged:
            self.meter.pull_plug()
        self.plugged = plugged

    def insert(self, card_id) -> None:
        """Put a card in the slot, or take it out (None)."""
        now_us = self.plant.clock.now_us
        if self.card is not None:
            self.plant.reader.remove(now_us)
            self.card = None
        if card_id is not None:
            try:
                card = self.deck.take(card_id)
            except KeyError:
                raise ValueError("There is no such card.") from None
            self.plant.reader.insert(card, now_us)
            self.card = card_id

    def sell(self, card_id: str, amount: str) -> None:
        """Put a purchase on a card, as a shop would. ValueError when the shop would refuse."""
        if card_id == self.card:
            raise ValueError("Take the card out of the meter first: the desk needs it.")
        try:
            card = self.deck.card(card_id)
        except KeyError:
            raise ValueError("There is no such card.") from None
        if not isinstance(card, DesfireCard):
            raise ValueError("This card cannot hold a purchase.")
        try:
            micro = decimal(amount.strip(), 6, 0, _AMOUNT_MAX_MICRO)
        except ValueError:
            raise ValueError("An amount like 20.00 is needed.") from None
        sell(card, micro)

    # -- the world --------------------------------------------------------------------------------

    def run_s(self, seconds: float) -> None:
        """Let virtual time pass as fast as it goes."""
        self.meter.run_s(seconds)

    def press(self, hold_s: float = 0.2) -> None:
        """The button, pressed and let go."""
        self.plant.set_input(self.board.BUTTON, 0)
        self.run_s(hold_s)
        self.plant.set_input(self.board.BUTTON, 1)

    def lcd(self) -> list[str]:
        """The four rows as they stand on the display."""
        return self.plant.lcd.rows()

    def screen(self) -> str:
        """The display as one line of words."""
        return " ".join(" ".join(row.split()) for row in self.lcd())

    def state(self):
        """What the ledger says, in FRAM or on flash."""
        if not self.board.FRAM_ADDR:
            return read_flash_ledger(self.plant.flash)
        return read_ledger(self.plant.fram)

    def events(self):
        if not self.board.FRAM_ADDR:
            return read_flash_events(self.plant.flash)
        return read_events(self.plant.fram)

    def incidents(self):
        """What was measured when something watched for began and ended."""
        return read_incidents(self.plant.flash)

    def crashes(self):
        """Reports of fallen tasks, the newest last."""
        return read_crashes(self.plant.fram)

    def close(self) -> None:
        self.meter.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
