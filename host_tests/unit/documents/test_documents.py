# SPDX-License-Identifier: Apache-2.0
"""Documents in the file system: replaced whole or not at all, the one before kept; and what a change checks."""

import builtins
import contextlib
import json
import os
import types
import zlib

import pytest
from meter.commands import change, results
from meter.core import calendar, codes
from meter.core import settings as config
from meter.core.errors import ConfigError, StorageError
from meter.documents import files, keys_doc, load, parse

from host_tests.bench.documents import as_files, keys, settings
from host_tests.bench.documents import tariff as tariff_doc

OLD, NEW = b'{"is": "old"}', b'{"is": "new", "and": "longer"}'


class Cut(BaseException):
    """Power fails: nothing the code under test may catch."""


class Counted:
    """The file system as LittleFS has it: a file's content counts once it is closed. Power fails before step n."""

    def __init__(self, monkeypatch, n):
        self.left = n
        real_open, real_rename = builtins.open, os.rename

        def rename(a, b):
            self.step()
            real_rename(a, b)

        def opening(path, mode="r"):
            self.step()
            if "w" not in mode:
                return real_open(path, mode)
            parts = []

            def close():
                self.step()
                with real_open(path, mode) as f:
                    f.write(b"".join(parts))

            return types.SimpleNamespace(write=parts.append, close=close)

        monkeypatch.setattr(files, "open", opening, raising=False)
        monkeypatch.setattr(files.os, "rename", rename)

    def step(self):
        self.left -= 1
        if self.left < 0:
            raise Cut


def stage(root, name, data):
    with files.stage(str(root), name) as f:
        f.write(data)


def replace(root, name, data, sound):
    stage(root, name, data)
    files.replace(str(root), name, sound)


def content(root, name):
    try:
        return (root / name).read_bytes()
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("n", range(7))
def test_a_cut_before_any_step_leaves_the_old_document_or_the_new_one(tmp_path, monkeypatch, n):
    (tmp_path / "settings.json").write_bytes(OLD)
    (tmp_path / "settings.old").write_bytes(b"{}")
    stage(tmp_path, "settings.json", NEW)
    with monkeypatch.context() as m:
        fs = Counted(m, n)
        with contextlib.suppress(Cut):
            files.replace(str(tmp_path), "settings.json", True)
    assert content(tmp_path, "settings.json") in (OLD, NEW)
    assert content(tmp_path, "settings.old") in (b"{}", OLD)
    if content(tmp_path, "settings.json") == NEW:
        assert content(tmp_path, "settings.old") == OLD
    assert (fs.left >= 0) == (content(tmp_path, "settings.json") == NEW)
    # The next try finds its way.
    replace(tmp_path, "settings.json", NEW, True)
    assert content(tmp_path, "settings.json") == NEW


def test_a_damaged_document_is_kept_beside_the_one_before(tmp_path):
    (tmp_path / "settings.json").write_bytes(b"{broken")
    (tmp_path / "settings.old").write_bytes(OLD)
    replace(tmp_path, "settings.json", NEW, False)
    assert [content(tmp_path, f"settings.{end}") for end in ("json", "old", "bad")] == [NEW, OLD, b"{broken"]


