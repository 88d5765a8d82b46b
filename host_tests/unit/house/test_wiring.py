# SPDX-License-Identifier: Apache-2.0
"""The wiring picture and table: all pins, the right numbers, and what is committed is what board.py says."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from scripts.wiring import cli
from scripts.wiring.boards import BOARDS, DIRECTIONS, WiringError, load, names
from scripts.wiring.parts import parts
from scripts.wiring.picture import WIDTH, picture
from scripts.wiring.table import BEGIN, END, placed, rows, table

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"
every = pytest.mark.parametrize("name", names())


def gpios(text):
    return [int(n) for n in re.findall(r"\bGPIO (\d+)\b", text)]


def of_class(name, kind):
    return [e for e in ET.fromstring(picture(load(name))).iter() if kind in (e.get("class") or "").split()]


# -- the table --------------------------------------------------------------------------------------


@every
def test_every_pin_is_in_the_table_once(name):
    board = load(name)
    assert sorted(gpios(table(board))) == sorted(board.pins.values())


@every
def test_every_constant_belongs_to_one_part_or_to_the_bus_they_share(name):
    constants = {wire.constant for part in parts(load(name)) for wire in part.wires}
    assert constants == set(DIRECTIONS)


def test_the_table_says_what_is_on_the_devkit():
    """By hand, from boards/esp32_devkit/board.py."""
    by_pin = {(part, pin): to for part, pin, to, _ in rows(load("esp32_devkit"))}
    assert by_pin["Display, clock, FRAM", "SDA"] == "GPIO 21"
    assert by_pin["Display, clock, FRAM", "SCL"] == "GPIO 22"
    assert by_pin["Metering IC ATM90E32AS", "SDI"] == "GPIO 23"
    assert by_pin["Metering IC ATM90E32AS", "SDO"] == "GPIO 19"
    assert by_pin["Card reader PN532", "RSTPD_N"] == "GPIO 14"
    assert by_pin["Latching relay", "coil open"] == "GPIO 32"
    assert by_pin["Latching relay", "coil close"] == "GPIO 33"


@every
def test_the_data_lines_of_the_metering_ic_are_not_crossed(name):
    pins = load(name).pins
    by_pin = {pin: to for part, pin, to, _ in rows(load(name)) if part.startswith("Metering IC")}
    assert (by_pin["SDI"], by_pin["SDO"]) == (f"GPIO {pins['SPI_MOSI']}", f"GPIO {pins['SPI_MISO']}")


@every
def test_a_line_that_nothing_inside_pulls_has_its_resistor(name):
    """An open input would read tampering; an open coil line would switch the relay while the chip starts."""
    wires = {wire.constant: wire for part in parts(load(name)) for wire in part.wires}
    for constant in ("METER_CF1", "RELAY_SENSE", "COVER", "MAGNET", "RELAY_OPEN", "RELAY_CLOSE"):
        assert wires[constant].pull == "GND"
    for wire in wires.values():
        said = re.search(r"10 kΩ to (\w+)", wire.mind)
        assert not said or said[1] == wire.pull


def test_parts_are_the_boards():
    titles = {name: " ".join(part.title for part in parts(load(name))) for name in names()}
    assert "FRAM" in titles["esp32_devkit"] and "FRAM" not in titles["esp32_nofram"]
    assert "ATM90E32AS" in titles["esp32s3_devkit"]
    assert "ATM90E26" in titles["esp32_atm90e26"] and "ATM90E32" not in titles["esp32_atm90e26"]


def test_only_the_display_is_on_5_volts_and_says_so():
    on_5 = [part for part in parts(load("esp32_devkit")) if "5V" in dict(part.supply).values()]
    assert [part.title for part in on_5] == ["Display 20×4"] and on_5[0].shifter and "level shifter" in on_5[0].mind


# -- the picture ------------------------------------------------------------------------------------


@every
def test_every_pin_is_in_the_picture_once(name):
    assert sorted(int(e.text) for e in of_class(name, "number")) == sorted(load(name).pins.values())


@every
def test_lines_are_straight_and_end_in_a_pin_or_a_part(name):
    """No line comes within a row of another one's number, and none leaves the picture."""
    lines = [e for e in of_class(name, "wire") if "halo" not in e.get("class")]
    numbers = len(load(name).pins)
    assert len(lines) >= numbers
    for line in lines:
        x1, y1, x2, y2 = (float(line.get(k)) for k in ("x1", "y1", "x2", "y2"))
        assert x1 == x2 or y1 == y2
        assert all(0 <= x <= WIDTH for x in (x1, x2))
    heights = {}
    for e in of_class(name, "number"):
        heights.setdefault(e.get("text-anchor"), []).append(float(e.get("y")))
    for side in heights.values():
        assert all(b - a >= 20 for a, b in pairwise(sorted(side)))


