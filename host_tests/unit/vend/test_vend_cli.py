# SPDX-License-Identifier: Apache-2.0
"""The commands from end to end with a simulated card: what a clerk types, sees and is refused."""

import functools
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host_tests.stands.vend import NUMBER, Meter
from scripts.chips.desfire import DesfireCard
from scripts.common import meter_code
from scripts.supplier import keyfile, meter_rules
from scripts.supplier.keys import KeySet
from scripts.supplier.units import now_utc_s
from scripts.supplier.utility_formats import READ_OUT, Answer
from scripts.vend import options
from scripts.vend.cli import app
from scripts.vend.shop import Shop

ROOT = Path(__file__).resolve().parents[3]

COMMANDS = (
    "issue sell read replace correct take-back blank resign key-change trust-change relay-test read-out cover-reset"
    " answers journal"
).split()


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


def test_a_mistake_is_put_right_and_told(desk):
    vend("keys", "new")
    vend("issue", NUMBER, "--currency", "USD", *CARD)
    vend("sell", "200", *CARD)
    done = asked("correct", "--currency", "EUR", "--amount", "20", "--debt", "0", *CARD)
    assert (done["currency"], done["amount_micro"], done["before"]["amount_micro"]) == ("EUR", 20_000_000, 200_000_000)
    assert "give back 20.00" in vend("take-back", *CARD).stdout
    assert asked("sell", "30", *CARD)["purchase"] == 1
    assert "it was 30.00" in vend("correct", "--amount", "40", *CARD).stdout
    assert AtMeter(desk).visit() == "booked"
    assert "has booked purchase 1 already" in refused("correct", "--amount", "50", *CARD)
    assert "correct" in vend("journal").stdout and asked("journal")["open"] == []


def test_a_card_for_the_wrong_meter_is_made_blank_and_issued_again(desk):
    vend("keys", "new")
    vend("issue", "7", *CARD)
    assert asked("blank", *CARD) == {"meter_number": "7"}
    assert asked("issue", NUMBER, *CARD)["generation"] == 1
    vend("sell", "20", *CARD)
    assert AtMeter(desk).visit() == "booked"


@pytest.mark.parametrize(
    ("words", "says"),
    [(("pw00000001",), "Did you mean PW00000001?"), (("PW/1",), "capitals or '-'"), (("\udcff",), "capitals or '-'"),
     ((NUMBER, "--currency", "eur"), "Did you mean EUR?"), ((NUMBER, "--currency", "EURO"), "three capitals")],
)  # fmt: skip
def test_what_no_meter_has_gets_onto_no_card(desk, words, says):
    vend("keys", "new")
    assert says in refused("issue", *words, *CARD)
    assert not (desk / "card.json").exists()


def test_more_than_the_meters_limit_of_credit_is_not_sold(desk, monkeypatch):
    vend("keys", "new")
    vend("issue", NUMBER, *CARD)
    assert "limited to 500.00" in refused("sell", "500.01", "--cap", "500", *CARD)
    monkeypatch.setenv("PENNYWATT_CAP", "100")
    assert "limited to 100.00" in refused("sell", "101", *CARD)
    vend("sell", "100", *CARD)


def test_signing_keys_are_rolled_and_reach_meters_by_a_card(desk):
    vend("keys", "new")
    vend("issue", NUMBER, *CARD)
    vend("sell", "20", *CARD)
    meter = AtMeter(desk)
    assert sorted(asked("keys", "roll-sale")["sale"]) == ["1", "2"]
    assert sorted(asked("keys", "roll-order")["order"]) == ["1", "2"]
    card = asked("trust-change", "--meter", "001..099", "--card", "sim:utility.json")
    assert (card["kind"], card["order_key"], card["first"], card["last"]) == ("supplier's public keys", 1, "001", "099")
    assert "order key 1" in vend("trust-change", "--meter", "1,2", "--card", "sim:utility.json").stdout
    meter.meter.document = exported(desk)
    assert meter.visit() == "another sale key"
    assert "signed with sale key 1" not in vend("resign", *CARD).stdout
    assert meter.visit() == "booked"
    assert asked("read", *CARD)["sale_key"] == 2


def test_a_shop_gets_a_key_file_with_which_it_sells_and_commands_no_meter(desk, monkeypatch):
    vend("keys", "new")
    monkeypatch.setenv("PENNYWATT_SHOP_PASSPHRASE", "another horse")
    made = asked("keys", "export-shop", "--out", "shop.json")
    assert made["shop"] and made["order"] == {} and list(made["sale"]) == ["1"]
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "another horse")
    shop = ("--keys", "shop.json")
    vend("issue", NUMBER, *CARD, *shop)
    vend("sell", "20", *CARD, *shop)
    for words in (("relay-test", *CARD), ("trust-change", *CARD), ("keys", "export-meter", NUMBER, "--out", "m.json")):
        assert "in the office" in refused(*words, *shop)
    assert "shop's key file" in vend("keys", "show", *shop).stdout
    monkeypatch.setenv("PENNYWATT_PASSPHRASE", "correct horse")
    assert AtMeter(desk).visit() == "booked"