def test_the_first_document_needs_none_before(tmp_path):
    replace(tmp_path, "tariff.json", NEW, False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tariff.json"]


def test_what_the_file_system_has_kept_wrongly_is_not_put_in_force(root):
    stage(root, "tariff.json", b'{"name": "x", "currency": "EUR", "price": "1"}')
    with pytest.raises(StorageError):
        change.change(Books(), "tariff.json", 12345, codes.BY_CARD, str(root))


def test_a_file_system_that_does_not_take_it_changes_nothing(tmp_path, monkeypatch):
    (tmp_path / "settings.json").write_bytes(OLD)

    def full(a, b):
        raise OSError(28)

    monkeypatch.setattr(files.os, "rename", full)
    with pytest.raises(StorageError):
        replace(tmp_path, "settings.json", NEW, True)
    assert content(tmp_path, "settings.json") == OLD


# -- what is read at the start ----------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    for name, data in as_files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_documents_as_provisioned_are_no_fault(root):
    cfg, rates, later, found, faults = load.read(str(root))
    assert (cfg.meter_number, rates.name, faults) == (settings()["meter_number"], tariff_doc()["name"], 0)
    assert found == keys_doc.parse(keys())
    assert later is None


def test_the_keys_before_are_read_with_those_in_force(root):
    before = {"version": 1, "card_key": "11" * 16, "until": 9900}
    (root / "keys.json").write_bytes(json.dumps({**keys(), "version": 2, "previous": before}).encode())
    found = load.read(str(root))[3]
    assert (found[keys_doc.VERSION], found[keys_doc.CARD_BEFORE]) == (2, b"\x11" * 16)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (b"{", "keys: keys.json: this is not JSON"),
        (b'{"version": 1}', "keys: sale: must be a number and a key"),
        (b'{"previous": 1}', "keys: previous: must be a JSON object"),
        (json.dumps({**keys(), "card_key": "00"}).encode(), "keys: card_key: must be 16 bytes in hexadecimal"),
        (json.dumps({**keys(), "signs": 1}).encode(), "keys: signs: is not known here"),
    ],
)
def test_keys_that_are_not_fit_are_none_and_reported(root, capsys, damage, words):
    (root / "keys.json").write_bytes(damage)
    assert load.read(str(root))[3:] == (None, codes.FAULT_KEYS)
    assert words in capsys.readouterr().out


def test_keys_that_are_not_fit_give_way_to_those_before(root):
    (root / "keys.old").write_bytes(json.dumps(keys("OTHER")).encode())
    (root / "keys.json").write_bytes(b"?")
    found, faults = load.read(str(root))[3:]
    assert found[1].hex() == keys("OTHER")["card_key"] and faults == codes.FAULT_KEYS


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"meter_number": 5}', None])
def test_settings_that_are_not_fit_give_way_to_those_before_and_are_reported(root, capsys, damage):
    (root / "settings.old").write_bytes(json.dumps(settings(alarm1="7.00")).encode())
    if damage is None:
        (root / "settings.json").unlink()
    else:
        (root / "settings.json").write_bytes(damage)
    cfg, _, _, _, faults = load.read(str(root))
    assert cfg.alarm1_micro == 7_000_000 and faults == codes.FAULT_SETTINGS
    assert "settings: the one before is in force" in capsys.readouterr().out
    assert content(root, "settings.json") == damage


def test_a_tariff_that_is_not_fit_gives_way_to_the_one_before(root):
    (root / "tariff.old").write_bytes(json.dumps({"name": "Before", "currency": "EUR", "price": "0.1"}).encode())
    (root / "tariff.json").write_bytes(json.dumps({"name": "x", "currency": "USD", "price": "0.1"}).encode())
    _, rates, _, _, faults = load.read(str(root))
    assert rates.name == "Before" and faults == codes.FAULT_TARIFF


def test_settings_that_are_not_fit_still_say_whose_the_meter_is(root):
    (root / "settings.json").write_text(json.dumps({**settings(provisioned=True, currency="KES"), "alarm_1": "5"}))
    (root / "tariff.json").write_text(json.dumps({"name": "x", "currency": "KES", "price": "25"}))
    cfg, rates, _, _, faults = load.read(str(root))
    assert (cfg.provisioned, cfg.currency, rates.prices_micro) == (True, "KES", (25_000_000,))
    assert cfg.alarm1_micro == config.Settings().alarm1_micro
    assert faults & ~codes.FAULT_CALIBRATION == codes.FAULT_SETTINGS


def test_a_meter_whose_settings_are_lost_goes_on_at_the_price_and_in_the_currency_of_its_tariff(root):
    (root / "settings.json").write_bytes(b"?")
    (root / "tariff.json").write_text(json.dumps({"name": "x", "currency": "KES", "price": "25"}))
    (root / "later.json").write_text(
        json.dumps({"name": "y", "currency": "USD", "price": "1", "from": "2099-01-01 00:00"})
    )
    cfg, rates, later, _, faults = load.read(str(root))
    assert (cfg.currency, rates.prices_micro, later) == ("KES", (25_000_000,), None)
    assert faults == codes.FAULT_SETTINGS


