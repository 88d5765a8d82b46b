# SPDX-License-Identifier: Apache-2.0
"""What the README names is there: its example parses, its paths and commands exist, its packages are the pinned."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from meter.core import rates
from meter.documents import parse

from host_tests.bench.cards.deck import Deck

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
ENDINGS = ("csv", "html", "in", "js", "json", "md", "png", "py", "sh", "toml", "txt")
# Files of a meter or of the reader, not of the repository.
ELSEWHERE = {"settings.json", "meters.csv", "calibration.json", "tariff.json", "keys.json", "file.csv", "file.json"}


@cache
def text() -> str:
    return README.read_text()


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text(), re.M | re.S)
    assert found, f"there is no section {title!r}"
    return found[1]


def blocks(language: str, among: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", among, re.M | re.S)


def code() -> list[str]:
    """What stands in backticks, and the lines of shell blocks."""
    prose = re.sub(r"^```.*?^```$", "", text(), flags=re.M | re.S)
    return re.findall(r"`([^`\n]+)`", prose) + "".join(blocks("sh", text())).splitlines()


def paths() -> set[str]:
    """Words of the code that are paths: with a slash, or a file name with a known ending."""
    words = {word.strip("\"'") for span in code() for word in re.split(r"[\s=]+", span)}
    shaped = re.compile(rf"[\w.-]+(?:/[\w.-]+)+/?|[\w.-]+/|[\w-]+\.(?:{'|'.join(ENDINGS)})")
    return {word for word in words if shaped.fullmatch(word)} - ELSEWHERE


def links() -> list[tuple[str, str]]:
    """(label, target) of every link and picture that does not leave the repository."""
    found = re.findall(r"\[([^\]\n]*)\]\(([^)\s]+)\)", text())
    return [(label, target) for label, target in found if "://" not in target and not target.startswith("#")]


def tree() -> list[str]:
    """The paths of the layout block, each with its parent's in front: names first, words from column 29 on."""
    found, parent = [], ""
    for line in blocks("", section("Layout"))[0].splitlines():
        names = line[:29].split()
        if line.startswith(" "):
            names = [parent + name for name in names]
        else:
            parent = names[0]
        found += names
    return found


def asked_for() -> set[str]:
    """The packages of requirements.in and scripts/lock/*.in."""
    lines = [
        line.split("#")[0].strip()
        for path in (ROOT / "requirements.in", *sorted((ROOT / "scripts/lock").glob("*.in")))
        for line in path.read_text().splitlines()
    ]
    return {re.match(r"[\w.-]+", line)[0].lower() for line in lines if line and not line.startswith("-")}


def test_the_example_of_a_tariff_is_one():
    parsed = parse.tariff(json.loads(blocks("json", section("Tariff document"))[0]))
    assert parsed.rate_names == ("night", "day", "peak", "weekend")
    monday_evening = (2026, 6, 15, 0, 18 * 60)
    christmas_friday = (2026, 12, 25, 4, 18 * 60)
    assert parsed.rate_names[rates.rate_at(parsed, *monday_evening)] == "peak"
    assert parsed.rate_names[rates.rate_at(parsed, *christmas_friday)] == "weekend"


def test_every_path_is_there():
    repository = [p for p in ROOT.rglob("*.*") if "build" not in p.relative_to(ROOT).parts]
    names = {p.name for p in repository}
    linked = {label.strip("`") for label, _ in links()}
    assert len(paths()) > 10
    for path in paths() - linked:
        if path.startswith("build/"):  # made by make
            continue
        assert (ROOT / path).exists() if "/" in path else path in names, path


@pytest.mark.parametrize("label, target", links(), ids=[target for _, target in links()])
def test_every_link_leads_to_what_it_says(label, target):
    assert (ROOT / target).exists(), target
    if label.startswith("`"):
        assert target.endswith(label.strip("`"))


def test_every_section_linked_to_is_there():
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text(), flags=re.M | re.S), re.M)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(#([^)]+)\)", text()):
        assert target in anchors


def test_the_layout_is_that_of_the_repository():
    assert len(tree()) > 10
    for path in tree():
        assert (ROOT / path).exists(), path
        assert (ROOT / path).is_dir() == path.endswith("/"), path


def test_every_command_is_a_target_of_the_makefile():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    commands = {name for span in code() for name in re.findall(r"\bmake ([a-z][a-z-]*)", span)}
    assert {"sim", "test", "replay"} <= commands
    assert commands <= targets


def test_every_variable_of_a_command_is_one_of_the_makefile():
    known = set(re.findall(r"\$\((?:if \$\()?([A-Z_]+)\)", (ROOT / "Makefile").read_text()))
    given = {name for span in code() if span.startswith("make ") for name in re.findall(r"\b([A-Z]+)=", span)}
    assert given and given <= known


def test_every_card_and_pane_to_try_is_on_the_page():
    labels = {entry.label for entry in Deck("PW00000001").cards}
    panes = set(re.findall(r'role="tab"[^>]*>(\w+)', (ROOT / "host_tests/bench/web/index.html").read_text()))
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", section("Try it")))
    assert named and named <= labels | panes


def test_every_package_has_its_reason_and_no_other_is_named():
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| (.*) \|$", section("What it is built with"), re.M))
    assert set(rows) == asked_for()
    assert all(len(reason.split()) >= 3 for reason in rows.values())


def test_the_figures_have_their_place():
    parts = re.split(r"^(<!-- measures:(?:begin|end) -->)$", section("Numbers"), flags=re.M)
    assert parts[1::2] == ["<!-- measures:begin -->", "<!-- measures:end -->"]
    assert parts[2].startswith("\n| what | measured | bar |\n")
