# SPDX-License-Identifier: Apache-2.0
"""FORMAT.md: every example decodes by the table above it, and with the firmware's own code."""

import hashlib
import re
import struct
from binascii import crc32
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loader import ed25519
from meter.cards import records
from meter.core import codes
from meter.core.state import FIELDS, MeterState
from meter.documents import keys_doc, parse
from meter.storage import (
    crashes,
    events,
    flash_ledger,
    freezes,
    incidents,
    ledger,
    profile,
    profile_reader,
    readings,
    registers,
    ring,
    seal,
    snapshot,
)  # fmt: skip

from host_tests.bench.cards import utility_cards
from host_tests.bench.cards.cards import DEMO
from host_tests.bench.documents import MADE
from host_tests.stands.card import Meter
from host_tests.stands.flash_cuts import CutFlash

TEXT = Path(ledger.__file__).with_name("FORMAT.md").read_text()
METER = "PW00000001"  # whose cards the examples are
KINDS = {"u8": "B", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q"}


CARD_FILES = {"card purchase": 2, "card write-back": 3, "utility head": 1, "utility answer": 3}
DOCUMENTS = {"key change", "public keys"}  # the head has a sum over them


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


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - DOCUMENTS))
def test_check_sum_of_an_example_is_over_what_its_table_says(name):
    data, _, table = EXAMPLES[name]
    _, kind, words = [row for row in table if "CRC-32" in row[2]][-1]
    last = int(re.search(r"bytes 0–(\d+)", words)[1])
    before = bytes((CARD_FILES[name],)) if "file number" in words else b""
    want = crc32(before + data[: last + 1]) & (0xFFFF if kind == "u16" else 0xFFFFFFFF)
    assert int(by_table(data, table)[words]) == want


def test_every_hex_dump_of_the_document_is_such_an_example():
    left = re.sub(r"^```example .*?^```$", "", TEXT, flags=re.M | re.S)
    assert not re.search(r"(?:\b[0-9a-f]{2} ){6}", left) and "```" not in left
    assert set(EXAMPLES) == {
        "ledger", "event", "crash", "ring head", "profile row", "flash ledger", "flash event", "readings", "seal",
        "registers", "frozen", "incident", *CARD_FILES, *DOCUMENTS,
    }  # fmt: skip


def numbers(fields, *names):
    return tuple(int(fields[name]) for name in names)


def state_is(s, fields):
    assert all(getattr(s, name) == int(fields[name]) for name in FIELDS)
    assert s.card_uid.hex() + "00" == fields["card_uid"]
    assert " ".join(map(str, struct.unpack("<16H", s.tampers))) == fields["tampers"]
    assert len(s.phase_counts) == int(fields["phases"])
    assert " ".join(map(str, s.rate_counts)) == fields["rate_counts"]
    assert " ".join(map(str, s.rate_cost_micro)) == fields["rate_cost_micro"]


def placed(name, block, size, kind):
    """A partition with a head in this block, and the example after it."""
    data, fields, _ = EXAMPLES[name]
    dev = CutFlash(256)
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


def test_firmware_reads_the_seal():
    data, fields, _ = EXAMPLES["seal"]
    fram = SimpleNamespace(read_into=lambda at, buf: buf.__setitem__(slice(None), data))
    assert seal.read(fram) == bytes.fromhex(fields["seal"])


def test_firmware_reads_the_crash_report():
    data, fields, _ = EXAMPLES["crash"]
    number, utc_s, uptime_s, text = crashes.unpack(data)
    assert (number, utc_s, uptime_s, len(text)) == numbers(fields, "number", "utc_s", "uptime_s", "n")
    assert text.count(b"\n") == 2


def test_firmware_reads_the_readings():
    data, fields, _ = EXAMPLES["readings"]
    fram = SimpleNamespace(read_into=lambda at, buf: buf.__setitem__(slice(None), data[: len(buf)]))
    found = readings.Readings(fram)
    assert found.buf[readings.MONTHS_AT : readings.DAYS_AT].hex() == fields["months"]
    assert found.daily_micro() == 813_312 - 700_000


