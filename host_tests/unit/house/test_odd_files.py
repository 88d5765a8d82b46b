# SPDX-License-Identifier: Apache-2.0
"""One table: files as careless people hand them over, each to every tool that reads such files.

Every cell says the same: exit code 1 or 2, one sentence that names the file, no traceback, nothing written.
"""

import os
import signal
import sys
from pathlib import Path

import pytest
import typer

TOO_LONG = 1 << 29  # sparse on disk: no tool may begin to read it


def fifo(path):
    os.mkfifo(path)


def sparse(path):
    with open(path, "wb") as f:
        f.truncate(TOO_LONG)


# What is at the place, as bytes or as what makes it.
ANY = {
    "missing": None,
    "a folder": Path.mkdir,
    "a pipe": fifo,
    "too long": sparse,
    "empty": b"",
    "blank": b" \r\n\t\n",
    "zeros": bytes(300),
    "binary": bytes(range(256)) * 8,
}
TEXT = {
    "UTF-16": '{"a": 1}\n'.encode("utf-16"),
    "UTF-16, no mark": '{"a": 1}\n'.encode("utf-16-be"),
    "Latin-1": '{"a": "Zähler"}\n'.encode("latin-1"),
    "a page": b"<!doctype html>\n<title>404</title>\n",
}
JSON = {
    "cut short": b'{"meter_number": "1", "pha',
    "an array": b"[1, 2, 3]",
    "a text": b'"settings"',
    "null": b"null",
    "an object of nothing": b"{}",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "huge exponent": b'{"a": 1e999999}',
    "huge exponent in a text": b'{"name": "one", "currency": "EUR", "price": "1e999999"}',
    "long number": b'{"a": ' + b"9" * 6000 + b"}",
    "deep arrays": b'{"a": ' + b"[" * 200_000,
    "deep objects": b'{"a": ' * 200_000,
    "a key twice": b'{"name": "one", "name": "two", "currency": "EUR", "price": "0.25"}',
    "lone surrogate": b'{"name": "\\ud800", "currency": "EUR", "price": "0.25"}',
    "lone surrogate in a key": b'{"\\ud800": 1}',
    "Arabic digits": '{"a": \u0661\u0662}'.encode(),
    "Arabic digits in a text": '{"name": "one", "currency": "EUR", "price": "\u0661"}'.encode(),
    "1_0": b'{"a": 1_0}',
    "two objects": b'{"a": 1}\n{"a": 2}\n',
    "comments": b'{"a": 1} // one\n',
    "single quotes": b"{'a': 1}",
    "another tool's": b'{"format": "other", "version": 1}',
}
CSV = {
    "head only": b"number\n",
    "no such column": b"nummer,x\n1,2\n",
    "a column twice": b"number,number\n1,2\n",
    "semicolons": b"number;phases\n1;3\n",
    "tabs": b"number\tphases\n1\t3\n",
    "an open quotation mark": b'number\n"1\n2\n',
    "a nul": b"number\n1\0\n",
    "JSON": b'{"a": 1}\n',
}

PROVISION = ("provision", "meter", "7", "--documents", "made")
VEND = ("--keys", "demo", "--card", "sim:blank.json")
# Tool and its words; FILE is the odd file. Those of JSON, of CSV, and of bytes.
READS_JSON = {
    "provision --settings": (*PROVISION, "--demo", "--settings", "FILE"),
    "provision --tariff": (*PROVISION, "--demo", "--tariff", "FILE"),
    "provision --keys": (*PROVISION, "--tariff", "tariff.json", "--trust", "trust.key", "--keys", "FILE"),
    "image settings": ("image", "--out", "made", "settings.json=FILE"),
    "image tariff": ("image", "--out", "made", "tariff.json=FILE"),
    "image later": ("image", "--out", "made", "later.json=FILE"),
    "image calibration": ("image", "--out", "made", "calibration.json=FILE"),
    "image keys": ("image", "--out", "made", "keys.json=FILE"),
    "image --key": ("image", "--out", "made", "--key", "FILE"),
    "flash image": ("flash", "image", "--firmware", "mp.bin", "--any-image", "--out", "made", "tariff.json=FILE"),
    "bundle --key": ("bundle", "build", "--version", "1.0.0", "--out", "made", "--key", "FILE"),
    "calibrate show": ("calibrate", "show", "FILE"),
    "calibrate verify": ("calibrate", "verify", "--sim", "FILE"),
    "calibrate seal": ("calibrate", "seal", "FILE"),
    "calibrate upload": ("calibrate", "upload", "FILE", "--port", "/dev/null"),
    "calibrate words": ("calibrate", "words", "31=6B2A", "--meter", "1", "--ic", "atm90e26", "--out", "FILE"),
    "calibrate run": ("calibrate", "run", "--sim", "--meter", "1", "--only", "A", "--out", "FILE"),
    "vend preset settings": ("vend", "preset", "settings", "FILE", *VEND),
    "vend preset tariff": ("vend", "preset", "tariff", "FILE", *VEND),
    "vend --keys": ("vend", "read", "--keys", "FILE", "--card", "sim:blank.json"),
    "vend --card": ("vend", "read", "--keys", "demo", "--card", "sim:FILE"),
    "sim --card": ("sim", "--port", "0", "--card", "FILE"),
    "replay --tariff": ("replay", "trace.csv", "--tariff", "FILE", "--quiet"),
}
READS_CSV = {
    "provision batch": ("provision", "batch", "FILE", "--out", "made", "--demo"),
    "replay": ("replay", "FILE", "--quiet"),
}
READS_BYTES = {
    "image --trust": ("image", "--out", "made", "trust.key=FILE"),
    "provision --trust": (*PROVISION, "--demo", "--trust", "FILE"),
    "bundle show": ("bundle", "show", "FILE"),
    "bundle show --public": ("bundle", "show", "some.pwb", "--public", "FILE"),
    "flash --bundle": ("flash", "deploy", "--port", "/dev/null", "--bundle", "FILE"),
    "flash --firmware": ("flash", "image", "--any-image", "--firmware", "FILE", "--out", "made"),
}
# Where there is nothing yet, these make a file.
MAKES = {("missing", name) for name in ("calibrate words", "calibrate run", "vend --card")}
# Settings that say nothing are a template that leaves all as the meter has it.
FINE = MAKES | {("an object of nothing", "provision --settings")}


