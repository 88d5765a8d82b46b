# SPDX-License-Identifier: Apache-2.0
"""The map of FRAM and flash: it is FORMAT.md's, its areas keep apart, and no other module has an address of its own."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from meter.drivers import fram
from meter.storage import crashes, events, flash_ledger, freezes, incidents, ledger, profile, registers, scratch, seal
from meter.storage import map as places
from meter.storage import readings as months
from meter.storage.ring import BLOCK

STORAGE = Path(ledger.__file__).parent
TEXT = (STORAGE / "FORMAT.md").read_text()
PARTITION_BLOCKS = 256

FRAM = {  # name in the map -> bytes
    "LEDGER_A": ledger.SIZE_3, "LEDGER_B": ledger.SIZE_3, "READINGS_A": months.SIZE, "READINGS_B": months.SIZE,
    "EVENTS": events.SLOTS * events.SIZE, "REGISTERS_A": registers.SIZE, "REGISTERS_B": registers.SIZE,
    "CRASHES": crashes.SLOTS * crashes.SIZE, "SCRATCH": scratch.SIZE, "SEAL": seal.SIZE,
}  # fmt: skip
RINGS = {  # name in the map -> bytes of a record
    "PROFILE": profile.SIZE, "LEDGER": flash_ledger.LEDGER_SIZE, "EVENTS": flash_ledger.EVENTS_SIZE,
    "READINGS": flash_ledger.READINGS_SIZE, "REGISTERS": flash_ledger.REGISTERS_SIZE,
    "DAYS": freezes.SIZE, "MONTHS": freezes.SIZE, "INCIDENTS": incidents.SIZE,
}  # fmt: skip


def ring(name):
    return [getattr(places, f"{name}_{part}") for part in ("FIRST", "BLOCKS", "KIND")]


def test_every_place_of_the_map_is_known_here():
    rings = {f"{name}_{part}" for name in RINGS for part in ("FIRST", "BLOCKS", "KIND")}
    assert {name for name in vars(places) if name.isupper()} == rings | set(FRAM)


def test_areas_of_the_fram_keep_apart_and_end_with_it():
    areas = sorted((getattr(places, name), size) for name, size in FRAM.items())
    assert all(at + size <= behind for (at, size), (behind, _) in pairwise(areas))
    assert areas[0][0] == 0 and sum(areas[-1]) <= fram.SIZE


def test_rings_keep_apart_and_end_with_the_partition():
    areas = sorted(ring(name)[:2] for name in RINGS)
    assert all(first + blocks <= behind for (first, blocks), (behind, _) in pairwise(areas))
    assert areas[0][0] == 0 and sum(areas[-1]) <= PARTITION_BLOCKS


def test_no_ring_has_the_kind_of_another():
    assert len({ring(name)[2] for name in RINGS}) == len(RINGS)


@pytest.mark.parametrize("record", ["LEDGER", "READINGS", "REGISTERS"])
def test_no_one_bit_of_an_address_leads_a_write_into_both_copies(record):
    size = FRAM[record + "_A"]
    copies = getattr(places, record + "_A"), getattr(places, record + "_B")
    for at in copies:
        for bit in range(15):
            astray = at ^ 1 << bit
            assert not all(astray < copy + size and copy < astray + size for copy in copies), (hex(at), bit)


# -- the same in words ----------------------------------------------------------------------------


def bytes_of(text):
    """The size a cell of FORMAT.md's table says; the larger of two."""
    number = int(text.split(" or ")[-1].split(" ")[0].replace(",", ""))
    return number * 1024 if text.endswith("KiB") else number


def test_the_table_of_the_fram_is_the_map():
    rows = re.findall(r"^\| 0x([0-9A-F]{4}) \| ([^|]+?) \| (?!free)", TEXT, re.M)
    assert [(int(at, 16), bytes_of(size)) for at, size in rows] == sorted(
        (getattr(places, name), size) for name, size in FRAM.items()
    )


def test_what_the_table_calls_free_is_free():
    ((at, size),) = re.findall(r"^\| 0x([0-9A-F]{4}) \| ([^|]+?) \| free", TEXT, re.M)
    areas = sorted((getattr(places, name), size) for name, size in FRAM.items())
    before = [area for area in areas if area[0] < int(at, 16)]
    assert sum(before[-1]) == int(at, 16)
    assert areas[len(before)][0] == int(at, 16) + bytes_of(size)


def test_the_table_of_rings_is_the_map():
    rows = re.findall(r"^\| (\d+)–(\d+) \| (\d+) \| (\d+) bytes \|", TEXT, re.M)
    said = [tuple(map(int, row)) for row in rows]
    assert said == sorted(
        (first, first + blocks - 1, kind, RINGS[name]) for name in RINGS for first, blocks, kind in [ring(name)]
    )
    assert BLOCK == 4096 and f"{PARTITION_BLOCKS} blocks of 4,096 bytes" in TEXT


# -- said once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(STORAGE.glob("[!m]*.py")), ids=lambda path: path.stem)
def test_no_other_module_of_storage_has_an_address_of_its_own(path):
    text = path.read_text()
    for name in set(FRAM) - {"LEDGER_A"}:
        assert f"0x{getattr(places, name):04X}" not in text
    assert not re.search(r"^[A-Z]\w*?_?(FIRST|BLOCKS|KIND|BASE) =", text, re.M)
