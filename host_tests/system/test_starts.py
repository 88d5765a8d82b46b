# SPDX-License-Identifier: Apache-2.0
"""A meter that no start brings to metering: it goes without documents, and after an hour nobody is supplied."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from meter.core import codes
from meter.core.state import RELAY_UNKNOWN

from host_tests.bench import documents
from host_tests.bench.run import process
from host_tests.unit.documents.test_calibration import document
from scripts.image.image import ROOT, build_image

from .visits import screens

# A document that every check takes and a part does not: written into the firmware, for none is known.
_RESET = "    ic.write(SOFT_RESET, RESET_KEY)\n"
_PINS = "        open_pin(0)\n"
FALLS = {
    "wiring": ("drivers/relay.py", _PINS, "        if pulse_ms == 77:\n            raise ValueError\n"),
    "hang": ("drivers/relay.py", _PINS, "        while pulse_ms == 77:\n            pass\n"),
    "metering": ("drivers/atm90e32/start.py", _RESET, "    [1 // (w - 0x7777) for _, w in setup.calibration]\n"),
    "always": ("wiring.py", "    meter_cs = pin(", "    raise ValueError\n"),
}


@cache
def image(falls: str, calibrated: bool = False, **settings) -> bytes:
    name, before, more = FALLS[falls]
    with tempfile.TemporaryDirectory() as made:
        firmware = Path(made) / "firmware"
        shutil.copytree(ROOT / "firmware", firmware)
        path = firmware / "meter" / name
        text = path.read_text()
        assert text.count(before) == 1
        path.write_text(text.replace(before, more + before))
        files = documents.as_files(documents.settings(initial_credit="50.00", **settings))
        files["settings.old"] = json.dumps(documents.settings(initial_credit="50.00")).encode()
        if calibrated:
            files["calibration.json"] = json.dumps(document({0x61: 0x7777}, sealed=True)).encode()
        return build_image(None, files, firmware=firmware)


def logged(b, code):
    return [e.value for e in b.events() if e.code == code]


def meters(b):
    before = b.state().import_counts
    b.run_s(10)
    return b.state().import_counts - before > 0


@pytest.mark.parametrize("how", ["wiring", "hang"])
def test_settings_that_no_start_comes_past_are_put_aside(bench, monkeypatch, how):
    monkeypatch.setattr(process, "_SILENT_S", 1)
    b = bench(load_w=3000, image=image(how, relay_pulse_ms=77), up_s=90)
    assert b.meter.restarts == 2 and meters(b) and b.plant.relay.closed
    assert logged(b, codes.LOG_DOCUMENTS_ASIDE) == [1]
    assert "Settings refused Load valid settings Aside: settings" in screens(b, 60)
    # Power fails: it need not be found again.
    b.plug(False)
    b.plug(True)
    b.run_s(15)
    assert b.meter.restarts == 2 and meters(b)
    assert logged(b, codes.LOG_DOCUMENTS_ASIDE) == [1]


def test_a_sealed_calibration_with_which_metering_falls_is_put_aside(bench, monkeypatch):
    monkeypatch.setattr(process, "_SILENT_S", 1)
    b = bench(load_w=3000, image=image("metering", calibrated=True), up_s=420)
    assert meters(b) and b.plant.relay.closed
    assert logged(b, codes.LOG_DOCUMENTS_ASIDE) == [4]
    assert not logged(b, codes.LOG_CALIBRATION)  # nobody has tampered


@pytest.mark.long
def test_starts_that_fall_for_an_hour_open_the_relay(bench):
    b = bench(load_w=3000, image=image("always"), up_s=3500)
    assert b.plant.relay.closed and not b.plant.relay.pulses
    b.run_s(400)
    assert not b.plant.relay.closed and len(b.plant.relay.pulses) == 1


@pytest.mark.long
def test_so_does_a_ledger_that_cannot_be_read_for_an_hour_and_it_closes_when_it_can(bench):
    b = bench(load_w=3000, up=False, initial_credit="50.00", up_s=0)
    b.fault("fram", "absent")
    b.plug(True)
    b.run_s(3500)
    assert b.plant.relay.closed
    b.run_s(200)
    assert not b.plant.relay.closed
    b.fault("fram", "none")
    b.run_s(60)
    assert b.plant.relay.closed and meters(b)
    assert logged(b, codes.LOG_NO_METERING) == [2]


@pytest.mark.long
def test_a_metering_ic_that_is_silent_for_an_hour_opens_the_relay_and_a_minute_of_metering_closes_it(bench):
    b = bench(load_w=3000, initial_credit="50.00", up_s=20)
    b.fault("atm90e32", "absent")
    b.run_s(3500)
    assert b.plant.relay.closed
    b.run_s(150)
    assert not b.plant.relay.closed and b.state().claims == codes.CLAIM_METERING
    assert "Nothing is metered Call your supplier" in screens(b, 10)
    b.plug(False)
    b.plug(True)
    b.run_s(20)
    assert b.state().claims == codes.CLAIM_METERING and not b.plant.relay.closed
    b.fault("atm90e32", "none")
    b.run_s(30)
    assert not b.plant.relay.closed
    b.run_s(90)
    assert b.plant.relay.closed and b.state().claims == 0 and b.state().relay_closed not in (0, RELAY_UNKNOWN)
    assert logged(b, codes.LOG_NO_METERING) == [1, 0]
