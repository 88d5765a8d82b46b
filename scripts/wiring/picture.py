# SPDX-License-Identifier: Apache-2.0
"""The wiring picture, as SVG: the board in the middle, parts on both sides, a straight line for each wire.

Pins of the board are drawn where the part is, not where they are on somebody's board: those differ, the number printed
beside a pin does not. No fonts from elsewhere, nothing but shapes and text; light, and dark where the reader's is.
"""

from typing import NamedTuple
from xml.sax.saxutils import escape

from .boards import Board
from .parts import Part, bus_wires, parts

WIDTH = 900
PART_W, BOARD_W, MARGIN = 244, 138, 14
LEFT, RIGHT = MARGIN, WIDTH - MARGIN - PART_W
BOARD_X = (WIDTH - BOARD_W) // 2
HEAD, ROW, FOOT, GAP = 46, 26, 28, 12
TOP = 76
BUS_X = {"SDA": 322, "SCL": 346}  # of the shared bus
RAIL = {"5V": "r5", "3V3": "r3", "12V": "r12", "GND": "r0"}

STYLE = """
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Helvetica, Arial, sans-serif;
         font-size: 13px; fill: #1d2733; }
  .paper { fill: #fbfcfd; } .part { fill: #fff; stroke: #b7c1cc; stroke-width: 1.2; }
  .title { font-weight: 600; font-size: 14.5px; } .kind { font-size: 12px; fill: #55626f; }
  .pull { font-size: 11px; fill: #55626f; } .heading { font-weight: 600; font-size: 18px; }
  .danger { fill: #c22a25; font-weight: 600; }
  .wire { stroke-width: 3; fill: none; stroke-linecap: round; } .halo { stroke: #fbfcfd; stroke-width: 8; }
  .board { fill: #20303f; stroke: #0e1720; stroke-width: 1.5; } .can { fill: #aeb9c4; } .usb { fill: #c9d1d9; }
  .can-text { fill: #1d2733; font-weight: 600; font-size: 11px; }
  .number { fill: #fff; font-weight: 700; font-size: 15px; }
  .onboard { fill: #c8d3de; font-size: 11.5px; }
  .rail { font-weight: 600; font-size: 11.5px; fill: #fff; } .r5 { fill: #c62f2a; } .r3 { fill: #b75a00; }
  .r12 { fill: #7b2fb5; } .r0 { fill: #3b4650; }
  .shifter { fill: #fff3d1; stroke: #b98900; stroke-width: 1.2; } .shifter-text { font-size: 11.5px; fill: #5c4500; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .paper { fill: #0f151c; } .part { fill: #18212b; stroke: #4a5766; }
    .kind, .pull { fill: #a3b0bd; } .danger { fill: #ff8a84; } .halo { stroke: #0f151c; }
    .board { fill: #2c3f52; stroke: #5d7185; } .r0 { fill: #5b6975; }
    .can-text { fill: #1d2733; } .number { fill: #fff; } .onboard { fill: #c8d3de; } .rail { fill: #fff; }
    .shifter { fill: #3a3010; stroke: #d9a400; } .shifter-text { fill: #ffe29a; }
  }
"""


class Placed(NamedTuple):
    part: Part
    y: int

    @property
    def height(self) -> int:
        return HEAD + ROW * len(self.part.wires) + FOOT

    def row(self, n: int) -> int:
        return self.y + HEAD + ROW * n + ROW // 2


def picture(board: Board) -> str:
    """The whole file. The same board gives the same bytes."""
    placed, bottom = _place(board)
    height = bottom + MARGIN
    bus = bus_wires(board)
    shared = [p for p in placed if p.part.wires == bus]
    lines, pins, boxes = [], [], []
    for p in placed:
        boxes.append(_box(p))
        if p.part.wires != bus:
            for n, wire in enumerate(p.part.wires):
                edge = LEFT + PART_W if p.part.left else RIGHT
                end = BOARD_X if p.part.left else BOARD_X + BOARD_W
                lines.append(_line(edge, p.row(n), end, p.row(n), wire.colour))
                if wire.pull:
                    at = f'x="{(edge + end) / 2:g}" y="{p.row(n) - 5}" text-anchor="middle"'
                    lines.append(f'<text class="pull" {at}>10 kΩ to {wire.pull}</text>')
                pins.append(_pin(board.constants[wire.constant], p.part.left, p.row(n), wire.colour))
    for n, wire in enumerate(bus):
        x, first, last = BUS_X[wire.pin], shared[0].row(n), shared[-1].row(n)
        lines.append(_line(x, first, x, last, wire.colour))
        lines.append(_line(LEFT + PART_W, first, BOARD_X, first, wire.colour))
        lines += [_line(LEFT + PART_W, p.row(n), x, p.row(n), wire.colour) for p in shared[1:]]
        lines += [f'<circle cx="{x}" cy="{p.row(n)}" r="5" fill="{wire.colour}"/>' for p in shared]
        pins.append(_pin(board.constants[wire.constant], True, first, wire.colour))
    shifters = [_shifter(p) for p in placed if p.part.shifter]
    middle = _board(board, bottom)
    title = f"Wiring of {board.name}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" aria-label="{title}">',
            "<!-- SPDX-License-Identifier: Apache-2.0 -->",
            f"<!-- made from boards/{board.name}/board.py by python -m scripts.wiring; do not edit -->",
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}" rx="10"/>',
            *_heading(title),
            *lines,
            middle,
            *pins,
            *boxes,
            *shifters,
            "</svg>",
            "",
        ]
    )