def test_firmware_reads_the_registers():
    data, fields, _ = EXAMPLES["registers"]
    fram = SimpleNamespace(
        read_into=lambda at, buf: buf.__setitem__(slice(None), data[: len(buf)] if at == 0x5000 else bytes(len(buf)))
    )
    found = registers.Registers(fram)
    assert found.sequence == int(fields["sequence"])
    assert (found.rate + 1, found.month, found.pattern_day) == numbers(fields, "rate", "month", "pattern_day")
    rates = [found.in_rate((12, 260_000, 3, 1_301_777), rate) for rate in range(8)]
    totals = [int(n) for n in fields["totals"].split()]
    before = [int(n) for n in fields["rates"].split()]
    since = [n - m for n, m in zip((12, 260_000, 3, 1_301_777), totals, strict=True)]
    assert rates[0] == before[:4] and rates[1] == since
    assert [n for i in range(16) for n in found.peak(i)] == [int(n) for n in fields["maxima"].split()]
    assert found.minutes == int(fields["demand_min"])
    assert list(found.month_costs()) == [int(n) for n in fields["month_costs"].split()]


def test_firmware_writes_and_reads_the_frozen_registers():
    s = MeterState()
    ledger.unpack_from(EXAMPLES["ledger"][0], s)
    record, _, _ = EXAMPLES["registers"]
    fram = SimpleNamespace(read_into=lambda at, buf: buf.__setitem__(slice(None), record[: len(buf)]))
    dev, fields = placed("frozen", freezes.DAYS_FIRST, freezes.SIZE, freezes.DAYS_KIND)
    wanted = numbers(fields, "first", "last")
    assert freezes.Frozen(dev).reading(9507, 9508, 1 << 31) == (*wanted, s.import_counts, int(fields["utc_s"]))
    shot = snapshot.snapshot(s)
    again = CutFlash(256)
    log = freezes.Frozen(again)
    log.ring.next_number = int(fields["number"])
    log.keep(shot, registers.Registers(fram).image(snapshot.totals(shot)), 15, int(fields["utc_s"]), *wanted)
    at = freezes.DAYS_FIRST * ring.BLOCK + ring.HEAD
    assert again.flash.data[at : at + freezes.SIZE] == EXAMPLES["frozen"][0]


def test_firmware_reads_the_incident():
    dev, fields = placed("incident", incidents.FIRST, incidents.SIZE, incidents.KIND)
    row = incidents.Incidents(dev).read(int(fields["number"]))
    names = ("number", "event", "utc_s", "lasted_s", "code", "phase", "marks")
    assert row[:7] == numbers(fields, *names) and row[8] == int(fields["value"])
    figures = " ".join(fields[name] for name in ("u_dv", "i_ca", "p_w", "pf_milli", "freq_chz"))
    assert " ".join(map(str, row[9:22])) == figures


def test_firmware_reads_the_purchase_of_a_card():
    data, fields, _ = EXAMPLES["card purchase"]
    found = numbers(fields, "count", "amount_micro", "debt_micro", "key_number", "generation")
    text = tuple(bytes.fromhex(fields[name]).rstrip(b"\0").decode() for name in ("meter_number", "currency"))
    assert records.unpack_purchase(data[:48]) == (*found[:4], *text, found[4])


def test_the_purchase_of_the_example_is_signed_with_the_demo_sale_key():
    data, _, _ = EXAMPLES["card purchase"]
    seed = hashlib.sha256(b"Pennywatt demo sale key").digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert ed25519.verify(public, data[48:], b"PW purchase\0" + data[:44])


def test_firmware_writes_the_write_back_of_a_card():
    data, fields, _ = EXAMPLES["card write-back"]
    s = MeterState()
    ledger.unpack_from(EXAMPLES["ledger"][0], s)
    books = SimpleNamespace(s=s, utc_s=int(fields["utc_s"]), faults=int(fields["status"]) >> 16)
    assert records.pack_writeback(books, 4, 1, bytes.fromhex(fields["months"])) == data