@pytest.mark.parametrize("damage", [b"?", b'{"name": "x"}', b'{"name": "x", "currency": "USD", "price": "1"}', None])
def test_a_provisioned_meter_without_any_fit_tariff_has_one_that_says_so(root, damage):
    (root / "settings.json").write_text(json.dumps(settings(provisioned=True)))
    for name in ("tariff.json", "tariff.old"):
        if damage is None:
            (root / name).unlink(missing_ok=True)
        else:
            (root / name).write_bytes(damage)
    cfg, rates, _, _, faults = load.read(str(root))
    assert faults & codes.FAULT_TARIFF and cfg.provisioned
    assert (rates.name, rates.rate_names, rates.prices_micro) == ("", ("No tariff: no price",), (0,))


def test_a_meter_that_is_nobodys_yet_and_has_no_tariff_counts_at_none(root):
    (root / "tariff.json").unlink()
    rates, faults = load.read(str(root))[1:5:3]
    assert (rates.name, rates.rate_names, rates.prices_micro) == ("none", ("flat",), (0,)) and faults


def test_without_any_fit_document_the_harmless_ones_serve(root):
    for name in ("settings.json", "tariff.json"):
        (root / name).write_bytes(b"?")
    cfg, rates, _, _, faults = load.read(str(root))
    assert (cfg.meter_number, rates.prices_micro) == ("", (0,))
    assert faults == codes.FAULT_SETTINGS | codes.FAULT_TARIFF


# -- a change ----------------------------------------------------------------------------------------


class Books:
    """What change() needs of the books."""

    def __init__(self):
        self.cfg = parse.settings(settings())
        self.tariff = parse.tariff(tariff_doc())
        self.later = None
        self.now_minute = 0
        self.logged = []
        self.faults = 0
        self.puts = 0
        self.utc_s = 1

    def log(self, code, value=0):
        self.logged.append((code, value))

    def fault(self, bit, on):
        pass

    def is_past(self, minute):
        return self.now_minute >= minute

    def put_in_force(self, cfg, rates, later):
        self.cfg, self.tariff, self.later = cfg, rates, later
        self.puts += 1


def put(root, name, doc, books=None):
    data = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
    stage(root, name, data)
    return change.change(books or Books(), name, zlib.crc32(data), codes.BY_NETWORK, str(root))


def test_a_change_is_stored_logged_and_in_force(root):
    books = Books()
    before = content(root, "settings.json")
    assert put(root, "settings.json", settings(alarm1="33.00"), books) == results.DONE
    assert books.cfg.alarm1_micro == 33_000_000
    taken = (codes.LOG_DOCUMENT_TAKEN, codes.BY_NETWORK | 16)
    assert books.logged == [taken, (codes.LOG_SETTINGS_CHANGED, codes.BY_NETWORK)]
    assert content(root, "settings.old") == before
    assert load.read(str(root))[0].alarm1_micro == 33_000_000


NEXT = {"name": "Next", "currency": "EUR", "price": "0.4", "from": "2027-01-01 00:00"}
NEW_YEAR = calendar.days(2027, 1, 1) * 1440


def test_a_tariff_with_a_time_waits_for_it_and_is_there_after_a_start(root):
    books = Books()
    before = content(root, "tariff.json")
    books.now_minute = NEW_YEAR - 1
    assert put(root, "tariff.json", NEXT, books) == results.LATER
    assert (books.tariff.name, books.later.name) == (tariff_doc()["name"], "Next")
    assert content(root, "tariff.json") == before
    assert load.read(str(root))[2].from_minute == NEW_YEAR


def test_a_tariff_whose_time_has_come_is_in_force_at_once(root):
    books = Books()
    books.now_minute = NEW_YEAR
    assert put(root, "tariff.json", NEXT, books) == results.DONE
    assert books.tariff.name == "Next" and load.read(str(root))[2] is None


