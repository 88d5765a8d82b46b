# SPDX-License-Identifier: Apache-2.0
"""The partition tables of the boards, and everything that must agree with them."""

import ast
import re
from pathlib import Path

import pytest

from host_tests.bench import flash
from scripts.image import SIZE

ROOT = Path(__file__).resolve().parents[2]
TABLES = sorted((ROOT / "boards").glob("*/partitions.csv"))


def rows(path):
    """name -> (type, offset, size)"""
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, kind, _, offset, size = [field.strip() for field in line.split(",")]
            found[name] = (kind, int(offset, 0), int(size, 0))
    return found


def named(path):
    return path.parent.name


@pytest.mark.parametrize("path", TABLES, ids=named)
def test_partitions_lie_one_behind_the_other_in_4_mib(path):
    end = 0x9000  # boot loader and the table itself
    for name, (kind, offset, size) in rows(path).items():
        assert offset >= end and offset % (0x10000 if kind == "app" else 0x1000) == 0 == size % 0x1000, name
        end = offset + size
    assert end <= flash.CHIP


@pytest.mark.parametrize("path", TABLES, ids=named)
def test_bench_and_image_know_the_same_table(path):
    table = rows(path)
    assert table["rings"][1:] == (flash.RINGS_AT, flash.RINGS_SIZE)
    assert table["vfs"][1:] == (flash.VFS_AT, SIZE) == (flash.VFS_AT, flash.VFS_SIZE)
    source = (ROOT / "host_tests/bench/meter/esp32.py").read_text()
    there = ast.literal_eval(re.search(r"_TABLE = (\(.*\))  #", source)[1])
    assert [(name, first * 4096, blocks * 4096) for name, first, blocks, _ in there] == [
        (name, *table[name][1:]) for name in ("rings", "vfs")
    ]


def test_every_board_has_a_table():
    assert {p.parent for p in TABLES} == {p.parent for p in (ROOT / "boards").glob("*/board.py")}