@every
def test_parts_do_not_cover_each_other(name):
    boxes = [[float(e.get(k)) for k in ("x", "y", "height")] for e in of_class(name, "part")]
    assert len(boxes) == len(parts(load(name)))
    for x in {box[0] for box in boxes}:
        column = sorted((y, y + height) for at, y, height in boxes if at == x)
        assert all(below[0] >= above[1] + 8 for above, below in pairwise(column))


@every
def test_the_picture_needs_nothing_from_elsewhere(name):
    text = picture(load(name))
    assert not re.findall(r"url\(|<image|@import|@font-face|href", text)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme: dark" in text


def test_text_is_large_enough_to_read():
    sizes = [float(n) for n in re.findall(r"font-size: ([\d.]+)px", picture(load("esp32_devkit")))]
    assert sizes and min(sizes) >= 11


# -- what is committed ------------------------------------------------------------------------------


@every
def test_the_committed_picture_is_the_boards(name):
    there = BOARDS / name / "wiring.svg"
    assert there.read_text() == picture(load(name)), "boards/ has changed: run make wiring"


def test_the_page_of_the_first_board_has_the_devkits_table():
    text = (BOARDS / "FIRST_BOARD.md").read_text()
    assert placed(text, load("esp32_devkit"), "FIRST_BOARD.md") == text, "boards/ has changed: run make wiring"


# -- the command ------------------------------------------------------------------------------------


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    return path


def run(*args):
    return subprocess.run(
        [sys.executable, "-m", "scripts.wiring", *map(str, args)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_writing_puts_the_table_between_the_marks_and_touches_nothing_else(readme):
    assert run("--write", "--page", readme).returncode == 0
    text = readme.read_text()
    assert text.startswith(f"before\n\n{BEGIN}\n| part |") and text.endswith(f"|\n{END}\n\nafter\n")
    assert gpios(text) == gpios(table(load("esp32_devkit"))) and "old" not in text


def test_checking_says_what_is_behind_and_what_to_do(readme):
    said = run("--check", "--page", readme, "--json")
    assert said.returncode == 1 and json.loads(said.stdout) == {"stale": [str(readme)]}
    assert "make wiring" in said.stderr
    assert "old" in readme.read_text()  # a check writes nothing
    assert run("--write", "--page", readme).returncode == 0
    assert run("--check", "--page", readme).returncode == 0


@pytest.mark.parametrize("text", ["none", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_a_file_without_its_marks_is_left_alone_and_told(readme, text):
    readme.write_text(text)
    said = run("--write", "--page", readme)
    assert said.returncode == 1 and "no place for the wiring table. Put <!-- wiring:begin -->" in said.stderr
    assert readme.read_text() == text


def test_a_table_is_printed_for_any_board():
    said = run("--board", "esp32s3_devkit")
    assert said.returncode == 0 and "GPIO 47" in said.stdout
    assert json.loads(run("--board", "esp32_8m", "--json").stdout)["pins"]["I2C_SDA"] == 21
    assert run("--board", "esp99").returncode == 1
    assert run("--write", "--check").returncode == 2


def test_a_pin_that_moves_moves_in_table_and_picture():
    board = load("esp32_devkit")
    moved = board._replace(constants=board.constants | {"BUZZER": 2})
    assert 2 in gpios(table(moved)) and 17 not in gpios(table(moved))
    assert picture(moved) != picture(board)


def test_every_board_has_its_picture_made(readme):
    files = cli.made(readme)
    assert {path.parent.name for path in files if path.suffix == ".svg"} == set(names())


def test_a_board_without_a_pin_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "half"
    folder.mkdir()
    (folder / "board.toml").write_text('chip = "esp32"\n')
    (folder / "board.py").write_text("BUTTON = const(4)\n")
    monkeypatch.setattr("scripts.wiring.boards.BOARDS", tmp_path)
    with pytest.raises(WiringError, match=r"half/board\.py has no ALARM_LED, BUZZER"):
        load("half")
