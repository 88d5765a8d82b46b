# SPDX-License-Identifier: Apache-2.0
"""The image of the whole flash: read again part by part, by other means than those that made it."""

import hashlib
import json
from dataclasses import replace

import littlefs
import pytest
from typer.testing import CliRunner

from host_tests.stands.flash import STOCK, devkit, micropython, noise, pinned, program
from scripts.board.errors import LayoutError
from scripts.flash import layout, rom
from scripts.flash.cli import app
from scripts.image import boards
from scripts.image import image as images
from scripts.image.partition_table import APP, decode, parse_csv

FOUR_MIB = 4 << 20


def file_system(board, files=None):
    return images.pack(files or {"boot.py": b"# boot", "a/run.mpy": noise("run", 9000)}, board.row("vfs").size)


def made(board, image=None, trim=False):
    parts = layout.regions(board, image or micropython(), file_system(board))
    return layout.whole(parts, board.flash_size, trim)


def test_every_part_lies_where_the_boards_table_says():
    board, image = devkit(), micropython()
    flash = made(board, image)
    assert len(flash) == FOUR_MIB
    assert flash[:0x1000] == b"\xff" * 0x1000
    assert flash[0x1000:0x8000] == image[:0x7000]
    rows = decode(flash[0x8000:0x8C00])
    assert rows == parse_csv((boards.ROOT / "boards/esp32_devkit/partitions.csv").read_text())
    assert flash[0x9000:0x10000] == b"\xff" * 0x7000  # nvs, phy_init
    assert flash[0x10000 : 0x1000 + len(image)] == image[0xF000:]
    place = {row.name: row for row in rows}
    assert set(flash[place["rings"].offset : place["rings"].end]) == {0xFF}


