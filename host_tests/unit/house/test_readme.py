# SPDX-License-Identifier: Apache-2.0
"""The README is a door: small, and what it shows of other places is what they say."""

import re

from host_tests.bench.cards.deck import Deck
from host_tests.measure import numbers
from host_tests.unit.house.markdown import ROOT, links, made, pages

README = ROOT / "README.md"
MOST = 8 * 1024


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"there is no section {title!r}"
    return found[1]


def asked_for() -> set[str]:
    """The packages of requirements.in and scripts/lock/*.in."""
    lines = [
        line.split("#")[0].strip()
        for path in (ROOT / "requirements.in", *sorted((ROOT / "scripts/lock").glob("*.in")))
        for line in path.read_text().splitlines()
    ]
    return {re.match(r"[\w.-]+", line)[0].lower() for line in lines if line and not line.startswith("-")}


def test_it_is_a_door_and_not_the_house():
    assert len(README.read_bytes()) <= MOST


def test_it_begins_with_the_two_commands_and_a_picture():
    text = README.read_text()
    first = [line.split("#")[0].strip() for line in made(section(text, "Start"))]
    assert first[:2] == ["make sim", "make test"]
    assert "screenshot.png" in text.partition("## Start")[0]


def test_its_five_numbers_are_those_of_the_last_measures():
    text = README.read_text()
    assert numbers.placed(text, numbers.NUMBERS.read_text()) == text, "run make measures ARGS=--write"


def test_every_readme_and_guide_can_be_reached_from_it():
    """By links, over any number of pages."""
    seen, todo = set(), [README]
    while todo:
        page = todo.pop()
        if page not in seen:
            seen.add(page)
            there = [(page.parent / target.partition("#")[0]).resolve() for _, target in links(page.read_text())]
            todo += [path for path in there if path.suffix == ".md"]
    assert set(pages()) - seen == set()


def test_every_top_folder_is_named():
    tops = {p.name + "/" for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))}
    named = set(re.findall(r"^\| `([\w/]+)` \|", section(README.read_text(), "Where things are"), re.M))
    assert tops <= named and all((ROOT / name).is_dir() for name in named)


def test_every_card_and_pane_to_try_is_on_the_page():
    text = section((ROOT / "host_tests/bench/README.md").read_text(), "Try it")
    labels = {entry.label for entry in Deck("PW00000001").cards}
    panes = set(re.findall(r'role="tab"[^>]*>(\w+)', (ROOT / "host_tests/bench/web/index.html").read_text()))
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text))
    assert named and named <= labels | panes


def test_every_package_has_its_reason_and_no_other_is_named():
    text = (ROOT / "scripts/setup/README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| (.*) \|$", text, re.M))
    assert set(rows) == asked_for()
    assert all(len(reason.split()) >= 3 for reason in rows.values())
