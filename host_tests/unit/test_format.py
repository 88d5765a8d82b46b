# SPDX-License-Identifier: Apache-2.0
"""FORMAT.md: every example decodes by the table above it, and with the firmware's own code."""

import re
import struct
from binascii import crc32
from pathlib import Path
from types import SimpleNamespace

import pytest
from meter.core.state import FIELDS, MeterState
from meter.services import cardfile
from meter.storage import crashes, events, flash_ledger, ledger, profile, readings, ring

from .flash_cuts import CutFlash

TEXT = Path(ledger.__file__).with_name("FORMAT.md").read_text()
KINDS = {"u8": "B", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q"}


CARD_FILES = {"card purchase": 2, "card write-back": 3, "utility head": 1, "utility answer": 3}


def take(tokens):
    data = b""
    for token in tokens:
        byte, _, times = token.partition("*")
        data += bytes.fromhex(byte) * int(times or 1)
    return data


def examples():
    """name -> (bytes, field -> text, the table above)"""
    found = {}
    for match in re.finditer(r"^```example (.+)\n((?:[0-9a-f]{2}.*\n)+)((?:\w+ = .*\n)+)```$", TEXT, re.M):
        name, data, fields = match.groups()
        table = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|", TEXT[: match.start()], re.M)
        start = max(i for i, row in enumerate(table) if row[0] == "0")
        found[name] = (take(data.split()), dict(line.split(" = ") for line in fields.splitlines()), table[start:])
    return found


EXAMPLES = examples()


def by_table(data, table):
    """field -> text, as the table has it."""
    found = {}
    end = 0
    for offset, kind, field in table:
        offset = int(offset)
        assert offset == end, f"{field} leaves a hole, or overlaps"
        times, _, kind = kind.rpartition(" × ")
        if kind.endswith(" bytes"):
            n = int(kind.split()[0])
            found[field] = data[offset : offset + n].hex()
        else:
            layout = f"<{times or 1}{KINDS[kind]}"
            n = struct.calcsize(layout)
            found[field] = " ".join(map(str, struct.unpack_from(layout, data, offset)))
        end = offset + n
    assert end == len(data)
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_what_its_table_says(name):
    data, fields, table = EXAMPLES[name]
    found = by_table(data, table)
    if name == "flash ledger":
        found |= by_table(bytes.fromhex(found.pop("ledger")), EXAMPLES["ledger"][2])
    assert fields.items() <= found.items()
    untold = set(found) - set(fields) - {"magic", "version", "reserved", "spare", "text"}
    assert all("CRC-32" in field for field in untold), untold


@pytest.mark.parametrize("name", EXAMPLES)
def test_check_sum_of_an_example_is_over_what_its_table_says(name):
    data, _, table = EXAMPLES[name]
    _, kind, words = table[-1]
    last = int(re.search(r"bytes 0–(\d+)", words)[1])
    before = bytes((CARD_FILES[name],)) if "file number" in words else b""
    want = crc32(before + data[: last + 1]) & (0xFFFF if kind == "u16" else 0xFFFFFFFF)
    assert int(by_table(data, table)[words]) == want


def test_every_hex_dump_of_the_document_is_such_an_example():
    left = re.sub(r"^```example .*?^```$", "", TEXT, flags=re.M | re.S)
    assert not re.search(r"(?:\b[0-9a-f]{2} ){6}", left) and "```" not in left
    assert set(EXAMPLES) == {
        "ledger", "event", "crash", "ring head", "profile row", "flash ledger", "flash event", "readings", *CARD_FILES,
    }  # fmt: skip


def numbers(fields, *names):
    return tuple(int(fields[name]) for name in names)


def state_is(s, fields):
    assert all(getattr(s, name) == int(fields[name]) for name in FIELDS)
    assert s.card_uid.hex() + "00" == fields["card_uid"]
    assert " ".join(map(str, s.rate_counts)) == fields["rate_counts"]
    assert " ".join(map(str, s.rate_cost_micro)) == fields["rate_cost_micro"]


def placed(name, block, size, kind):
    """A partition with a head in this block, and the example behind it."""
    data, fields, _ = EXAMPLES[name]
    dev = CutFlash(128)
    head = bytearray(EXAMPLES["ring head"][0])
    struct.pack_into("<BIH", head, 3, kind, int(fields["number"]), size)
    struct.pack_into("<I", head, 12, crc32(head[:10]))
    at = block * ring.BLOCK
    dev.flash.data[at : at + ring.HEAD] = head
    at += ring.HEAD
    dev.flash.data[at : at + size] = data
    return dev, fields


def test_firmware_reads_the_ledger():
    data, fields, _ = EXAMPLES["ledger"]
    s = MeterState()
    assert ledger.unpack_from(data, s) == int(fields["sequence"])
    state_is(s, fields)


def test_firmware_reads_the_event():
    data, fields, _ = EXAMPLES["event"]
    assert events.unpack(data) == numbers(fields, "number", "utc_s", "code", "quality", "value")


def test_firmware_reads_the_crash_report():
    data, fields, _ = EXAMPLES["crash"]
    number, utc_s, uptime_s, text = crashes.unpack(data)
    assert (number, utc_s, uptime_s, len(text)) == numbers(fields, "number", "utc_s", "uptime_s", "n")
    assert text.count(b"\n") == 2


def test_firmware_reads_the_readings():
    data, fields, _ = EXAMPLES["readings"]
    fram = SimpleNamespace(read_into=lambda at, buf: buf.__setitem__(slice(None), data if at else bytes(len(buf))))
    found = readings.Readings(fram)
    assert found.months().hex() == fields["months"]
    assert found.daily_micro() == 813_312 - 700_000


def test_firmware_reads_the_purchase_of_a_card():
    data, fields, _ = EXAMPLES["card purchase"]
    assert cardfile.unpack_purchase(data) == numbers(fields, "count", "amount_micro", "debt_micro")


def test_firmware_writes_the_write_back_of_a_card():
    data, fields, _ = EXAMPLES["card write-back"]
    s = MeterState()
    ledger.unpack_from(EXAMPLES["ledger"][0], s)
    books = SimpleNamespace(s=s, utc_s=int(fields["utc_s"]), faults=int(fields["status"]) >> 16)
    assert cardfile.pack_writeback(books, 4, 1, bytes.fromhex(fields["months"])) == data


def test_firmware_reads_the_head_of_a_ring():
    data, fields, _ = EXAMPLES["ring head"]
    dev = CutFlash(128)
    dev.flash.data[4096 : 4096 + ring.HEAD] = data
    of = ring.Ring(dev, 0, 91, int(fields["size"]), int(fields["kind"]))
    of.open(int(fields["first"]))
    assert of.next_number == int(fields["first"])


def test_firmware_reads_the_row_of_the_profile():
    dev, fields = placed("profile row", 5, profile.SIZE, profile.KIND)
    rows = profile.Rows(dev)
    rows.ring.open()
    (row,) = rows.rows(0, 1 << 32)
    assert row[:6] == (*numbers(fields, "number"), 0, *numbers(fields, "end_s", "flags", "covered_s", "period_min"))
    assert row[10:] == numbers(fields, "voltage_cv", "current_ca", "pf_milli", "peak_10w")


def test_firmware_reads_the_ledger_on_flash():
    dev, fields = placed(
        "flash ledger", flash_ledger.LEDGER_FIRST + 1, flash_ledger.LEDGER_SIZE, flash_ledger.LEDGER_KIND
    )
    s = MeterState()
    book = flash_ledger.FlashLedger(dev)
    assert book.load(s) == ledger.LOADED and book.sequence == int(fields["sequence"])
    state_is(s, fields)


def test_firmware_reads_the_event_on_flash():
    dev, fields = placed("flash event", flash_ledger.EVENTS_FIRST, flash_ledger.EVENTS_SIZE, flash_ledger.EVENTS_KIND)
    log = flash_ledger.FlashEvents(dev)
    log.open(0)
    assert log.read(int(fields["number"])) == numbers(fields, "number", "utc_s", "code", "quality", "value")


def test_the_table_of_rings_is_what_the_code_uses():
    rows = re.findall(r"^\| (\d+)–(\d+) \| (\d+) \| (\d+) bytes \|", TEXT, re.M)
    f = flash_ledger
    assert [tuple(map(int, row)) for row in rows] == [
        (profile.FIRST, profile.FIRST + profile.BLOCKS - 1, profile.KIND, profile.SIZE),
        (f.LEDGER_FIRST, f.LEDGER_FIRST + f.LEDGER_BLOCKS - 1, f.LEDGER_KIND, f.LEDGER_SIZE),
        (f.EVENTS_FIRST, f.EVENTS_FIRST + f.EVENTS_BLOCKS - 1, f.EVENTS_KIND, f.EVENTS_SIZE),
        (f.READINGS_FIRST, f.READINGS_FIRST + f.READINGS_BLOCKS - 1, f.READINGS_KIND, f.READINGS_SIZE),
    ]
