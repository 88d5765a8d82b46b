# SPDX-License-Identifier: Apache-2.0
"""What the Markdown files name is there: links, sections, paths, commands with their options, examples, words."""

import ast
import json
import re
import shlex
from types import SimpleNamespace

import pytest
from meter.core import energy, rates
from meter.core.errors import ConfigError
from meter.documents import parse, settings_doc, tariff_doc
from meter.tasks import TASKS

from host_tests.unit.house import commands
from host_tests.unit.house.markdown import (
    BASES,
    ROOT,
    anchors,
    asked_of_make,
    blocks,
    links,
    made,
    name_of,
    pages,
    paths,
    shell,
    spans,
    variables,
)
from host_tests.unit.house.test_layout import MAY_ENTER, MAY_LOAD

every = pytest.mark.parametrize("path", pages(), ids=name_of)
TOPS = ("firmware", "boards", "scripts", "host_tests", ".ci")
# What was: it names files and commands as they were called then.
PAST = {"CHANGELOG.md"}
# Files of a meter, a reader or another project, not of the repository.
ELSEWHERE = set(
    "settings.json meters.csv calibration.json tariff.json keys.json file.csv file.json a.json b.json requirements.txt "
    "later.json label.svg aside.json net/ ./install.sh ./export.sh make-pins.py manifestfile.py".split()
)
OUTSIDE = re.compile(r"build/|\.\./|ports/esp32|esp-idf|/path/to/|~|/\w+\.(?:json|pwb|key|bin)$|SDA|N/A|[\d./]+$|UTC")
# What shell blocks may call besides make and our own tools: each is another project's.
FOREIGN = {"git", "cd", "espefuse", "espsecure", "esptool"}
SHORT = {"vend": "scripts.vend", "provision": "scripts.provision", "calibrate": "scripts.calibrate"}
PYTHON = "build/venv/bin/python -m "


# -- links and paths --------------------------------------------------------------------------------------------------


@every
def test_every_link_leads_to_what_it_says(path):
    for label, target in links(path.read_text()):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target
        if label.startswith("`"):
            said, full = label.strip("`").rstrip("/"), there.resolve()
            assert full.as_posix().endswith(said) or full.parent.as_posix().endswith(said), target


@every
def test_every_path_is_there(path):
    if name_of(path) in PAST:
        return
    text = path.read_text()
    linked = {label.strip("`") for label, _ in links(text)}
    files = {p.name for top in TOPS for p in (ROOT / top).rglob("*.*")} | {p.name for p in ROOT.iterdir()}
    for named in paths(text) - linked - ELSEWHERE:
        if OUTSIDE.match(named):
            continue
        bases = [path.parent, *(ROOT / base for base in BASES)]
        assert named in files or any((base / named).exists() for base in bases), named


# -- commands ---------------------------------------------------------------------------------------------------------


@every
def test_every_command_of_make_is_one_and_its_tool_takes_it(path):
    for line in made(path.read_text()):
        words = shlex.split(line)[1:]
        targets = [word for word in words if "=" not in word and word != "…"]
        assert targets, line
        given = {word.partition("=")[0] for word in words if "=" in word}
        assert given <= set().union(*map(variables, targets)), line
        if not given or name_of(path) in PAST:
            continue  # named, and no example of how it is called
        for module, *rest in asked_of_make(line):
            assert not (why := commands.refused(module, tuple(rest), "…" not in line)), f"{line}: {why}"


@every
def test_every_other_command_is_a_tools_of_ours_or_known_to_be_anothers(path):
    text = path.read_text()
    for line in [*shell(text), *(span for span in spans(text) if span.startswith("build/venv/bin/"))]:
        if line.startswith(PYTHON):
            module, *rest = shlex.split(line.removeprefix(PYTHON))
            if module != "pytest":
                assert not (why := commands.refused(module, tuple(rest))), f"{line}: {why}"
        elif not line.startswith(("make ", "build/venv/bin/pip install -r ")):
            assert line.split()[0] in FOREIGN, line


@every
def test_every_command_named_in_the_text_is_one_of_its_tool(path):
    for span in spans(path.read_text()):
        name, _, rest = span.partition(" ")
        if name in SHORT and rest:
            words = tuple(word for word in shlex.split(rest) if word != "…")
            assert not (why := commands.refused(SHORT[name], words, whole=False)), f"{span}: {why}"


@pytest.mark.parametrize("name", ["vend", "provision", "calibrate", "flash", "bundle"])
def test_every_option_named_in_a_tools_readme_is_one_of_its_own(name):
    text = (ROOT / "scripts" / name / "README.md").read_text()
    named = {word for span in spans(text) if " " not in span for word in re.findall(r"^--[a-z-]+$", span)}
    assert named <= commands.options(f"scripts.{name}")


# -- examples ---------------------------------------------------------------------------------------------------------


def taken(doc):
    """A document as the meter takes it. Which kind it is, is told by a key it must have."""
    if "serial" in doc or "card_key" in doc:
        raise AssertionError("no check for an example of this document yet")
    return parse.settings(doc) if "meter_number" in doc else parse.tariff(doc)


@every
def test_every_example_in_json_is_a_document_a_meter_takes(path):
    for block in blocks("json", path.read_text()):
        taken(json.loads(block))


TARIFFS = (ROOT / "firmware/meter/documents/TARIFF.md").read_text()