def entry(tool):
    """What `python -m` of a tool calls."""
    from host_tests.bench.page import sim
    from host_tests.years import replay
    from scripts.bundle import cli as bundle
    from scripts.calibrate import cli as calibrate
    from scripts.flash import cli as flash
    from scripts.image import image
    from scripts.provision import cli as provision
    from scripts.vend import cli as vend

    return {
        "bundle": bundle.app, "calibrate": calibrate.app, "flash": flash.app, "image": image.cli,
        "provision": provision.app, "replay": lambda: typer.run(replay.main), "sim": lambda: typer.run(sim.main),
        "vend": vend.app,
    }[tool]  # fmt: skip


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A folder with what the tools need besides."""
    monkeypatch.chdir(tmp_path)
    for name in ("PENNYWATT_PASSPHRASE", "PENNYWATT_BUNDLE_PASSPHRASE"):
        monkeypatch.setenv(name, "correct horse")
    Path("tariff.json").write_text('{"name": "one", "currency": "EUR", "price": "0.25"}')
    Path("trust.key").write_bytes(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    Path("some.pwb").write_bytes(b"PWB1")
    Path("mp.bin").write_bytes(bytes((0xE9, *bytes(4000))))
    Path("trace.csv").write_text(
        "local_time,active_kw,reactive_kvar,voltage_v,current_a\n2026-06-01T00:00:00,1,0,230,4.3\n"
        "2026-06-01T00:01:00,1,0,230,4.3\n"
    )

    def hangs(*_):
        raise TimeoutError("the tool waits for something")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(content) -> None:
    if callable(content):
        content(Path("odd.file"))
    elif content is not None:
        Path("odd.file").write_bytes(content)


def there():
    """What is in the folder, but for journals, which note that a counter was opened."""
    found = {}
    for path in sorted(Path().rglob("*")):
        if ".sqlite" not in path.name:
            small = path.is_file() and path.stat().st_size < 1 << 20
            found[str(path)] = path.read_bytes() if small else path.lstat().st_mode
    return found


def run(monkeypatch, capsys, words):
    """(exit code, what it said on standard error)"""
    monkeypatch.setattr(sys, "argv", [words[0], *(word.replace("FILE", "odd.file") for word in words[1:])])
    with pytest.raises(SystemExit) as done:
        entry(words[0])()
    return done.value.code, capsys.readouterr().err


def table(tools, files):
    return [
        pytest.param(words, content, id=f"{tool}: {file}")
        for tool, words in tools.items()
        for file, content in files.items()
        if (file, tool) not in FINE
    ]


@pytest.mark.parametrize(
    ("words", "content"),
    table(READS_JSON, {**ANY, **TEXT, **JSON})
    + table(READS_CSV, {**ANY, **TEXT, **CSV})
    + table(READS_BYTES, {**ANY, **TEXT}),
)
def test_a_file_that_is_not_fit_is_named_in_one_sentence_and_nothing_is_written(monkeypatch, capsys, words, content):
    put(content)
    before = there()
    code, said = run(monkeypatch, capsys, words)
    assert code in (1, 2), said
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith(f"{words[0]}: ") and "odd.file" in lines[0], said
    assert there() == before


# -- a byte order mark is taken, by all of them -------------------------------------------------------

BOM = b"\xef\xbb\xbf"
SETTINGS = b'{"meter_number": "7", "phases": 3}'
TARIFF = b'{"name": "one", "currency": "EUR", "price": "0.25"}'


@pytest.mark.parametrize(
    ("words", "content"),
    [
        pytest.param(READS_JSON["provision --settings"], SETTINGS, id="provision --settings"),
        pytest.param(READS_JSON["provision --tariff"], TARIFF, id="provision --tariff"),
        pytest.param(READS_JSON["image settings"], SETTINGS, id="image settings"),
        pytest.param(READS_JSON["image tariff"], TARIFF, id="image tariff"),
        pytest.param(READS_JSON["vend preset settings"], SETTINGS, id="vend preset settings"),
        pytest.param(READS_JSON["vend preset tariff"], TARIFF, id="vend preset tariff"),
        pytest.param(READS_CSV["provision batch"], b"number\n7\n", id="provision batch"),
    ],
)
def test_a_byte_order_mark_is_taken_and_goes_no_further(monkeypatch, capsys, words, content):
    Path("odd.file").write_bytes(BOM + content)
    monkeypatch.setattr(sys, "argv", [words[0], *(word.replace("FILE", "odd.file") for word in words[1:])])
    try:
        entry(words[0])()
    except SystemExit as done:
        assert not done.code, capsys.readouterr().err
    made = [path for path in Path().rglob("*") if path.is_file() and path.name != "odd.file"]
    assert not any(BOM in path.read_bytes() or BOM.hex() in path.read_text("latin-1") for path in made)
