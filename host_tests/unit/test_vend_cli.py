# SPDX-License-Identifier: Apache-2.0
"""The commands from end to end with a simulated card: what a clerk types, sees and is refused."""

import json
import stat

import pytest
from typer.testing import CliRunner

from host_tests.bench.chips.desfire import DesfireCard
from host_tests.unit.vend_bench import NUMBER, Meter
from scripts.vend import keyfile, meter_rules
from scripts.vend.cli import app
from scripts.vend.keys import KeySet
from scripts.vend.utility_formats import READ_OUT, Answer

COMMANDS = "issue sell read replace key-change relay-test read-out cover-reset answers journal".split()


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A folder of its own, a passphrase, no settings from outside, and a key file that opens quickly."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keyfile.save, "__defaults__", (False, 4))
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "correct horse")
    for name in ("CARD", "KEYS", "JOURNAL"):
        monkeypatch.delenv(f"PENNYWATT_{name}", raising=False)
    return tmp_path


def vend(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def asked(*words):
    return json.loads(vend(*words, "--json").stdout)


def refused(*words):
    """The sentence a command is refused with."""
    result = vend(*words, code=2)
    assert result.stdout == ""
    assert result.stderr.startswith("vend: ") and result.stderr.count("\n") == 1
    return result.stderr


CARD = ("--card", "sim:card.json")


def exported(desk):
    """keys.json of the meter."""
    (desk / "meter.json").unlink(missing_ok=True)
    vend("keys", "export-meter", NUMBER, "--out", "meter.json")
    return json.loads((desk / "meter.json").read_text())


class AtMeter:
    """Takes the card file to the meter and back."""

    def __init__(self, desk):
        self.desk = desk
        self.meter = Meter()
        self.meter.document = exported(desk)

    def visit(self, name="card.json"):
        card = DesfireCard.load(json.loads((self.desk / name).read_text()))
        result = self.meter.serve(card)
        (self.desk / name).write_text(json.dumps(card.dump()))
        return result


def test_a_customer_buys_visits_the_meter_and_buys_again(desk):
    vend("keys", "new")
    assert asked("issue", NUMBER, *CARD)["generation"] == 1
    sale = asked("sell", "20.00", *CARD)
    assert (sale["meter_number"], sale["purchase"], sale["amount_micro"]) == (NUMBER, 1, 20_000_000)
    assert "has not been to meter" in refused("sell", "5", *CARD)

    meter = AtMeter(desk)
    assert meter.visit() == "booked"
    card = asked("read", *CARD)
    assert card["booked"] and card["write_back"]["credit_micro"] == 20_000_000
    assert asked("sell", "0.50", "--debt", "3", *CARD)["purchase"] == 2
    assert meter.visit() == "booked"
    assert meter.meter.credit_micro == 20_500_000
    assert asked("journal")["open"] == []


def test_people_get_words_and_tables(desk):
    assert "check values" in vend("keys", "new").stdout
    assert "The card is ready" in vend("issue", NUMBER, *CARD).stdout
    assert "Sold 20.00 to meter 00012345, purchase 1, signed with sale key 1." in vend("sell", "20", *CARD).stdout
    assert "has not been to its meter" in vend("read", *CARD).stdout
    AtMeter(desk).visit()
    assert "20.00" in vend("read", *CARD).stdout
    assert "done" in vend("journal").stdout
    vend("read-out", "--card", "sim:utility.json")
    assert "0 answers" in vend("answers", "--card", "sim:utility.json").stdout


def test_a_lost_card_is_replaced(desk):
    vend("keys", "new")
    vend("issue", NUMBER, *CARD)
    vend("sell", "20", *CARD)
    made = asked("replace", NUMBER, "--card", "sim:new.json")
    assert (made["generation"], made["purchase"], made["amount_micro"]) == (2, 1, 20_000_000)
    assert AtMeter(desk).visit("new.json") == "booked"
    assert "Another card has replaced this one" in refused("sell", "5", *CARD)


def test_keys_are_rolled_and_reach_meter_and_card(desk):
    vend("keys", "new")
    vend("issue", NUMBER, *CARD)
    meter = AtMeter(desk)
    assert asked("keys", "roll")["newest"] == 2
    assert sorted(asked("keys", "show")["check_values"]) == ["1", "2"]
    written = asked("key-change", NUMBER, "--from", 1, "--card", "sim:utility.json")
    assert (written["kind"], written["key_version"], written["meter_number"]) == ("key change", 1, NUMBER)
    before = {**meter.meter.document, "until": 0}
    meter.meter.document = {**exported(desk), "previous": before}
    assert meter.visit() == "seen"
    assert asked("sell", "1", *CARD)["renewed_to"] == 2
    assert meter.visit() == "booked"


FLAT = '{"name": "Flat", "currency": "EUR", "price": "0.3"}'


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [("tariff", FLAT.replace("0.3", "-1"), "price: "), ("settings", '{"meter": "1"}', "meter: ")],
)
def test_what_a_meter_would_refuse_gets_onto_no_card(desk, kind, content, says):
    (desk / "file.json").write_text(content)
    assert f"A meter would refuse this {kind} file. {says}" in refused("preset", kind, "file.json", *CARD)
    assert [path.name for path in desk.iterdir()] == ["file.json"]


def test_without_the_firmwares_sources_it_is_said_that_nothing_was_checked(desk, monkeypatch):
    monkeypatch.setattr(meter_rules, "_SOURCES", (desk / "none",))
    vend("keys", "new")
    (desk / "tariff.json").write_text("{}")
    assert "not checked" in vend("preset", "tariff", "tariff.json", *CARD).stderr