def _place(board):
    placed, bottom = [], {True: TOP, False: TOP}
    for part in parts(board):
        p = Placed(part, bottom[part.left])
        placed.append(p)
        bottom[part.left] = p.y + p.height + GAP
    # What the shorter side has left goes between its parts.
    depth = max(bottom.values()) - GAP
    short = bottom[False] < bottom[True]
    mine = [p for p in placed if p.part.left != short]
    extra = (depth - (min(bottom.values()) - GAP)) // max(1, len(mine) - 1)
    stretched = [
        p._replace(y=p.y + extra * mine.index(p)) if p in mine else p  # the first stays on top
        for p in placed
    ]
    return stretched, depth


def _heading(title):
    yield f'<text class="heading" x="{LEFT}" y="32">{title}</text>'
    text = "White numbers: GPIOs, as printed on your board. All GND are one, but not across an isolator."
    yield f'<text class="kind" x="{WIDTH - MARGIN}" y="32" text-anchor="end">{text}</text>'
    words = "Metering IC and relay may carry mains voltage: then never connect USB without an isolator."
    yield f'<text class="danger" x="{LEFT}" y="56">{words}</text>'


def _line(x1, y1, x2, y2, colour):
    ends = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
    return f'<line class="wire halo" {ends}/><line class="wire" {ends} stroke="{colour}"/>'


def _box(p):
    x = LEFT if p.part.left else RIGHT
    edge, anchor, inner = (LEFT + PART_W, "end", -14) if p.part.left else (RIGHT, "start", 14)
    danger = ' class="kind danger"' if "mains" in p.part.kind else ' class="kind"'
    made = [
        f'<rect class="part" x="{x}" y="{p.y}" width="{PART_W}" height="{p.height}" rx="8"/>',
        f'<text class="title" x="{x + 12}" y="{p.y + 20}">{escape(p.part.title)}</text>',
        f'<text{danger} x="{x + 12}" y="{p.y + 37}">{escape(p.part.kind)}</text>',
    ]
    for n, wire in enumerate(p.part.wires):
        y = p.row(n)
        made.append(f'<circle cx="{edge}" cy="{y}" r="5" fill="{wire.colour}"/>')
        made.append(f'<text x="{edge + inner}" y="{y + 4.5}" text-anchor="{anchor}">{escape(wire.pin)}</text>')
    at, y = x + 12, p.y + p.height - 19
    for pin, rail in p.part.supply:
        if pin != rail:
            made.append(f'<text class="kind" x="{at}" y="{y + 12.5}">{escape(pin)}</text>')
            at += sum(8 if c.isupper() or c.isdigit() else 7 for c in pin) + 6  # wide, for whichever font there is
        made.append(_rail(at, y, rail))
        at += 8 * len(rail) + 22
    return "\n".join(made)


def _rail(x, y, rail):
    width = 8 * len(rail) + 10
    return (
        f'<rect class="{RAIL[rail]}" x="{x}" y="{y}" width="{width}" height="17" rx="8.5"/>'
        f'<text class="rail" x="{x + width / 2}" y="{y + 12.5}" text-anchor="middle">{rail}</text>'
    )


def _pin(number, left, y, colour):
    x, anchor, inner = (BOARD_X, "start", 13) if left else (BOARD_X + BOARD_W, "end", -13)
    return (
        f'<circle cx="{x}" cy="{y}" r="7" fill="{colour}" stroke="#fff" stroke-width="1.5"/>'
        f'<text class="number" x="{x + inner}" y="{y + 5.5}" text-anchor="{anchor}">{number}</text>'
    )


def _board(board, bottom):
    middle = WIDTH // 2
    made = [
        f'<rect class="board" x="{BOARD_X}" y="{TOP}" width="{BOARD_W}" height="{bottom - TOP}" rx="9"/>',
        f'<rect class="can" x="{middle - 33}" y="{TOP + 12}" width="66" height="84" rx="4"/>',
        f'<text class="can-text" x="{middle}" y="{TOP + 58}" text-anchor="middle">{board.chip.title}</text>',
        f'<rect class="usb" x="{middle - 20}" y="{bottom - 20}" width="40" height="26" rx="3"/>',
        f'<text class="onboard" x="{middle}" y="{bottom - 28}" text-anchor="middle">USB</text>',
    ]
    for n, rail in enumerate(("5V", "3V3", "GND")):
        width = 8 * len(rail) + 10
        made.append(_rail(middle - width / 2, TOP + 110 + 25 * n, rail))
    return "\n".join(made)


def _shifter(p):
    x, y = LEFT + PART_W + 14, p.row(0) - 17
    height = p.row(1) - p.row(0) + 34
    return (
        f'<rect class="shifter" x="{x}" y="{y}" width="38" height="{height}" rx="4"/>'
        f'<text class="shifter-text" x="{x + 19}" y="{y + height / 2 - 7}" text-anchor="middle">5 V</text>'
        f'<text class="shifter-text" x="{x + 19}" y="{y + height / 2 + 6}" text-anchor="middle">↔</text>'
        f'<text class="shifter-text" x="{x + 19}" y="{y + height / 2 + 19}" text-anchor="middle">3.3 V</text>'
        f'<text class="shifter-text" x="{x + 19}" y="{y - 6}" text-anchor="middle">level</text>'
        f'<text class="shifter-text" x="{x + 19}" y="{y + height + 13}" text-anchor="middle">shifter</text>'
    )