def table(text: str, name: str) -> list[list[str]]:
    """The rows of the table between the marks of this name, without its head."""
    inside = text.partition(f"<!-- {name}:begin -->\n")[2].partition(f"<!-- {name}:end -->")[0]
    assert inside, f"no table {name}"
    return [[cell.strip() for cell in re.split(r"(?<= )\|(?= )", line.strip("|"))] for line in inside.splitlines()[2:]]


def test_the_ordinary_tariff_has_the_rates_its_text_says():
    parsed = parse.tariff(json.loads(blocks("json", TARIFFS)[0]))
    monday_in_june, christmas_friday = (2026, 6, 15, 0, 18 * 60), (2026, 12, 25, 4, 18 * 60)
    assert parsed.rate_names[rates.rate_at(parsed, *monday_in_june)] == "peak"
    assert parsed.rate_names[rates.rate_at(parsed, *christmas_friday)] == "weekend"


def test_steps_cost_what_their_text_says():
    """The 101st kWh of a month costs 0.05 more, the 301st 0.15."""
    parsed = parse.tariff(json.loads(blocks("json", TARIFFS)[2]))

    def more(kwh):
        used = SimpleNamespace(import_counts=kwh * energy.COUNTS_PER_KWH, month_counts=0)
        return rates.price(used, 0, parsed.steps)

    assert [more(kwh) for kwh in (99, 100, 299, 300)] == [0, 50_000, 50_000, 150_000]


@pytest.mark.parametrize("change, said", table(TARIFFS, "refused"))
def test_a_tariff_with_a_mistake_is_refused_in_these_words(change, said):
    doc = {**json.loads(blocks("json", TARIFFS)[0]), **json.loads(change.strip("`"))}
    with pytest.raises(ConfigError) as refusal:
        parse.tariff(doc)
    assert str(refusal.value) == said


# -- tables that say what the code says -------------------------------------------------------------------------------


def test_the_settings_named_are_all_there_are_and_have_these_defaults():
    rows = table((ROOT / "firmware/meter/documents/SETTINGS.md").read_text(), "settings")
    given = {key.strip("`"): json.loads(default.strip("`")) for key, default, _ in rows if default}
    plain = parse.settings({"meter_number": "1"})
    with_all = parse.settings({"meter_number": "1", **given})
    assert vars(plain) == vars(with_all)
    known = {row[0] for row in settings_doc._WHOLES + settings_doc._AMOUNTS}
    known.update(settings_doc._FLAGS + settings_doc._OTHERS)
    assert known == {key.strip("`") for key, *_ in rows}


def test_the_keys_of_a_tariff_named_are_all_there_are():
    assert {key.strip("`") for key, _ in table(TARIFFS, "keys")} == {*tariff_doc._ALWAYS, *tariff_doc._KEYS}


ARCHITECTURE = (ROOT / "firmware/ARCHITECTURE.md").read_text()


def test_every_room_of_the_meter_is_described_and_no_other_with_whom_it_may_enter():
    described = {room.strip("`"): set(re.findall(r"\w+", may)) for room, _, may in table(ARCHITECTURE, "rooms")}
    rooms = {p.name for p in (ROOT / "firmware/meter").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    loads = {room for room in rooms if any(name.startswith(f"meter/{room}/") for name in MAY_LOAD)}
    assert described == {room: MAY_ENTER[room] | ({"loader"} if room in loads else set()) for room in rooms}


def test_every_task_is_described_as_the_table_has_it_and_is_started():
    described = {
        (name, owns, int(silent.removesuffix(" s")) * 1000, critical == "yes")
        for name, _, owns, silent, critical in table(ARCHITECTURE, "tasks")
    }
    assert described == set(TASKS)
    calls = [
        ast.literal_eval(node.args[1])
        for file in (ROOT / "firmware/meter").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "tasks.start"
    ]
    assert sorted(calls) == sorted(task[0] for task in TASKS)


# -- words ------------------------------------------------------------------------------------------------------------

# [a]new and not the word: so that this file passes its own test.
WORDS = re.compile(
    r"\b(?:[a]new|[Ww]ho(?:m|)ever|[Ss]o many|becomes [o]f)\b|\"\"\"[G]ives\b|^\s*[G]ives\b|[.;] [Gg]ives\b"
)
# Still to be put into plain English. This list only ever gets shorter.
TO_DO: set[str] = set()


def worded() -> list:
    files = [p for top in TOPS for p in (ROOT / top).rglob("*") if p.suffix in (".py", ".js", ".html", ".h", ".cmake")]
    return [*files, *pages(), *ROOT.glob("*.in"), ROOT / "Makefile", ROOT / ".ci/run"]


def test_what_is_written_is_plain_english():
    found, done = [], set(TO_DO)
    for path in worded():
        name = name_of(path)
        hits = [
            f"{name}:{n}: {line.strip()[:90]}"
            for n, line in enumerate(path.read_text().splitlines(), 1)
            if WORDS.search(line)
        ]
        if name in TO_DO:
            done -= {name} if hits else set()
        else:
            found += hits
    assert found == []
    assert not done, "these are done: take them off the list"


@pytest.mark.parametrize("word", ["[a]new", "[W]hoever", "[s]o many", '"""[G]ives', "; [g]ives"])
def test_the_search_for_such_words_finds_them(word):
    assert WORDS.search(f"x {word.replace('[', '').replace(']', '')} y")