def meter_with(card, **settings):
    """A meter of the demo keys, with this number, that a card was shown to."""
    keys = keys_doc.parse(DEMO.meter_document(METER, made=MADE))
    meter = Meter(keys=keys, meter_number=METER, **settings)

    async def main():
        async with meter:
            await meter.show(card)

    meter.run(main())
    return meter


def test_firmware_takes_the_head_of_a_utility_card():
    """Its document is no tariff, so that is what is refused."""
    data, fields, _ = EXAMPLES["utility head"]
    card = utility_cards.utility_card(2, b"{}", listed=(METER, "PW00000007"), header=data)
    meter = meter_with(card)
    assert meter.logged(codes.LOG_DOCUMENT_REFUSED) and not meter.logged(codes.LOG_CARD_REFUSED)
    (answer,) = utility_cards.answers(card)
    assert (answer.serial, answer.kind) == numbers(fields, "serial", "kind")


def test_firmware_takes_the_key_change():
    data, fields, _ = EXAMPLES["key change"]
    meter = meter_with(utility_cards.utility_card(3, data, number=METER))
    assert meter.desk.keys[: keys_doc.CARD_BEFORE] == (int(fields["version"]), b"\x11" * 16, b"\x22" * 16)


def test_firmware_takes_the_supplier_s_public_keys():
    data, fields, _ = EXAMPLES["public keys"]
    keys = meter_with(utility_cards.utility_card(7, data)).desk.keys
    assert (keys[keys_doc.SALE_NO], keys[keys_doc.ORDER_NO]) == numbers(fields, "sale_number", "order_number")
    assert (keys[keys_doc.SALE].hex(), keys[keys_doc.ORDER].hex()) == (fields["sale"], fields["order"])


def test_the_table_of_keys_json_names_what_is_taken():
    text = TEXT[TEXT.index("`keys.json` is replaced whole") :]
    rows = re.findall(r"^\| `(\w+)` \|", text[: text.index("`aside.json`")], re.M)
    assert [*rows, "until"] == keys_doc._FIELDS.split(" ")


def test_firmware_reads_the_head_of_a_ring():
    data, fields, _ = EXAMPLES["ring head"]
    dev = CutFlash(256)
    dev.flash.data[4096 : 4096 + ring.HEAD] = data
    of = ring.Ring(dev, profile.FIRST, profile.BLOCKS, int(fields["size"]), int(fields["kind"]))
    of.open(int(fields["first"]))
    assert of.next_number == int(fields["first"])


def test_firmware_reads_the_row_of_the_profile():
    dev, fields = placed("profile row", 5, profile.SIZE, profile.KIND)
    (row,) = profile_reader.Reader(dev).rows(0, 1 << 32)
    assert row[:2] == [int(fields["number"]), 0]
    assert tuple(row[2:7]) == numbers(fields, "end_s", "mask", "covered_s", "flags", "period_min")
    # There is no row before, so the registers say nothing; the means are those of the channels' last bytes.
    assert row[7:11] == [None] * 4
    assert tuple(row[11:]) == struct.unpack_from("<HHhH", bytes.fromhex(fields["channels"]), 16)


def test_the_table_of_channels_is_what_the_settings_choose_and_the_writer_writes():
    text = TEXT[TEXT.index("| bit | type | channel |") :]
    rows = re.findall(r"^\| (\d+)[–\d]* \| (\w+) \| ([a-z0-9_ ]+) \|", text[: text.index("\n\n")], re.M)
    bit = 0
    for first, kind, names in rows:
        assert int(first) == bit
        for name in names.split():
            cfg = parse.settings({"meter_number": "1", "profile_channels": [name]})
            assert cfg.profile_channels == 1 << bit
            values = [0] * profile.CHANNELS
            values[bit] = -2 if kind == "i16" else 2
            row = profile.pack(0, 1 << bit, 0, 0, 15, values)
            assert row[14:18] == struct.pack("<" + KINDS[kind], values[bit]).ljust(4, b"\0")
            bit += 1
    assert bit == profile.CHANNELS


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
    log.find_end(0)
    assert log.record(int(fields["number"])) == numbers(fields, "number", "utc_s", "code", "quality", "value")
