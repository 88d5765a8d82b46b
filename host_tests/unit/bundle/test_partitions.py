# SPDX-License-Identifier: Apache-2.0
"""The partition tables of the boards, the module that reads and writes them, and everything that must agree."""

import ast
import hashlib
import re
import struct
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tests.bench.plant import flash
from scripts.image import partition_table as pt

ROOT = Path(__file__).resolve().parents[3]
TABLES = sorted((ROOT / "boards").glob("*/partitions.csv"))
BENCH = [path for path in TABLES if path.parent.name in ("esp32_atm90e26", "esp32_devkit", "esp32_nofram")]
CSV = (ROOT / "boards/esp32_devkit/partitions.csv").read_text()


def rows(path):
    """name -> (type, offset, size)"""
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, kind, _, offset, size = [field.strip() for field in line.split(",")]
            found[name] = (kind, int(offset, 0), int(size, 0))
    return found


def settings(path):
    return tomllib.loads((path.parent / "board.toml").read_text())


def named(path):
    return path.parent.name


each = pytest.mark.parametrize("path", TABLES, ids=named)


# -- the boards' tables -----------------------------------------------------------------------------


@each
def test_partitions_lie_one_behind_the_other_and_fit_the_flash(path):
    end = 0x9000  # boot loader and the table itself
    for name, (kind, offset, size) in rows(path).items():
        assert offset >= end and offset % (0x10000 if kind == "app" else 0x1000) == 0 == size % 0x1000, name
        end = offset + size
    assert end <= settings(path)["flash_mib"] * 1024 * 1024


@each
def test_a_meter_has_its_file_system_its_rings_and_what_the_radio_needs(path):
    table = rows(path)
    assert {"nvs", "phy_init", "rings", "vfs"} <= set(table)
    assert table["rings"][2] >= flash.RINGS_SIZE and table["vfs"][2] >= flash.VFS_SIZE
    assert [kind for kind, _, _ in (table["rings"], table["vfs"])] == ["data", "data"]


@each
def test_the_pinned_micropython_fits_where_the_boot_loader_starts_it(path):
    """The image begins with the boot loader; the application in it is at 0x10000."""
    pinned = settings(path)["micropython"]
    _, at, size = next(row for row in rows(path).values() if row[0] == "app")
    assert at == 0x10000
    if "bytes" in pinned:
        assert pinned["offset"] + pinned["bytes"] - at <= size
    else:
        assert path.parent.name == "esp32s3_devkit" and size >= 0x200000


@each
def test_two_places_for_micropython_are_the_same_size_and_have_what_chooses_between_them(path):
    table = pt.parse_csv(path.read_text())
    apps = [row for row in table if row.type == pt.APP]
    if len(apps) == 1:
        assert apps[0].subtype == 0x00 and settings(path)["flash_mib"] == 4  # factory
        return
    assert [row.subtype for row in apps] == [0x10, 0x11] and len({row.size for row in apps}) == 1
    assert [row.size for row in table if (row.type, row.subtype) == (1, 0)] == [0x2000]


@pytest.mark.parametrize("path", BENCH, ids=named)
def test_the_bench_knows_the_same_table(path):
    table = rows(path)
    assert table["rings"][1:] == (flash.RINGS_AT, flash.RINGS_SIZE)
    assert table["vfs"][1:] == (flash.VFS_AT, flash.VFS_SIZE)
    source = (ROOT / "host_tests/bench/port/esp32.py").read_text()
    there = ast.literal_eval(re.search(r" TABLE = (\(.*\))  #", source)[1])
    assert [(name, first * 4096, blocks * 4096) for name, first, blocks, _ in there] == [
        (name, *table[name][1:]) for name in ("rings", "vfs")
    ]


def test_every_board_has_a_table():
    assert {p.parent for p in TABLES} == {p.parent for p in (ROOT / "boards").glob("*/board.py")}


# -- scripts/image/partition_table.py ---------------------------------------------------------------------


@each
def test_a_table_comes_back_from_its_bytes(path):
    table = pt.parse_csv(path.read_text())
    assert {row.name: (row.offset, row.size) for row in table} == {n: v[1:] for n, v in rows(path).items()}
    assert pt.decode(pt.encode(table)) == table


def test_the_bytes_are_the_boot_loaders():
    """Written out by hand from Espressif's description."""
    data = pt.encode(pt.parse_csv(CSV))
    by_hand = bytes.fromhex(
        "aa50 01 02 00900000 00600000 6e7673" + "00" * 13 + "00000000"
        "aa50 01 01 00f00000 00100000 7068795f696e6974" + "00" * 8 + "00000000"
        "aa50 00 00 00000100 00001f00 666163746f7279" + "00" * 9 + "00000000"
        "aa50 01 90 00002000 00001000 72696e6773" + "00" * 11 + "00000000"
        "aa50 01 81 00003000 00001000 766673" + "00" * 13 + "00000000"
    )
    assert data[:160] == by_hand
    assert data[160:192] == b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(by_hand).digest()
    assert data[192:] == b"\xff" * (0xC00 - 192)


