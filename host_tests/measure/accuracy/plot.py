# SPDX-License-Identifier: Apache-2.0
"""The errors as a picture: one line per series over the current, which is drawn as its logarithm. SVG, by hand."""

from html import escape
from math import log10

from host_tests.measure.accuracy.rig import ADDED_PPM, Result

_W, _H, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 480, 70, 230, 40, 50
_TOP_PPM = 1.2 * ADDED_PPM
_COLOURS = ("#0b5fa5", "#c4500f", "#2c7a3f", "#7a3fa0", "#a0303f", "#4f6d7a", "#b08900", "#1a9a9a", "#8a5a2b")
_TICKS_MA = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
_INK, _GRID = "#222", "#ddd"


def _x(i_ma: int) -> float:
    low, high = log10(_TICKS_MA[0]), log10(_TICKS_MA[-1])
    return _LEFT + (log10(i_ma) - low) / (high - low) * (_W - _LEFT - _RIGHT)


def _y(ppm: float) -> float:
    shown = max(-_TOP_PPM, min(_TOP_PPM, ppm))
    return _TOP + (1 - shown / _TOP_PPM) / 2 * (_H - _TOP - _BOTTOM)


def _line(x1, y1, x2, y2, colour, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _text(x, y, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}" {more}>{escape(words)}</text>'


def svg(results: list[Result]) -> str:
    """The whole file."""
    right = _W - _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {_H}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_W}" height="{_H}" fill="white"/>',
        _text(_LEFT, 24, "Error the firmware adds to the metering IC's", 'font-size="15"'),
    ]
    for i_ma in _TICKS_MA:
        name = f"{i_ma} mA" if i_ma < 1000 else f"{i_ma // 1000} A"
        parts.append(_line(_x(i_ma), _TOP, _x(i_ma), _H - _BOTTOM, _GRID))
        parts.append(_text(_x(i_ma), _H - _BOTTOM + 18, name, 'text-anchor="middle" font-size="10"'))
    for ppm in range(-ADDED_PPM, ADDED_PPM + 1, 5):
        parts.append(_line(_LEFT, _y(ppm), right, _y(ppm), _INK if not ppm else _GRID))
        parts.append(
            _text(_LEFT - 6, _y(ppm) + 4, f"{ppm / 10_000:+.4f} %" if ppm else "0", 'text-anchor="end" font-size="10"')
        )
    for ppm in (-ADDED_PPM, ADDED_PPM):
        parts.append(_line(_LEFT, _y(ppm), right, _y(ppm), "#c00", 'stroke-dasharray="6 4"'))
    names = list(dict.fromkeys(r.point.series for r in results))
    for n, name in enumerate(names):
        colour = _COLOURS[n % len(_COLOURS)]
        at = [(_x(r.point.i_ma), _y(float(r.added_ppm))) for r in results if r.point.series == name]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in at]
        y = _TOP + 14 + 20 * n
        parts.append(_line(right + 16, y - 4, right + 40, y - 4, colour, 'stroke-width="3"'))
        parts.append(_text(right + 46, y, name))
    parts.append(_text((_LEFT + right) / 2, _H - 10, "current per loaded phase", 'text-anchor="middle"'))
    return "\n".join([*parts, "</svg>", ""])
