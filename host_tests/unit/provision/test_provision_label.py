# SPDX-License-Identifier: Apache-2.0
"""The label: its QR code is read back from the drawing by a decoder of our own, which shares no code with segno.

The decoder (ISO/IEC 18004) takes codes of versions 3 to 5 with error correction M, as a perfect picture: it checks
format and parity and corrects nothing.
"""

import re
import string
import xml.etree.ElementTree as ET

import meter.commands.change  # noqa: F401  # what the fixture `loaded` finds here it leaves here
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.common import board_files
from scripts.provision import label
from scripts.provision.errors import DocumentError, ProvisionError, RefusedError

pytest.importorskip("segno")

NUMBERS = st.text(string.ascii_uppercase + string.digits + "-", min_size=1, max_size=12)
VERSIONS = st.text(string.ascii_letters + string.digits + ".+-", min_size=1, max_size=20)
SVG = "{http://www.w3.org/2000/svg}"
QUIET = 4


pytestmark = pytest.mark.usefixtures("loaded")


def modules(drawing: str) -> list[list[int]]:
    """Dark and light modules, from the path in the drawing; its quiet zone must be free."""
    inner = ET.fromstring(drawing).find(SVG + "svg")
    assert inner is not None
    side = int(inner.attrib["viewBox"].split()[3])
    grid = [[0] * side for _ in range(side)]
    path = inner.find(SVG + "path").attrib["d"]
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path)
    assert "".join(f"M{x} {y}h{n}v1h-{back}z" for x, y, n, back in runs) == path
    for x, y, n, back in runs:
        assert n == back
        for i in range(int(n)):
            grid[int(y)][int(x) + i] = 1
    edge = range(QUIET, side - QUIET)
    assert not any(grid[y][x] for y in range(side) for x in range(side) if x not in edge or y not in edge)
    return [row[QUIET:-QUIET] for row in grid[QUIET:-QUIET]]


MASKS = (
    lambda y, x: (y + x) % 2, lambda y, x: y % 2, lambda y, x: x % 3, lambda y, x: (y + x) % 3,
    lambda y, x: (y // 2 + x // 3) % 2, lambda y, x: y * x % 2 + y * x % 3, lambda y, x: (y * x % 2 + y * x % 3) % 2,
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2,
)  # fmt: skip
BLOCKS = {3: (1, 44, 26), 4: (2, 32, 18), 5: (2, 43, 24)}  # version -> blocks, data and parity bytes of each, level M
EXP = [1]
while len(EXP) < 255:
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] & 0x80 else 0))
LOG = {value: n for n, value in enumerate(EXP)}


def decoded(grid: list[list[int]]) -> bytes:
    side = len(grid)
    version = (side - 17) // 4
    for top, left in ((0, 0), (0, side - 7), (side - 7, 0)):
        assert [sum(grid[top + i][left : left + 7]) for i in range(7)] == [7, 2, 5, 5, 5, 2, 7]
    # Format: 15 bits around the corner, under a mask of their own; level M is 00.
    spots = [(8, x) for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [(y, 8) for y in (7, 5, 4, 3, 2, 1, 0)]
    bits = int("".join(str(grid[y][x]) for y, x in spots), 2) ^ 0x5412
    rest = bits
    for n in range(14, 9, -1):
        if rest >> n & 1:
            rest ^= 0x537 << n - 10
    assert rest == 0 and bits >> 13 == 0
    mask = MASKS[bits >> 10 & 7]
    middle = side - 7

    def reserved(y, x):
        corner = (y < 9 and x < 9) or (y < 9 and x >= side - 8) or (y >= side - 8 and x < 9)
        return corner or 6 in (y, x) or (abs(y - middle) < 3 and abs(x - middle) < 3)

    stream, up = [], True
    for right in [*range(side - 1, 6, -2), 5, 3, 1]:
        for y in range(side - 1, -1, -1) if up else range(side):
            stream += [grid[y][x] ^ (not mask(y, x)) for x in (right, right - 1) if not reserved(y, x)]
        up = not up
    blocks, data_n, parity_n = BLOCKS[version]
    words = [int("".join(str(int(b)) for b in stream[i : i + 8]), 2) for i in range(0, len(stream) - 7, 8)]
    content = []
    for n in range(blocks):
        data = words[n : blocks * data_n : blocks]
        parity = words[blocks * data_n + n : blocks * (data_n + parity_n) : blocks]
        for power in range(parity_n):  # the code word is a multiple of the generator: each of its roots gives 0
            value = 0
            for word in data + parity:
                value = word ^ (EXP[(LOG[value] + power) % 255] if value else 0)
            assert value == 0
        content += data
    text = "".join(f"{word:08b}" for word in content)
    assert text[:4] == "0100"  # bytes
    length = int(text[4:12], 2)
    return bytes(int(text[12 + 8 * i : 20 + 8 * i], 2) for i in range(length))


@given(NUMBERS, st.sampled_from(board_files.names()), VERSIONS, st.integers(2000, 2999))
def test_the_code_says_what_is_documented(number, board, version, year):
    said = decoded(modules(label.svg(number, board, version, year))).decode()
    form, *fields = said.split(";")
    assert form == "PENNYWATT1"
    assert dict(field.split("=", 1) for field in fields) == {"N": number, "B": board, "F": version, "Y": str(year)}


def test_one_module_wrong_is_noticed_here():
    grid = modules(label.svg("1", "esp32_devkit", "0.6.0", 2026))
    grid[20][20] ^= 1
    with pytest.raises(AssertionError):
        decoded(grid)


def test_people_read_number_board_version_and_year():
    drawn = ET.fromstring(label.svg("00012345", "esp32_devkit", "0.6.0", 2026))
    words = [line.text for line in drawn.iter(SVG + "text")]
    assert words == ["PENNYWATT", "00012345", "esp32_devkit", "Firmware 0.6.0", "2026"]


@given(NUMBERS, VERSIONS)
def test_every_line_ends_on_the_label(number, version):
    drawn = ET.fromstring(label.svg(number, "esp32_atm90e26", version, 2026))
    for line in drawn.iter(SVG + "text"):
        assert float(line.attrib["x"]) + float(line.attrib["textLength"]) <= label.W_MM - 1


def test_the_same_meter_has_the_same_label():
    assert label.svg("1", "esp32_devkit", "1", 2026) == label.svg("1", "esp32_devkit", "1", 2026)


@given(st.text(max_size=20), st.text(max_size=25))
def test_nothing_gets_onto_a_label_that_is_no_meter(number, version):
    try:
        drawn = label.svg(number, "esp32_devkit", version, 2026)
    except ProvisionError:
        return
    assert ET.fromstring(drawn).findtext(SVG + "title") == f"Meter {number}"


def test_a_board_or_year_nobody_knows_is_refused():
    with pytest.raises(RefusedError):
        label.svg("1", "<script>", "1", 2026)
    with pytest.raises(DocumentError):
        label.svg("1", "esp32_devkit", "1", 26)