def test_the_bytes_are_those_another_implementation_makes():
    """SHA-256 of what mp-image-tool-esp32 0.1.1 wrote for boards/esp32_8m, its first 0xC00 bytes."""
    table = pt.parse_csv((ROOT / "boards/esp32_8m/partitions.csv").read_text())
    theirs = "cd99ceb2c454ed5c56d85c2d3d5ae6e1f2dbc47aad53b833d43ab26ec153919b"
    assert hashlib.sha256(pt.encode(table)).hexdigest() == theirs


@pytest.mark.parametrize(
    "words, bits", [("encrypted", 1), ("readonly", 2), ("encrypted:readonly", 3), ("readonly:encrypted", 3), ("", 0)]
)
def test_flags_are_the_last_word_of_a_row_and_come_back(words, bits):
    table = pt.parse_csv(f"a, data, fat, 0x10000, 1M, {words}")
    data = pt.encode(table)
    assert data[28:32] == bytes((bits, 0, 0, 0))
    assert pt.decode(data) == table and table[0].flags == bits


def test_the_guide_to_production_gives_a_row_that_can_be_taken():
    guide = (ROOT / "boards/PRODUCTION.md").read_text()
    row = pt.parse_csv(re.search(r"`(nvs_keys,[^`]*)`", guide)[1])[0]
    assert row.flags == pt.FLAGS["encrypted"]
    for path in TABLES:  # after those before the first program, which the larger boot loader has moved up by 0x8000
        assert max(r.end for r in pt.parse_csv(path.read_text()) if r.end <= 0x10000) + 0x8000 == row.offset
    assert row.end <= 0x20000


def test_a_whole_sector_read_from_a_flash_is_a_table_too():
    table = pt.parse_csv(CSV)
    assert pt.decode(pt.encode(table).ljust(0x1000, b"\xff")) == table


@pytest.mark.parametrize("size", ["1M", "1m", "1024K", "0x100000", "1048576"])
def test_sizes_are_numbers_in_any_of_the_usual_forms(size):
    assert pt.parse_csv(f"a, data, 0x90, 0x10000, {size},")[0].size == 1 << 20


@pytest.mark.parametrize(
    "line, says",
    [
        ("a, data, nvs, 0x9000", "line 1: name, type, subtype, offset and size"),
        ("a, data, nvs, , 0x1000", "line 1: name, type"),
        ("a, data, nvs, 0x9000, 0x1000, encrypted, more", "and nothing else"),
        ("a, data, nvs, 0x9000, 0x1000, secret", "'secret' is no flag: encrypted and readonly are"),
        ("a, dada, nvs, 0x9000, 0x1000", "'dada' is no type"),
        ("a, data, factory, 0x9000, 0x1000", "'factory' is no subtype"),
        ("a, data, 0x100, 0x9000, 0x1000", "'0x100' is no subtype"),
        ("a, data, nvs, 0x9000, -1", "'-1' is no size"),
        ("a, data, nvs, 9x, 0x1000", "'9x' is no offset"),
        ("a, data, nvs, 0x8000, 0x1000", "a: at 0x8000, but what comes before ends at 0x9000"),
        ("a, data, nvs, 0x9100, 0x1000", "multiple of 0x1000"),
        ("a, app, factory, 0x18000, 0x1000", "multiple of 0x10000"),
        ("a, data, nvs, 0x9000, 0", "whole sectors"),
        ("a, data, nvs, 0x9000, 0x1000\na, data, phy, 0xa000, 0x1000", "each once"),
        ("a, data, nvs, 0x9000, 0x2000\nb, data, phy, 0xa000, 0x1000", "b: at 0xa000, but what"),
        ("sixteen-letters-, data, nvs, 0x9000, 0x1000", "1 to 15"),
        ("a, data, ota, 0x9000, 0x1000", "otadata is 0x2000"),
        ("# nothing", "not 0"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_and_named(line, says):
    with pytest.raises(pt.TableError, match=re.escape(says)):
        pt.parse_csv(line)


def test_more_rows_than_there_is_room_for_are_refused():
    def lines(n):
        return "\n".join(f"p{i}, data, 0x90, {0x9000 + 0x1000 * i}, 0x1000" for i in range(n))

    assert len(pt.decode(pt.encode(pt.parse_csv(lines(95))))) == 95
    with pytest.raises(pt.TableError, match="not 96"):
        pt.parse_csv(lines(96))


@given(at=st.integers(0, 191), bit=st.integers(0, 7))
def test_a_bit_that_has_turned_is_noticed(at, bit):
    data = bytearray(pt.encode(pt.parse_csv(CSV)))
    data[at] ^= 1 << bit
    with pytest.raises(pt.TableError):
        pt.decode(bytes(data))


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 0xC00, bytes(0xC00), b"\xaa\x50", struct.pack("<32s", b"\xaa\x50") * 96]
)
def test_what_is_none_is_called_none(data):
    with pytest.raises(pt.TableError, match=r"no partition table|names are"):
        pt.decode(data)