def test_presets_and_other_utility_cards_are_written_and_answers_read(desk):
    vend("keys", "new")
    (desk / "settings.json").write_text('{"meter_number": "1"}')
    (desk / "tariff.json").write_text(FLAT)
    on = ("--card", "sim:utility.json")
    assert asked("preset", "settings", "settings.json", *on)["document_bytes"] == 21
    assert asked("preset", "tariff", "tariff.json", "--meter", NUMBER, *on)["meter_number"] == NUMBER
    assert asked("relay-test", *on)["kind"] == "relay test"
    assert asked("cover-reset", *on)["kind"] == "cover reset"
    written = asked("read-out", "--answers", 3, *on)
    assert (written["kind"], written["room"]) == ("read-out", 3)

    card = DesfireCard.load(json.loads((desk / "utility.json").read_text()))
    AtMeter(desk).meter.answer(card, Answer(NUMBER, written["serial"], 5, READ_OUT, 0).pack())
    (desk / "utility.json").write_text(json.dumps(card.dump()))
    told = asked("answers", "--clear", *on)
    assert [(a["meter_number"], a["result_text"]) for a in told["answers"]] == [(NUMBER, "done")]
    assert asked("answers", *on)["answers"] == []


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["0", "1.0000001", "1e3", "10000000000", "1,5", "EUR"])
def test_an_amount_that_is_none_is_refused_before_anything_is_opened(amount):
    assert "amount" in refused("sell", amount)


def test_a_negative_amount_is_refused_in_words():
    assert "negative" in refused("sell", "-5")


def test_without_a_key_file_the_remedy_is_named():
    assert "Make one with 'keys new'" in refused("read", *CARD)


def test_a_wrong_passphrase_is_one_sentence(monkeypatch):
    vend("keys", "new")
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "wrong horse")
    assert "does not open" in refused("keys", "show")


def test_without_a_passphrase_and_without_a_keyboard_it_says_what_to_give(monkeypatch):
    vend("keys", "new")
    monkeypatch.delenv("PENNYWATT_PASSPHRASE")
    assert "--passphrase-file or set PENNYWATT_PASSPHRASE" in refused("keys", "show")


def test_a_passphrase_may_come_from_a_file(desk, monkeypatch):
    monkeypatch.delenv("PENNYWATT_PASSPHRASE")
    (desk / "pass").write_text("correct horse\n")
    vend("keys", "new", "--passphrase-file", "pass")
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "correct horse")
    vend("keys", "show")


def test_an_existing_key_file_is_not_overwritten():
    vend("keys", "new")
    assert "exists already" in refused("keys", "new")


def test_a_blank_card_is_not_sold_on(desk):
    vend("keys", "new")
    assert "Issue one first" in refused("sell", "5", *CARD)
    assert not (desk / "card.json").exists()


def test_a_refusal_is_json_for_programs():
    result = vend("read", *CARD, "--json", code=2)
    assert "keys new" in json.loads(result.stdout)["error"]


def test_a_meters_keys_go_into_a_file_for_one_pair_of_eyes(desk):
    vend("keys", "new")
    vend("keys", "export-meter", NUMBER, "--out", "meter.json")
    document = json.loads((desk / "meter.json").read_text())
    assert set(document) == {"version", "card_key", "utility_key", "sale", "order", "made"}
    assert stat.S_IMODE((desk / "meter.json").stat().st_mode) == 0o600
    assert "exists already" in refused("keys", "export-meter", NUMBER, "--out", "meter.json")


def test_the_journal_needs_no_passphrase(monkeypatch):
    vend("keys", "new")
    vend("issue", NUMBER, *CARD)
    monkeypatch.delenv("PENNYWATT_PASSPHRASE")
    assert [e["what"] for e in asked("journal")["entries"]] == ["intent", "done"]


def test_without_a_journal_it_says_so():
    assert "There is no journal" in refused("journal")


@pytest.mark.parametrize("command", [[], ["keys"], ["preset"], *([c] for c in COMMANDS)], ids=" ".join)
def test_every_command_explains_itself(command):
    assert "Usage" in vend(*command, "--help").stdout


def test_no_output_of_ours_shows_a_master(desk):
    vend("keys", "new")
    masters = [m.hex() for m in keyfile.load(desk / "vend-keys.json", "correct horse").masters(1)]
    commands = ("keys", "show"), ("keys", "export-meter", NUMBER, "--out", "meter.json"), ("issue", NUMBER, *CARD)
    said = "".join(vend(*words).output for words in commands)
    assert not any(master in said.lower() for master in masters)
    assert repr(KeySet.demo()) == "KeySet(versions 1)"


# -- the bench's keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("card", ["pcsc", "pcsc:ACR"])
def test_the_demo_keys_are_for_simulated_cards_only(card):
    assert "simulated cards only" in refused("issue", NUMBER, "--keys", "demo", "--card", card)


def test_the_demo_keys_have_a_journal_of_their_own(desk):
    vend("issue", NUMBER, "--keys", "demo", *CARD)
    assert sorted(path.name for path in desk.iterdir()) == ["card.json", "vend-journal-demo.sqlite"]


def test_no_key_file_can_be_called_demo(desk):
    assert "not overwritten" in refused("keys", "new", "--keys", "demo")
    assert not list(desk.iterdir())
