# SPDX-License-Identifier: Apache-2.0
"""One meter on its bench, the household around it, and how both go on after a power cut.

A cut is a real one: SIGKILL for the interpreter, volatile chips forget, coils fall off. The household then
waits with what it was about to do until there is light again; a card is left in or pulled and put in again,
and the outage is short or long, by turns that follow from the name of the cut.
"""

import copy
import json
import os
import re
import shutil
import tempfile
import zlib
from pathlib import Path

from host_tests.bench import documents
from host_tests.bench.cards.cards import DEMO, Terminal, peek_back, sell
from host_tests.bench.cards.utility_cards import new_keys, new_trust, utility_card
from host_tests.bench.plant.flash import NorFlash, Profile, flash_of, read_file
from host_tests.bench.plant.plant import EPOCH
from host_tests.bench.run.process import MeterProcess
from host_tests.bench.run.session import Bench
from scripts.image.image import ROOT
from scripts.supplier.keys import USER_AID
from scripts.supplier.signing import ORDER, SALE
from scripts.supplier.utility_formats import KEY_CHANGE, SETTINGS, TARIFF, TRUST_CHANGE
from scripts.vend.personalise import change_keys

from . import scenario
from .auditor import Auditor
from .clock_rules import ClockRules
from .operations import Operations, PowerCut

# The supplier's keys of later: masters of version 2, signing keys of number 2.
LATER_KEYS = DEMO.rolled(lambda n: bytes(range(n))).rolled_signing(SALE, lambda n: b"s" * n)
LATER_KEYS = LATER_KEYS.rolled_signing(ORDER, lambda n: b"o" * n)
OUTAGES_S = (2, 7, 45, 1000)
_LOOK_S = 0.1
_TAKE_OUT_S = 2  # what a card is out of the slot at least, to be missed


_images = {}


def chip(day: scenario.Day, firmware: Path | None = None, profile=Profile.STOCK) -> NorFlash:
    """The meter's flash; firmware: another tree of sources."""
    key = (day.start, day.name, firmware, profile)
    if key not in _images:
        files = documents.as_files(documents.settings(**day.settings), scenario.TARIFF)
        if day.falls_with:
            files["settings.old"] = files["settings.json"]
            files["settings.json"] = json.dumps(day.falls_with).encode()
            with tempfile.TemporaryDirectory() as made:
                _images[key] = flash_of(profile, files, firmware=_that_falls(Path(made), firmware))
        else:
            _images[key] = flash_of(profile, files, firmware=firmware)
    return copy.deepcopy(_images[key])


def _that_falls(made, firmware):
    """A copy of the firmware whose relay cannot be made with the settings of the day that falls."""
    copy = made / "firmware"
    shutil.copytree(firmware or ROOT / "firmware", copy)
    path = copy / "meter/drivers/relay.py"
    break_ = r"\1if pulse_ms == 77:\n\1    raise RuntimeError('struck')\n\1open_pin(0)"
    text, n = re.subn(r"^( +)open_pin\(0\)$", break_, path.read_text(), count=1, flags=re.M)
    if n != 1:
        raise RuntimeError("the relay's driver is not what this breaks any more")
    path.write_text(text)
    return copy