def test_the_file_system_in_it_mounts_and_holds_the_files():
    board = devkit()
    flash, row = made(board), board.row("vfs")
    fs = littlefs.LittleFS(block_size=4096, block_count=row.size // 4096, mount=False)
    fs.context.buffer[:] = flash[row.offset : row.end]
    fs.mount()
    with fs.open("a/run.mpy", "rb") as f:
        assert f.read() == noise("run", 9000)


def test_the_same_input_gives_the_same_bytes():
    assert made(devkit()) == made(devkit())


def test_a_trimmed_image_is_the_same_without_the_blank_end():
    whole, trimmed = made(devkit()), made(devkit(), trim=True)
    assert len(trimmed) % 4096 == 0 and len(trimmed) < len(whole)
    assert trimmed.ljust(FOUR_MIB, b"\xff") == whole


def test_a_table_with_otadata_gets_it_blank():
    board = boards.load("esp32_8m")
    flash, otadata = made(board), board.row("otadata")
    assert set(flash[otadata.offset : otadata.end]) == {0xFF} and len(flash) == 8 << 20
    assert flash[0x10000] == 0xE9 and board.app.name == "ota_0"


# -- the boot loader's header ---------------------------------------------------------------------


def test_the_boot_loader_is_told_of_8_mib_and_its_sum_is_right_again():
    image = layout.with_our_table(micropython(), boards.load("esp32_8m"))
    assert image[3] == 0x30
    at = 24 + 8 + 20_000
    end = (at // 16 + 1) * 16
    assert image[end : end + 32] == hashlib.sha256(image[:end]).digest()
    assert image[4:end] == micropython()[4:end]  # nothing else is changed


def test_a_boot_loader_that_says_the_right_size_is_left_alone():
    assert layout.with_our_table(micropython(), devkit())[:0x7000] == micropython()[:0x7000]


def test_the_real_esptool_finds_the_changed_boot_loader_valid(tmp_path):
    bin_image = pytest.importorskip("esptool.bin_image", reason="esptool is not installed here: make device-tools")
    image = layout.with_our_table(micropython(), boards.load("esp32_8m"))
    path = tmp_path / "boot.bin"
    path.write_bytes(image[:0x7000].rstrip(b"\xff"))
    found = bin_image.LoadFirmwareImage("esp32", str(path))
    assert found.calc_digest == found.stored_digest and found.checksum == found.calculate_checksum()


# -- images that will not do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "image, reason",
    [
        (b"", "no image for an ESP32"),
        (b"\x7fELF" + bytes(5000), "no image for an ESP32"),
        (micropython("esp32s3"), "for the chip esp32s3, and esp32_devkit has an esp32"),
        (micropython()[:0x9000], "no program at 0x10000"),
        (micropython()[:0x7000] + b"\xff" * 0x8000 + program("esp32", 2, bytes(400)), "no partition table at 0x8000"),
        (micropython(size=0x1F0000), "ends at 0x2000.*, and its partition factory at 0x200000"),
    ],
)
def test_an_image_that_does_not_fit_the_board_says_why(image, reason):
    with pytest.raises(LayoutError, match=reason):
        layout.with_our_table(image, devkit())


def test_parts_that_overlap_are_found():
    parts = [layout.Region("one", 0, 0x2000, b""), layout.Region("two", 0x1000, 0x1000, b"")]
    with pytest.raises(LayoutError, match=r"two begins at 0x1000, inside one"):
        layout.check(parts, FOUR_MIB)


def test_a_part_that_is_larger_than_its_place_is_found():
    with pytest.raises(LayoutError, match="has 4,097 bytes, and its place 4,096"):
        layout.check([layout.Region("vfs", 0, 4096, bytes(4097))], FOUR_MIB)


def test_a_file_system_of_another_size_is_refused():
    with pytest.raises(LayoutError, match="Build it again"):
        layout.regions(devkit(), micropython(), bytes(4096))


# -- boards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (boards.ROOT / "boards").glob("*/board.toml")))
def test_every_board_has_a_table_that_fits_its_flash_and_a_pinned_image(name):
    board = boards.load(name)
    assert board.app.offset == 0x10000 and board.row("vfs").size % 4096 == 0
    assert len(board.micropython.sha256) == 64 and board.micropython.url.endswith(".bin")
    assert {"I2C_ID", "I2C_SCL", "I2C_SDA", "I2C_FREQ"} <= board.pins.keys()


def test_a_board_that_is_not_there_is_named_with_those_there_are():
    with pytest.raises(LayoutError, match=r"There is no board nix\. Say one of these with BOARD=: .*esp32_devkit"):
        boards.load("nix")


@pytest.mark.parametrize(
    "change, reason",
    [
        (("flash_mib = 4", "flash_mib = 2"), "end at 0x400000, and its flash at 0x200000"),
        (('chip = "esp32"', 'chip = "esp8266"'), "names the chip esp8266"),
        (("sha256", "sha255"), "incomplete"),
        (("flash_mib = 4", "flash_mib = "), "incomplete"),
    ],
)
def test_a_board_described_wrongly_says_where(tmp_path, change, reason):
    source = boards.ROOT / "boards/esp32_devkit"
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("partitions.csv", "board.py"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "board.toml").write_text((source / "board.toml").read_text().replace(*change))
    with pytest.raises(LayoutError, match=reason):
        boards.load("mine", tmp_path)


# -- the command ----------------------------------------------------------------------------------


def image_command(tmp_path, monkeypatch, *args, code=0):
    image = micropython()
    board = pinned(devkit(), image)
    (tmp_path / "mp.bin").write_bytes(image)
    monkeypatch.setattr(boards, "load", lambda name, place=False: board)
    monkeypatch.setattr(images, "collect", lambda documents, board, **_: {"boot.py": b"", **documents})
    out = tmp_path / "flash.bin"
    fixed = ["image", "--firmware", str(tmp_path / "mp.bin"), "--out", str(out)]
    done = CliRunner().invoke(app, [*fixed, *args])
    assert done.exit_code == code, done.output
    return done, out


def test_the_command_reports_offsets_and_sums_that_hold(tmp_path, monkeypatch):
    tariff = '{"name":"one","currency":"EUR","price":"0.25"}'
    (tmp_path / "tariff.json").write_text(tariff)
    done, out = image_command(tmp_path, monkeypatch, "--json", str(tmp_path / "tariff.json"))
    said, flash = json.loads(done.stdout), out.read_bytes()
    assert said["sha256"] == hashlib.sha256(flash).hexdigest() and said["bytes"] == len(flash) == FOUR_MIB
    end = 0
    for part in said["regions"]:
        there = flash[part["offset"] : part["offset"] + part["size"]]
        assert part["offset"] >= end and part["sha256"] == hashlib.sha256(there).hexdigest()
        end = part["offset"] + part["size"]
    assert [part["name"] for part in said["regions"]][-2:] == ["rings", "vfs"]
    assert said["files"] == {"boot.py": 0, "tariff.json": len(tariff)}


def test_the_command_to_write_it_is_printed_and_erases_first_where_the_end_was_left_away(tmp_path, monkeypatch):
    done, out = image_command(tmp_path, monkeypatch)
    typed = "esptool --chip esp32 --port PORT --baud 460800 write-flash"
    assert f"{typed} 0x0 {out}" in done.stdout.replace("\n", " ")
    assert rom.command(devkit(), "x.bin", trimmed=True) == f"{typed} --erase-all 0x0 x.bin"


def test_documents_that_are_none_are_a_sentence(tmp_path, monkeypatch):
    done, out = image_command(tmp_path, monkeypatch, str(tmp_path / "none.json"), code=1)
    assert "no meter knows a document none.json" in done.stderr and "Traceback" not in done.output and not out.exists()


def test_the_stock_table_has_what_the_tools_rely_on():
    assert next(row for row in STOCK if row.type == APP).offset == replace(devkit()).app.offset
