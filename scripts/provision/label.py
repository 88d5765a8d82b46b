# SPDX-License-Identifier: Apache-2.0
"""The label for a meter's housing: 60 x 30 mm as SVG, with the number as text and as a QR code.

What the code says, to be read by anybody, and nothing of it secret:

    PENNYWATT1;N=00012345;B=esp32_devkit;F=0.6.0;Y=2026

the form (1), then meter number, board variant, firmware version at the time, year made. Fields are parted by ";" and
may come in any order; readers pass over those they do not know. Byte mode, error correction M (15 %).
The code is made by segno. Raises DocumentError, RefusedError.
"""

import re
from xml.sax.saxutils import escape

from . import firmware
from .errors import DocumentError, RefusedError

W_MM, H_MM = 60, 30
_CODE_MM = 26  # of the code with its quiet zone
_QUIET = 4  # modules (ISO/IEC 18004)
_TEXT_X = 29.0
_TEXT_W = W_MM - _TEXT_X - 2


def text(number: str, board: str, version: str, year: int) -> str:
    """What the QR code says. DocumentError for what no meter could be."""
    firmware.settings({"meter_number": number})
    firmware.check_board(board)
    if not re.fullmatch(r"[0-9A-Za-z.+-]{1,20}", version):
        raise DocumentError(f'"{version}" is no version. Say it like 0.6.0.')
    if not 2000 <= year <= 2999:
        raise DocumentError(f"{year} is no year. Say it with four digits.")
    return f"PENNYWATT1;N={number};B={board};F={version};Y={year}"


def svg(number: str, board: str, version: str, year: int) -> str:
    code, count = _code(text(number, board, version, year))
    side = count + 2 * _QUIET
    lines = [
        _line("PENNYWATT", 6, 2.6, True),
        _line(number, 14, min(7.0, _TEXT_W / (0.62 * len(number))), True),
        _line(board, 19.5, 2.6),
        _line(f"Firmware {version}", 23.5, 2.6),
        _line(str(year), 27.5, 2.6),
    ]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{W_MM}mm" height="{H_MM}mm" viewBox="0 0 {W_MM} {H_MM}">',
            f"<title>Meter {escape(number)}</title>",
            f'<rect width="{W_MM}" height="{H_MM}" fill="#fff"/>',
            f'<rect x="0.2" y="0.2" width="{W_MM - 0.4}" height="{H_MM - 0.4}" rx="2" fill="none" stroke="#000"'
            ' stroke-width="0.2"/>',
            f'<svg x="2" y="2" width="{_CODE_MM}" height="{_CODE_MM}" viewBox="0 0 {side} {side}">',
            f'<path fill="#000" shape-rendering="crispEdges" d="{code}"/>',
            "</svg>",
            *lines,
            "</svg>",
            "",
        ]
    )


def _line(words, y, size, bold=False):
    # Its width is said, so that it fits whatever font the printer has.
    width = round(min(_TEXT_W, 0.6 * size * len(words)), 2)
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{_TEXT_X}" y="{y}" font-family="DejaVu Sans Mono, Courier New, monospace" font-size="{size:.2f}"'
        f'{weight} textLength="{width}" lengthAdjust="spacingAndGlyphs">{escape(words)}</text>'
    )


def _code(content):
    """(path of the dark modules, one row of each at a time; modules per side)."""
    try:
        import segno  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise RefusedError("The QR code needs the package segno. Run 'make setup' once.") from None
    rows = segno.make(content, error="m", micro=False, boost_error=False).matrix
    path = []
    for y, row in enumerate(rows):
        bits = "".join("1" if dark else "0" for dark in row)
        for run in re.finditer("1+", bits):
            path.append(f"M{run.start() + _QUIET} {y + _QUIET}h{len(run[0])}v1h-{len(run[0])}z")
    return "".join(path), len(rows)
