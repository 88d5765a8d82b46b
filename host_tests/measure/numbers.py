# SPDX-License-Identifier: Apache-2.0
"""NUMBERS.md, written from the rows of `make measures`, and the five of them that the README shows."""

from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = Path(__file__).with_name("NUMBERS.md")
README = ROOT / "README.md"
BEGIN, END = "<!-- five:begin -->", "<!-- five:end -->"
HEAD = "| what | measured | bar |\n|---|---|---|\n"
# What the README calls it: the row it shows (its `what`).
FIVE = {
    "heap free while metering, of 112 KiB, at the worst moment": "heap free at the worst moment, metering",
    "power on to first second booked, modelled": "modelled: power on to first measurement booked",
    "card with a purchase to the new balance, modelled":
        "modelled: card in to answer, a new purchase, worst of 10 moments",
    "overload: hold expired to the relay's pulse, modelled": "modelled: overload, hold expired to coil pulse",
    "money: a recorded household's cost less an oracle's, on three interpreters":
        "cost less the oracle's, on i386, amd64, CPython",
}  # fmt: skip
ABOUT = """\
# Numbers

Written by `make measures ARGS=--write` on {day}: do not edit. Each row is measured on the
[bench](../bench/README.md) and has the bar it must meet, if it has one; a bar that is missed says so, and fails
`make measures`.

- Times of the meter are bus, air and waiting time alone ("without computing"), or **modelled**: with what an ESP32's
  computing takes by the [table of costs](../bench/README.md#what-computing-takes). None was taken from a board.
- Heap is what is free at the worst moment, looked at with each request and each module loaded, after a collection: one
  row a kind of visit, one run each.
- The tick in bare loops is processor time of the interpreter with its system calls, least and median of twenty turns;
  CI fails above 5 and not above the aim of 4.

"""


def table(rows) -> str:
    """The rows of measures.py as Markdown."""
    lines = [f"| {r.what} | {r.value} | {r.bar}{f' ({r.verdict})' if r.met is False else ''} |\n" for r in rows]
    return HEAD + "".join(lines)


def page(rows, day: date) -> str:
    """NUMBERS.md of these rows."""
    return ABOUT.format(day=day.isoformat()) + table(rows)


def read(text: str) -> dict[str, tuple[str, str]]:
    """Return what is in the table of NUMBERS.md: what -> (measured, bar)."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.partition(HEAD)[2].splitlines()]
    return {what: (measured, bar) for what, measured, bar in cells}


def five(numbers: str) -> str:
    """Return the README's table. Raise KeyError when NUMBERS.md has not the rows it shows."""
    rows = read(numbers)
    return HEAD + "".join(f"| {name} | {rows[what][0]} | {rows[what][1]} |\n" for name, what in FIVE.items())


def placed(readme: str, numbers: str) -> str:
    """Return the README with the five numbers of NUMBERS.md in their place."""
    head, rest = readme.split(BEGIN)
    return f"{head}{BEGIN}\n{five(numbers)}{END}{rest.split(END)[1]}"


def write(rows, day: date) -> None:
    """Write NUMBERS.md, and the README's five."""
    text = page(rows, day)
    readme = placed(README.read_text(), text)
    NUMBERS.write_text(text)
    README.write_text(readme)
