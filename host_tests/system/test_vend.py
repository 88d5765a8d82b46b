# SPDX-License-Identifier: Apache-2.0
"""The shop's library and the whole firmware, and nothing between them but a card."""

import json
import re
import shlex
from pathlib import Path

import pytest
from meter.core import codes
from typer.testing import CliRunner

from host_tests.stands.vend import Hand, shop_at
from scripts.chips.card_file import CardFile
from scripts.chips.desfire import DesfireCard
from scripts.supplier.keys import KeySet
from scripts.supplier.utility_formats import COVER_RESET, READ_OUT, RELAY_TEST, TARIFF
from scripts.vend import issuing, user_card, utility_card
from scripts.vend.cli import app

from .visits import show

NUMBER = "PW00000001"
FLAT = json.dumps({"name": "Flat", "currency": "EUR", "price": "0.5"}).encode()


@pytest.fixture
def shop(tmp_path):
    with shop_at(tmp_path / "journal.db") as shop:
        yield shop


def blank(last_byte, ev=1):
    return DesfireCard(bytes.fromhex("041122334455") + bytes((last_byte,)), ev=ev)


@pytest.mark.parametrize("ev", [1, 2])
def test_a_card_goes_between_shop_and_meter(bench, shop, ev):
    b, card = bench(initial_credit="0"), blank(1, ev)
    issuing.issue(shop, Hand(card), NUMBER, "EUR")
    user_card.sell(shop, Hand(card), 20_000_000, debt_micro=5_000_000)
    assert "20.00 EUR" in show(b, card)
    back = user_card.read_card(shop, Hand(card)).write_back
    assert (back.purchase_count, back.purchased_micro, back.debt_micro) == (1, 20_000_000, 5_000_000)
    assert back.number == b.state().writeback_seq and 19_990_000 < back.credit_micro <= 20_000_000
    user_card.sell(shop, Hand(card), 10_000_000)
    show(b, card)
    assert b.state().purchase_count == 2 and b.state().purchased_micro == 30_000_000


def test_a_lost_card_is_replaced_and_its_purchase_is_booked_once(bench, shop):
    b, lost, new = bench(initial_credit="0"), blank(1), blank(2)
    issuing.issue(shop, Hand(lost), NUMBER, "EUR")
    user_card.sell(shop, Hand(lost), 20_000_000)
    issuing.replace(shop, Hand(new), NUMBER)
    show(b, new)
    assert b.state().purchased_micro == 20_000_000
    assert "replaced" in show(b, lost)
    assert b.state().purchased_micro == 20_000_000
    user_card.sell(shop, Hand(new), 10_000_000)
    show(b, new)
    assert b.state().purchased_micro == 30_000_000


def test_a_tariff_comes_to_the_meter_and_the_answer_to_the_shop(bench, shop):
    b, card = bench(), blank(3)
    utility_card.preset(shop, Hand(card), TARIFF, FLAT)
    assert "Tariff changed" in show(b, card)
    (answer,) = utility_card.read_answers(shop, Hand(card)).answers
    assert (answer.meter_number, answer.result) == (NUMBER, 0)


def test_new_keys_come_to_the_meter_and_then_to_the_card(bench, shop, tmp_path):
    b, user, card = bench(initial_credit="0"), blank(1), blank(4)
    issuing.issue(shop, Hand(user), NUMBER, "EUR")
    show(b, user)  # the household's own card: the key of before opens it once more
    with shop_at(tmp_path / "other.db", KeySet.demo().rolled()) as later:
        utility_card.key_change(later, Hand(card), NUMBER)
        assert "Keys changed" in show(b, card)
        user_card.sell(later, Hand(user), 20_000_000)
        show(b, user)
        assert b.state().purchased_micro == 20_000_000
        sale = user_card.sell(later, Hand(user), 10_000_000)
        assert sale.renewed_to == 2
        show(b, user)
        assert b.state().purchased_micro == 30_000_000
        # They are in the file system.
        b.plug(False)
        b.plug(True)
        b.run_s(3)
        user_card.sell(later, Hand(user), 1_000_000)
        show(b, user)
        assert b.state().purchased_micro == 31_000_000


def test_a_relay_test_switches_the_house_off_and_on(bench, shop):
    b, card = bench(), blank(5)
    utility_card.write_card(shop, Hand(card), RELAY_TEST)
    b.plant.reader.insert(card, b.plant.clock.now_us)
    positions, screens = [], []
    for _ in range(80):
        b.run_s(0.1)
        positions.append(b.plant.relay.closed)
        screens.append(b.screen())
    assert any("Passed" in screen for screen in screens) and positions[-1]
    assert 20 <= positions.count(False) <= 25
    b.plant.reader.remove(b.plant.clock.now_us)
    b.run_s(2)
    assert [e.value for e in b.events() if e.code == codes.LOG_RELAY_TEST] == [3]
    assert utility_card.read_answers(shop, Hand(card)).answers[0].result == 0


def test_a_read_out_card_brings_home_what_a_meter_would_write_back(bench, shop):
    b, card = bench(), blank(6)
    utility_card.write_card(shop, Hand(card), READ_OUT)
    b.run_s(60)
    assert "Meter read" in show(b, card)
    (answer,) = utility_card.read_answers(shop, Hand(card)).answers
    assert answer.write_back.import_counts > 0 and answer.write_back.key_version == 1


def test_an_inspector_releases_nothing_that_was_not_blocked(bench, shop):
    b, card = bench(), blank(7)
    utility_card.write_card(shop, Hand(card), COVER_RESET)
    assert "Nothing was blocked" in show(b, card)


def test_the_commands_of_the_readme_sell_through_a_card_file(bench, tmp_path, monkeypatch):
    readme = (Path(__file__).parents[2] / "scripts/vend/README.md").read_text()
    section = readme.partition("## Selling")[2].partition("\n## ")[0]
    issue, sell, read = (shlex.split(line) for line in re.findall(r'^make vend ARGS="(.+)"$', section, re.M))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    for words in (issue, sell):
        assert CliRunner().invoke(app, words).exit_code == 0
    b = bench(initial_credit="0", card_files=[CardFile(Path("build/card.json"))])
    b.insert("file0")
    b.run_s(3)
    b.insert(None)
    b.run_s(2)
    assert b.state().purchased_micro == 20_000_000
    brought = json.loads(CliRunner().invoke(app, [*read, "--json"]).stdout)
    assert brought["write_back"]["purchase_count"] == 1
    # Sold on again while the bench holds the card: it is the card of the file that goes in.
    assert CliRunner().invoke(app, sell).exit_code == 0
    b.insert("file0")
    b.run_s(3)
    assert b.state().purchased_micro == 40_000_000