def test_a_tariff_that_waits_already_is_not_written_again(root):
    books = Books()
    put(root, "tariff.json", NEXT, books)
    assert put(root, "tariff.json", NEXT, books) == results.ALREADY


def test_another_tariff_may_come_while_one_waits_and_leaves_it_waiting(root):
    books = Books()
    put(root, "tariff.json", NEXT, books)
    put(root, "tariff.json", {"name": "Now", "currency": "EUR", "price": "1"}, books)
    assert (books.tariff.name, books.later.name) == ("Now", "Next")
    _, rates, later, _, _ = load.read(str(root))
    assert (rates.name, later.name) == ("Now", "Next")


def test_after_one_that_waited_has_come_in_force_another_takes_over_from_it(root):
    books = Books()
    put(root, "tariff.json", NEXT, books)
    books.tariff, books.later, books.now_minute = books.later, None, NEW_YEAR
    put(root, "tariff.json", {"name": "Newest", "currency": "EUR", "price": "1"}, books)
    _, rates, later, _, _ = load.read(str(root))
    assert (rates.name, later) == ("Newest", None)
    assert json.loads(content(root, "tariff.old"))["name"] == "Next"


def test_what_is_in_force_already_is_not_written_again(root):
    books = Books()
    assert put(root, "tariff.json", content(root, "tariff.json"), books) == results.ALREADY
    assert content(root, "tariff.old") is None and books.logged == [] and books.puts == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"relay_pulse_ms": 90}, {"phases": 3}, {"provisioned": True}, {"phases": 3, "three_wire": True},
        {"max_a": 100}, {"nominal_v": 120}, {"hz": 60},
    ],
    ids=lambda c: next(reversed(c)),
)  # fmt: skip
def test_what_parts_were_started_with_needs_a_restart(root, changes):
    books = Books()
    assert put(root, "settings.json", settings(**changes), books) == results.WITH_START
    cfg, fresh = books.cfg, parse.settings(settings())
    for name in ("phases", "three_wire", "current_scale", "u_input_v"):
        assert getattr(cfg, name) == getattr(fresh, name), "until then, all keeps to how the parts were started"


def test_a_provisioned_meter_stays_one(root):
    books = Books()
    books.cfg.provisioned = True
    with pytest.raises(ConfigError, match="provisioned: must stay true"):
        put(root, "settings.json", settings(), books)


def test_a_document_longer_than_3_kib_is_refused(root):
    with pytest.raises(ConfigError, match="longer than 3072 bytes"):
        put(root, "tariff.json", b" " * 3073)


@pytest.mark.parametrize("doc", [b"", b"{", b"[]", b"null", b'"x"', b'{"name": 1}', b"\xff\xfe"])
@pytest.mark.parametrize("name", ["settings.json", "tariff.json"])
def test_a_refused_document_changes_nothing_and_is_logged(root, name, doc):
    books = Books()
    before = {p.name: p.read_bytes() for p in root.iterdir()}
    with pytest.raises(ConfigError):
        put(root, name, doc, books)
    assert {p.name: p.read_bytes() for p in root.iterdir()} == before
    assert [code for code, _ in books.logged] == [codes.LOG_DOCUMENT_REFUSED] and books.puts == 0


def test_a_document_that_cannot_be_stored_is_not_put_in_force(root, monkeypatch):
    books = Books()
    monkeypatch.setattr(files.os, "rename", lambda a, b: (_ for _ in ()).throw(OSError(28)))
    with pytest.raises(StorageError):
        put(root, "tariff.json", {"name": "x", "currency": "EUR", "price": "1"}, books)
    assert books.puts == 0 and books.logged == [(codes.LOG_DOCUMENT_TAKEN, codes.BY_NETWORK)]


def test_a_meter_that_has_lost_its_settings_takes_new_ones(root):
    (root / "settings.json").write_bytes(b"{")
    books = Books()
    books.cfg = config.Settings()
    assert put(root, "settings.json", settings(), books) == results.WITH_START
    assert books.cfg.meter_number == settings()["meter_number"]
    assert content(root, "settings.bad") == b"{"
