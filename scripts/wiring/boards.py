# SPDX-License-Identifier: Apache-2.0
"""The boards as a picture shows them: the pins of each, and which pin a chip lets do what.

Raises WiringError, whose text names file and remedy.
Pins: ESP32 Series and ESP32-S3 Series Datasheet (Espressif), chapters on pins and on strapping pins.
"""

from typing import NamedTuple

from scripts.common import board_files
from scripts.common.board_files import BOARDS, BoardFileError

ROOT = BOARDS.parent

OUT, IN, PULLED, BOTH = "out", "in", "in, pull-up", "both"  # BOTH: I2C, driven low or let go
# What the firmware does with each pin; everything else in a board.py is a constant of another kind.
DIRECTIONS = {
    "SPI_SCK": OUT, "SPI_MOSI": OUT, "SPI_MISO": IN, "METER_CS": OUT, "METER_CF1": IN,
    "I2C_SCL": BOTH, "I2C_SDA": BOTH,
    "CARD_SCL": BOTH, "CARD_SDA": BOTH, "CARD_IRQ": IN, "CARD_RESET": OUT,
    "RELAY_OPEN": OUT, "RELAY_CLOSE": OUT, "RELAY_SENSE": IN,
    "BUTTON": PULLED, "COVER": IN, "COVER_CLEAR": OUT, "MAGNET": IN, "ALARM_LED": OUT, "BUZZER": OUT,
}  # fmt: skip


class WiringError(Exception):
    """str() says what is wrong and what to do, in one or two sentences."""


class Chip(NamedTuple):
    """title: as on the board. pins: all that a module brings out and nothing else needs. inputs: of them, those that
    can drive nothing and pull nothing."""

    title: str
    pins: frozenset
    inputs: frozenset


# ESP32: 6-11 are the flash, 16 and 17 PSRAM where there is one (our boards have none), 1 and 3 the console, 20, 24 and
# 28-31 do not exist, 37 and 38 are not brought out. Straps: 0, 2, 12, 15 decide at power-on how the chip starts; 5
# decides only the timing of SDIO slaves and is pulled up inside, as a chip select is at rest: it may be one.
# ESP32-S3: 22-25 do not exist, 26-37 flash and PSRAM, 19 and 20 USB, 43 and 44 the console, 0, 3, 45, 46 straps.
CHIPS = {
    "esp32": Chip("ESP32", frozenset({4, 5, 13, 14, *range(16, 20), *range(21, 24), 25, 26, 27, *range(32, 37), 39}),
                  frozenset(range(34, 40))),
    "esp32s3": Chip("ESP32-S3", frozenset({1, 2, *range(4, 19), 21, *range(38, 43), 47, 48}), frozenset()),
}  # fmt: skip


class Board(NamedTuple):
    """A folder of boards/. constants: name -> value, for MeterIc the driver's name."""

    name: str
    chip: Chip
    constants: dict

    @property
    def pins(self) -> dict[str, int]:
        return {name: self.constants[name] for name in DIRECTIONS if name in self.constants}


def names() -> list[str]:
    return board_files.names(BOARDS)


def load(name: str) -> Board:
    """Raises WiringError."""
    if name not in names():
        raise WiringError(f"There is no board {name}: boards/ has {', '.join(names())}.")
    try:
        chip = board_files.toml(name, BOARDS).get("chip")
        constants = board_files.constants(name, BOARDS)
    except BoardFileError as e:
        raise WiringError(str(e)) from None
    if chip not in CHIPS:
        raise WiringError(f"boards/{name}/board.toml: chip is {chip!r}; known are {', '.join(CHIPS)}.")
    missing = sorted(set(DIRECTIONS) - set(constants))
    if missing:
        raise WiringError(f"boards/{name}/board.py has no {', '.join(missing)}. Every pin has its constant.")
    return Board(name, CHIPS[chip], constants)
