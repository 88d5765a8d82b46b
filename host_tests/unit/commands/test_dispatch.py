# SPDX-License-Identifier: Apache-2.0
"""Orders of any carrier: what is done, which result comes of it, and whether its serial is kept."""

import asyncio
import json
from zlib import crc32

import pytest
from meter.commands import dispatch, orders, results
from meter.core import codes
from meter.documents import files, keys_doc

from host_tests.bench.documents import settings
from host_tests.stands.card import KEYS, NUMBER, Meter
from scripts.supplier.signing import public_half, sign

SERIAL = 821_400_000
TARIFF = {"name": "Winter", "currency": "EUR", "price": "0.31"}


class Carrier:
    """The meter of a carrier that is no card: it stages documents itself, and keeps the keys."""

    def __init__(self, root):
        self.meter = Meter()
        self.books = self.meter.books
        self.root = str(root)
        self.keys = KEYS

    def order(self, kind, document=b"", serial=SERIAL):
        order = kind, serial, codes.BY_NETWORK, document
        return self.meter.vt.run(dispatch.do(self.books, self, order))

    def document(self, kind, doc, crc=None):
        data = json.dumps(doc).encode()
        with files.stage(self.root, files.SETTINGS if kind == orders.SETTINGS else files.TARIFF) as f:
            f.write(data)
        return self.order(kind, crc32(data) if crc is None else crc)


@pytest.fixture
def it(tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps(settings(meter_number=NUMBER)))
    (tmp_path / "tariff.json").write_text(json.dumps({"name": "One price", "currency": "EUR", "price": "0.25"}))
    return Carrier(tmp_path)


def test_a_tariff_that_was_staged_is_in_force_and_its_serial_is_kept(it):
    assert it.document(orders.TARIFF, TARIFF) == (results.DONE, 0)
    assert it.books.tariff.name == "Winter" and it.books.s.utility_serial == SERIAL
    assert it.meter.logged(codes.LOG_TARIFF_CHANGED) == [codes.BY_NETWORK]


def test_the_same_once_more_is_done_already_and_its_serial_is_kept(it):
    it.document(orders.TARIFF, TARIFF)
    it.books.s.utility_serial = 0
    assert it.document(orders.TARIFF, TARIFF) == (results.ALREADY, 0)
    assert it.books.s.utility_serial == SERIAL


def test_a_tariff_whose_time_has_not_come_is_for_later(it):
    assert it.document(orders.TARIFF, TARIFF | {"from": "2090-01-01 00:00"})[0] == results.LATER
    assert it.books.later.name == "Winter" and it.books.s.utility_serial == SERIAL


def test_settings_that_parts_were_started_with_wait_for_a_start(it):
    doc = settings(meter_number=NUMBER, relay_pulse_ms=90)
    assert it.document(orders.SETTINGS, doc) == (results.WITH_START, 0)


def test_a_document_that_is_refused_says_where_and_why_and_leaves_no_serial(it):
    result, (path, reason) = it.document(orders.TARIFF, TARIFF | {"price": "-1"})
    assert result == results.DOCUMENT and path == "price" and reason
    assert it.books.s.utility_serial == 0 and it.books.tariff.name == "One price"


def test_a_document_that_the_flash_has_not_kept_as_it_was_is_not_stored(it):
    assert it.document(orders.TARIFF, TARIFF, crc=1) == (results.UNSTORED, 0)
    assert it.books.s.utility_serial == 0 and it.books.tariff.name == "One price"


def trust(sale_no=2, order_no=2):
    body = bytes((sale_no, order_no, 0, 0)) + public_half(bytes(31) + b"\7") + public_half(bytes(31) + b"\2")
    return body + sign(bytes(31) + b"\2", b"PW keys\0" + body)


def test_other_public_keys_come_in_the_place_of_the_keepers(it):
    assert it.order(orders.TRUST, trust()) == (results.DONE, 0)
    assert (it.keys[keys_doc.SALE_NO], it.keys[keys_doc.ORDER_NO]) == (2, 2) and it.books.s.utility_serial == SERIAL
    assert it.order(orders.TRUST, trust()) == (results.ALREADY, 0)


def test_public_keys_that_do_not_fit_are_refused_with_the_reason(it):
    assert it.order(orders.TRUST, trust()[:-1] + b"\0") == (results.UNPROVEN, 0)
    assert it.keys == KEYS and it.books.s.utility_serial == 0


@pytest.mark.parametrize("kind", [orders.KEYS, orders.TRUST])
def test_keys_of_another_layout_are_refused_with_the_code_that_a_card_shows(it, kind):
    assert it.order(kind, b"short") == (results.REFUSED, codes.CARD_MALFORMED)
    assert it.keys == KEYS and it.books.s.utility_serial == 0


def test_a_read_out_is_the_number_of_a_report_and_leaves_no_serial(it):
    assert [it.order(orders.READ_OUT) for _ in range(2)] == [(results.DONE, 1), (results.DONE, 2)]
    assert it.books.s.utility_serial == 0


def test_without_a_ledger_that_keeps_the_number_there_is_no_read_out(it, monkeypatch):
    monkeypatch.setattr(it.books, "keep", lambda: False)
    assert it.order(orders.READ_OUT) == (results.REFUSED, codes.CARD_STORAGE)


def test_a_cover_reset_releases_what_is_blocked_or_finds_nothing(it):
    it.books.s.claims = codes.CLAIM_TAMPER
    assert it.order(orders.COVER) == (results.DONE, 0)
    assert it.order(orders.COVER) == (results.ALREADY, 0)
    assert it.books.s.utility_serial == 0


@pytest.mark.parametrize(
    ("sticks", "result", "logged"),
    [(None, results.DONE, 3), (1, results.STUCK_CLOSED, 2), (0, results.STUCK_OPEN, 1)],
)
def test_a_relay_that_sticks_is_told_by_where(it, sticks, result, logged):
    it.books.s.credit_micro, it.books.s.claims = 1_000_000, 0

    async def guard():
        while True:
            wanted = it.books.wants_closed()
            if sticks is None or it.books.s.relay_closed != sticks:
                it.books.s.relay_closed = wanted
            await asyncio.sleep(0.1)

    async def main():
        task = asyncio.ensure_future(guard())
        await asyncio.sleep(0.2)
        done = await dispatch.do(it.books, it, (orders.RELAY, SERIAL, codes.BY_NETWORK, b""))
        task.cancel()
        return done

    it.books.s.relay_closed = 1
    assert it.meter.vt.run(main()) == (result, 0)
    assert it.meter.logged(codes.LOG_RELAY_TEST) == [logged]


def test_each_result_is_one_of_the_outcomes_that_the_office_knows():
    named = {name: getattr(results, name) for name in dir(results) if name.isupper() and name != "OUTCOME"}
    assert len(set(named.values())) == len(named)
    assert {value & results.OUTCOME for value in named.values()} == {0, 1, 2, 3, 4}
