# SPDX-License-Identifier: Apache-2.0
"""The tools' way to the firmware's own code: what it makes of a document, and what is said where there is none."""

import pytest
from meter.documents import parse
from typer.testing import CliRunner

from scripts.calibrate import cli
from scripts.common import board_files, meter_code


def test_what_a_meter_takes_is_handed_back():
    assert meter_code.asked(parse.settings, {"meter_number": "00012345"}).meter_number == "00012345"


def test_what_a_meter_refuses_is_said_in_its_words():
    with pytest.raises(meter_code.Objection, match="currency") as found:
        meter_code.asked(parse.settings, {"meter_number": "1", "currency": "euro"})
    assert not isinstance(found.value, meter_code.Stumble)


def test_what_its_check_does_not_expect_is_told_apart():
    with pytest.raises(meter_code.Stumble):
        meter_code.asked(lambda document: document["meter_number"], None)


def test_every_board_with_a_metering_ic_names_what_a_calibration_sets():
    parts = [meter_code.part_of(board) for board in board_files.names()]
    assert meter_code.parts() == {part[0]: part for part in parts if part} and len(meter_code.parts()) == 2


def test_without_the_sources_a_tool_says_so_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(meter_code, "PLACE", tmp_path / "none")
    done = CliRunner().invoke(cli.app, ["run", "--meter", "1", "--sim", "--out", str(tmp_path / "calibration.json")])
    assert done.exit_code == 2 and "calibrate: The firmware's sources are not here." in done.stderr
