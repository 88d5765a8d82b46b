# SPDX-License-Identifier: Apache-2.0
"""The wiring table, as Markdown, and its place in a file between two marks."""

from .boards import Board, WiringError
from .parts import Part, bus_wires, parts

BEGIN, END = "<!-- wiring:begin -->", "<!-- wiring:end -->"


def rows(board: Board) -> list[tuple[str, str, str, str]]:
    """(part, its pin, where it goes, what to mind). A line that parts share is there once, after the last of them."""
    bus = bus_wires(board)
    all_parts = parts(board)
    sharing = [part for part in all_parts if part.wires == bus]
    found = []
    for part in all_parts:
        if part.mind:  # else the line of its only wire says it
            found.append(_supply(part))
        if part is sharing[-1]:
            who = ", ".join(p.title.split()[0].lower() if p.title[1].islower() else p.title.split()[0] for p in sharing)
            found += [(who[0].upper() + who[1:], *_wire(board, wire)) for wire in bus]
        elif part not in sharing:
            found += [(part.title, *_wire(board, wire)) for wire in part.wires]
    return found


def _wire(board, wire):
    return wire.pin, f"GPIO {board.constants[wire.constant]}", wire.mind


def _supply(part: Part):
    pins = " · ".join(pin for pin, _ in part.supply)
    return f"**{part.title}**, {part.kind}", pins, " · ".join(to for _, to in part.supply), part.mind


def table(board: Board) -> str:
    lines = ["| part | its pin | ESP32 | what to mind |", "|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows(board)]) + "\n"


def placed(text: str, board: Board, where: str) -> str:
    """text with the table between its marks. Raises WiringError where they are not there, or not once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise WiringError(f"{where} has no place for the wiring table. Put {BEGIN} and {END} on lines of their own.")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(board)}{END}{rest.partition(END)[2]}"