class World:
    """A meter that has never had power. Public: bench, plant, audit, operations, step."""

    profile = Profile.STOCK  # of all that are made

    def __init__(self, day: scenario.Day = scenario.WHOLE, firmware: Path | None = None):
        self.day = day
        flash = chip(day, firmware, self.profile)
        self.bench = Bench(up=False, utc=day.start, tariff=scenario.TARIFF, image=flash, load_w=0, **day.settings)
        self.plant = self.bench.plant
        self.card = self.bench.deck.card("good")
        scenario.wipe(self.card)
        self.audit = Auditor(self.plant, self.bench.settings, scenario.TARIFF, self.card)
        self.audit.may_tell = day.may_tell
        self.audit.clock_rules = ClockRules() if day.clock_moves else None
        self.audit.falls = bool(day.falls_with)
        self.operations = Operations(self.plant, self.audit)
        for entry in self.bench.deck.cards:
            self.operations.watch_card(entry.card)
        self.bench.meter.blocking = True
        self.step = None
        self.cut_names = []  # the cuts so far
        self.cuts_here = 0  # of them, in this step
        self.starts = 0  # how often there was power
        self.since_us = 0  # when this step began, or power came back in it
        self._mark = 0  # the newest event when it began
        self._hand = None  # the card last put in
        self._reinsert = False
        self._pid = os.getpid()  # whose child the interpreter is
        self._abandoned = []  # kept, for closing them would take their page from others

    # -- what steps do ----------------------------------------------------------------------------

    @property
    def state(self):
        """The last whole ledger record."""
        return self.audit.state

    def load(self, watts: int) -> None:
        self.bench.load(watts)

    def plug(self, plugged: bool) -> None:
        """The mains comes or goes."""
        self.operations.live = False
        if plugged:
            self.audit.power_on()
            self.starts += 1
            self.operations.live = True
            self._pid = os.getpid()
        else:
            self.audit.power_off()
        self.bench.plug(plugged)

    def sell(self, micro: int, debt_micro: int = 0, sale_number: int = 1) -> None:
        signed = {"key": LATER_KEYS.sale.seed(sale_number), "key_number": sale_number}
        sell(self.card, micro, debt_micro, LATER_KEYS, **signed)
        self.audit.sold.append((micro, debt_micro))

    def insert(self, card) -> None:
        """A card goes into the slot: one of the deck by its name, or any; None takes out what is in."""
        if card is None or isinstance(card, str):
            self.bench.insert(card)
        else:
            self.bench.insert(None)
            self.plant.reader.insert(card, self.plant.clock.now_us)
            self.bench.card = card
        self._hand = card or self._hand

    def show_document(self, **document) -> None:
        """The supplier's card, with settings=... or tariff=... on it."""
        self.audit.may_change(**document)
        kind = SETTINGS if "settings" in document else TARIFF
        (content,) = document.values()
        self._show_order(kind, json.dumps(content, separators=(",", ":")).encode())

    def _show_order(self, kind, document, number=""):
        card = utility_card(kind, document, self.utc_s, number)
        self.operations.watch_card(card)
        self.insert(card)

    @property
    def utc_s(self) -> int:
        """By the meter's clock, in seconds since 2000."""
        return int((self.plant.rtc.time(self.plant.clock.now_us) - EPOCH).total_seconds())

    def show_keys(self) -> None:
        """The supplier's card, with the meter's keys of the next version."""
        number = self.bench.settings["meter_number"]
        keys = LATER_KEYS.card_key(2, number), LATER_KEYS.utility_key(2)
        self._show_order(KEY_CHANGE, new_keys(number, 2, *keys, self.utc_s), number)

    def show_trust(self) -> None:
        """The supplier's card, with its next public keys."""
        card = utility_card(TRUST_CHANGE, new_trust(LATER_KEYS.sale, LATER_KEYS.order), self.utc_s, keys=LATER_KEYS)
        self.operations.watch_card(card)
        self.insert(card)

    def renew_card(self) -> None:
        """The shop gives the household's card its keys of the next version."""
        number = self.bench.settings["meter_number"]
        terminal = Terminal(self.card)
        terminal.select(USER_AID)
        change_keys(terminal, lambda role, v: LATER_KEYS.user_card_key(v, role, self.card.uid, number), 2)
        terminal.close()

    def kept_keys(self) -> dict:
        """The meter's keys.json as it lies on flash."""
        return json.loads(read_file(self.plant.flash, "keys.json"))

    def logged(self, code: int) -> bool:
        """Has this been written to the event log since the step began?"""
        return any(n > self._mark and data[8] == code for n, data in self.audit.records.items())

    def shows(self, words: str) -> bool:
        """Are these on the display?"""
        return words in self.bench.screen()

    def written_back(self) -> bool:
        """Does the household's card carry what the ledger says?"""
        back = peek_back(self.card)
        return back is not None and (back.number, back.purchase_count) == (
            self.state.writeback_seq,
            self.state.purchase_count,
        )

    def for_s(self, seconds: float) -> bool:
        """Has this step lasted so long, with power?"""
        return self.plant.clock.now_us - self.since_us >= seconds * 1_000_000

    # -- time -------------------------------------------------------------------------------------

    def begin(self, step) -> None:
        self.step = step
        self.cuts_here = 0
        self.since_us = self.plant.clock.now_us
        self._mark = self.audit.newest
        step.do(self)

    def wait(self) -> None:
        """Let time pass until the step is done. A card that was pulled is put in again."""
        step = self.step
        while not step.until(self):
            if self.for_s(step.within_s):
                self.audit.blame(f"step {step.name!r} was not done in {step.within_s} s")
                return
            self.bench.run_s(_LOOK_S)
            if step.card and self.plant.reader.card is None and self.bench.plugged:
                self._again()

    def _again(self):
        self.insert(None)
        self.bench.run_s(_TAKE_OUT_S)
        self.insert(self._hand)

    def power_fails(self, case: str) -> None:
        """The mains goes, stays away, comes back; the meter must be metering again in time.

        In a branch (branches.py) the interpreter belongs to the process this one comes from, and stays with it.
        Another one gets the plant as the cut left it: what else there was, the interpreter's memory, dies with a
        cut anyhow.
        """
        self.cut_names.append(case)
        self.cuts_here += 1
        fate = zlib.crc32("+".join(self.cut_names).encode())
        if self._pid != os.getpid():
            self._abandoned.append(self.bench.meter)
            self.bench.meter = MeterProcess(self.plant, self.bench.meter.arch)
            self.bench.meter.blocking = True
        self.plug(False)
        self.plant.fram.keeps_nothing = False  # a bad contact: another start finds it well
        if self.step.card and fate & 4:
            self._reinsert = True
            self.insert(None)
        self.bench.run_s(max(OUTAGES_S[fate & 3], self.step.dark_until_s - self.plant.clock.now_us / 1e6))
        self.operations.begin()
        self.plug(True)
        self.since_us = self.plant.clock.now_us
        first_tick_ms = self.audit.first_tick_ms
        while not self.audit.ticks and not self.for_s(first_tick_ms / 1000):
            self.bench.run_s(_LOOK_S)
        self.audit.expect(self.audit.ticks, f"no tick was booked in {first_tick_ms} ms after power came back")
        if self._reinsert:
            self._reinsert = False
            self.insert(self._hand)
        self.since_us = self.plant.clock.now_us

    def live(self) -> None:
        """Go through the day, whatever happens on the way."""
        for step in self.day.steps:
            self.begin(step)
            while True:
                try:
                    self.wait()
                    break
                except PowerCut:
                    self._recover()
            step.then(self)  # takes no time: no cut can come here
        self.audit.close(len(self.cut_names))
        meter = self.bench.meter
        restarts = 0 if self.audit.falls else meter.restarts
        self.audit.expect(not restarts, f"the meter restarted by itself {restarts} times")
        self.audit.expect(self.written_back(), "the card does not carry what the ledger says")
        self.audit.expect(not self.violations(), f"relay: {self.violations()}")

    def _recover(self):
        while True:
            try:
                self.power_fails(self.operations.taken)
                return
            except PowerCut:
                continue

    def violations(self):
        """What was done to the relay that no power cut explains."""
        cut_short = len(self.cut_names)
        bad = self.plant.relay.violations
        return bad if len(bad) > cut_short or any("both" in text or "1 s" in text for text in bad) else []

    def close(self) -> None:
        if self._pid == os.getpid():
            self.bench.close()