def test_a_meters_keys_are_printed_nowhere(desk):
    vend("keys", "new")
    result = vend("keys", "export-meter", NUMBER, code=2)
    assert result.stdout == "" and "--out" in result.stderr
    exported(desk)
    said = vend("keys", "export-meter", NUMBER, "--out", "more.json").output
    assert json.loads((desk / "meter.json").read_text())["card_key"] not in said


WRITING = [
    ("issue", "7"), ("sell", "5"), ("read",), ("replace", NUMBER), ("correct", "--amount", "5"), ("take-back",),
    ("blank",), ("resign",), ("key-change", NUMBER), ("trust-change",), ("relay-test",), ("read-out",),
    ("cover-reset",), ("answers",),
]  # fmt: skip


@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_a_clock_far_from_the_journals_last_entry_is_refused_by_every_command_that_writes(desk, monkeypatch, words):
    on = ("--card", "sim:card.json", "--keys", "demo")
    vend("issue", NUMBER, *on)
    for days in (-2, 91):
        then_s = now_utc_s() + days * 86_400
        monkeypatch.setattr(options, "Shop", functools.partial(Shop, clock=lambda then_s=then_s: then_s))
        assert "say --clock-is-right" in refused(*words, *on)
    result = CliRunner().invoke(app, [*words, *on, "--clock-is-right"])
    assert "clock" not in result.output


FLAT = '{"name": "Flat", "currency": "EUR", "price": "0.3"}'


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [("tariff", FLAT.replace("0.3", "-1"), "price: "), ("settings", '{"meter": "1"}', "meter: ")],
)
def test_what_a_meter_would_refuse_gets_onto_no_card(desk, kind, content, says):
    (desk / "file.json").write_text(content)
    assert f"A meter would refuse this {kind} file. {says}" in refused("preset", kind, "file.json", *CARD)
    assert [path.name for path in desk.iterdir()] == ["file.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff\xfe{", b"\xef\xbb\xbf[", b'{"name": NaN}', b'{"price": 1e999}', b'{"a": ' * 5000, b"\x00" * 9,
     b'{"name": "\\ud800", "currency": "EUR", "price": "1"}', b'{"name": {}, "currency": [], "price": {}}',
     b'{"rates": [[[[]]]], "days": 5, "weeks": "x"}', b'{"name": "\\u00e4", "currency": "EUR", "price": "1"}',
     b'{"currency": "\xff"}', b'{"\\ufffe": 1}'],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["tariff", "settings"])
def test_an_odd_file_is_refused_in_words(desk, kind, content):
    (desk / "file.json").write_bytes(content)
    text = refused("preset", kind, "file.json", *CARD)
    assert "Traceback" not in text and "Error" not in text and len(text) < 400


@pytest.mark.parametrize("name", [".", "none.json", "none/none.json"])
def test_a_file_that_cannot_be_read_is_told_in_words(name):
    assert name in refused("preset", "tariff", name, *CARD)


def test_a_check_that_cannot_run_is_told_without_a_traceback(desk, monkeypatch):
    monkeypatch.setattr(meter_rules, "_CHECK", "import nothing.of_that_name")
    (desk / "file.json").write_text(FLAT)
    text = refused("preset", "tariff", "file.json", *CARD)
    assert "do not run" in text and "Traceback" not in text and "ModuleNotFound" not in text


def test_a_check_that_never_ends_is_ended(desk, monkeypatch):
    monkeypatch.setattr(meter_rules, "_CHECK", "while True: pass")
    monkeypatch.setattr(meter_rules, "_PATIENCE_S", 0.2)
    (desk / "file.json").write_text(FLAT)
    assert "not checked within" in refused("preset", "tariff", "file.json", *CARD)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"uid": 5}', b"null", b"[" * 5000])
def test_what_is_no_simulated_card_is_told_in_words(desk, content):
    (desk / "card.json").write_bytes(content)
    assert "is not a simulated card" in refused("read", "--keys", "demo", *CARD)


def test_a_passphrase_file_that_is_no_text_is_told_in_words(desk):
    vend("keys", "new")
    (desk / "pass").write_bytes(b"\xff\xfehorse")
    assert "UTF-8" in refused("keys", "show", "--passphrase-file", "pass")


@pytest.mark.parametrize("words", [("issue", NUMBER), ("journal",)])
def test_a_journal_that_is_none_is_told_in_words(desk, words):
    (desk / "j.sqlite").write_bytes(b"\xff" * 5000)
    on = (*CARD, "--keys", "demo") if words[0] == "issue" else ()
    assert "it is no journal" in refused(*words, *on, "--journal", "j.sqlite")


def test_a_name_that_is_no_utf_8_is_no_traceback(desk):
    for words in (["keys", "show", "--keys", b"\xff.json"], ["issue", b"\xff", "--keys", "demo", *CARD]):
        run = subprocess.run([sys.executable, "-m", "scripts.vend", *words], cwd=ROOT, capture_output=True, check=False)
        assert run.returncode == 2 and b"Traceback" not in run.stderr + run.stdout


def test_without_the_firmwares_sources_it_is_said_that_nothing_was_checked(desk, monkeypatch):
    monkeypatch.setattr(meter_code, "PLACE", desk / "none")
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
