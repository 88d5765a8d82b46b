# SPDX-License-Identifier: Apache-2.0
"""Our own build of MicroPython, as far as it can be checked without ESP-IDF: tables, options, patch, commands."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host_tests.bench.plant import flash
from scripts.board.errors import LayoutError
from scripts.bundle import slot_files
from scripts.flash import layout
from scripts.image import boards, partition_table, port, romfs
from scripts.image.image import collect, partitions

ROOT = Path(__file__).resolve().parents[3]
BOARDS = ROOT / "boards"
BUILT = sorted(path.parent.name for path in BOARDS.glob("*/mpconfigboard.cmake"))
built = pytest.mark.parametrize("name", BUILT)
# What the patch is for, as MicroPython v1.28.0 has it: ports/esp32/gccollect.c, lines 80 to 88. MIT licence, copyright
# (c) 2014 Damien P. George and others.
GCCOLLECT = """\
#if MICROPY_GC_SPLIT_HEAP_AUTO

// The largest new region that is available to become Python heap is the largest
// free block in the ESP-IDF system heap.
size_t gc_get_max_new_split(void) {
    return heap_caps_get_largest_free_block(MALLOC_CAP_DEFAULT);
}

#endif
"""
# Names of options in ESP-IDF 5.5's Kconfig files, of what sdkconfig.meter and sdkconfig.board set.
OPTIONS = {
    "BOOTLOADER_APP_ROLLBACK_ENABLE", "ESP_BROWNOUT_DET", "ESP_BROWNOUT_DET_LVL_SEL_4", "ESP_BROWNOUT_DET_LVL_SEL_7",
    "BT_ENABLED", "ETH_USE_SPI_ETHERNET", "ESPTOOLPY_FLASHSIZE_4MB", "ESPTOOLPY_FLASHSIZE_8MB",
    "MBEDTLS_ASYMMETRIC_CONTENT_LEN", "MBEDTLS_SSL_IN_CONTENT_LEN", "MBEDTLS_SSL_OUT_CONTENT_LEN",
    "MBEDTLS_SSL_KEEP_PEER_CERTIFICATE", "ESP_CONSOLE_SECONDARY_NONE",
}  # fmt: skip


def table(name, csv="partitions-place.csv"):
    return {row.name: row for row in partition_table.parse_csv((BOARDS / name / csv).read_text())}


def options(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"CONFIG_[A-Z0-9_]+=(y|n|\d+)", line) for line in lines)
    return dict(line.removeprefix("CONFIG_").split("=") for line in lines)


def defines():
    text = (BOARDS / "port/mpconfigmeter.h").read_text()
    return dict(re.findall(r"^#define (\w+) \((.+)\)$", text, re.M))


# -- partitions -----------------------------------------------------------------------------------


@built
def test_the_table_fits_the_flash_and_holds_what_a_meter_in_place_needs(name):
    rows = list(boards.load(name, place=True).table)
    assert {"nvs", "phy_init", "rings", "romfs", "vfs"} <= {row.name for row in rows}
    assert partition_table.decode(partition_table.encode(rows)) == rows
    rom, vfs = table(name)["romfs"], table(name)["vfs"]
    assert rom.type == partition_table.DATA and rom.size >= flash.ROMFS_SIZE and vfs.size >= flash.PLACE_VFS_SIZE


@built
def test_it_differs_from_the_stock_table_in_what_follows_the_rings_alone(name):
    place, stock = table(name), table(name, "partitions.csv")
    assert all(place[row] == stock[row] for row in stock if row != "vfs")
    assert place["romfs"].offset == stock["vfs"].offset and place["vfs"].end == stock["vfs"].end


@built
def test_all_of_the_partition_can_be_mapped_at_once(name):
    assert table(name)["romfs"].size <= 4 << 20  # an ESP32's space for data in flash; an S3 has 32 MiB


@built
def test_a_slot_has_room_for_this_firmware_and_half_as_much_again(name):
    size = len(romfs.image({**slot_files(name), "manifest": bytes(8192)}))
    assert size * 3 // 2 <= romfs.blocks(table(name)["romfs"].size) * romfs.BLOCK - romfs.SEAL


def test_the_bench_knows_the_same_partitions():
    rows = table("esp32_devkit")
    assert (rows["romfs"].offset, rows["romfs"].size) == (flash.ROMFS_AT, flash.ROMFS_SIZE)
    assert (rows["vfs"].offset, rows["vfs"].size) == (flash.PLACE_VFS_AT, flash.PLACE_VFS_SIZE)
    assert (rows["rings"].offset, rows["rings"].size) == (flash.RINGS_AT, flash.RINGS_SIZE)
    source = (ROOT / "host_tests/bench/port/inplace.py").read_text()
    there = re.search(r"TABLE = (\(.*\))$", source, re.M)
    assert there and [(n, at * 4096, count * 4096, kind) for n, at, count, kind in eval(there[1])] == [
        (n, rows[n].offset, rows[n].size, rows[n].subtype) for n in ("rings", "romfs", "vfs")
    ]


def test_a_board_that_is_built_as_another_says_so():
    with pytest.raises(LayoutError, match="PROFILE=place goes with BOARD=: esp32_8m"):
        boards.load("esp32_nofram", place=True)


@built
def test_the_image_of_the_whole_flash_has_the_firmware_in_romfs_and_nowhere_else(name):
    board = boards.load(name, place=True)
    files, rom = partitions(collect({}, name), board, True)
    assert not [path for path in files if path.startswith(("a/", "b/"))]
    assert romfs.sealed(rom, "a") and not romfs.sealed(rom, "b") and len(rom) == table(name)["romfs"].size
    parts = {part.name: part for part in layout_of(board, rom)}
    assert parts["romfs"].content == rom.rstrip(b"\xff") and parts["romfs"].offset == table(name)["romfs"].offset


def layout_of(board, rom):
    row = board.row("vfs")
    image = bytearray(b"\xff" * (board.app.offset - board.micropython.offset + 4096))
    image[0], image[1], image[3], image[12:14] = 0xE9, 0, 0x20, boards.CHIP_IDS[board.chip].to_bytes(2, "little")
    image[23] = 0
    at = partition_table.AT - board.micropython.offset
    image[at : at + partition_table.LENGTH] = partition_table.encode(list(board.table))
    image[board.app.offset - board.micropython.offset] = 0xE9
    program = board.app.offset - board.micropython.offset
    image[program + 12 : program + 14] = image[12:14]
    return layout.regions(board, bytes(image), b"\xff" * row.size, rom)


# -- what is built --------------------------------------------------------------------------------


@built
def test_options_are_espidfs_and_each_is_set_once(name):
    shared, own = options(BOARDS / "port/sdkconfig.meter"), options(BOARDS / name / "sdkconfig.board")
    assert not set(shared) & set(own)
    assert set(shared) | set(own) <= OPTIONS


def test_tls_has_small_buffers_and_keeps_no_certificate():
    found = options(BOARDS / "port/sdkconfig.meter")
    assert found["MBEDTLS_SSL_IN_CONTENT_LEN"] == "4096" and found["MBEDTLS_SSL_OUT_CONTENT_LEN"] == "2048"
    assert found["MBEDTLS_ASYMMETRIC_CONTENT_LEN"] == "y"  # else the second is not looked at
    assert found["MBEDTLS_SSL_KEEP_PEER_CERTIFICATE"] == found["BT_ENABLED"] == "n"


def test_slots_run_in_place_in_96_kib_of_heap_with_a_reserve_for_the_native_side():
    found = defines()
    assert found["MICROPY_VFS_ROM"] == "1"
    assert found["MICROPY_GC_INITIAL_HEAP_SIZE"] == "96 * 1024" and found["MICROPY_GC_RESERVE"] == "32 * 1024"
    assert found["MICROPY_HW_ENABLE_MDNS_QUERIES"] == found["MICROPY_HW_ENABLE_MDNS_RESPONDER"] == "0"


def test_the_patch_applies_to_1_28_0_and_changes_three_lines(tmp_path):
    place = tmp_path / "ports/esp32"
    place.mkdir(parents=True)
    (place / "gccollect.c").write_text("\n" * 79 + GCCOLLECT)
    (patch,) = (BOARDS / "port/patches").glob("*.patch")
    said = subprocess.run(["git", "apply", str(patch)], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    lines = (place / "gccollect.c").read_text().splitlines()[79:]
    before = GCCOLLECT.splitlines()
    assert [line for line in before if line not in lines] == [before[5]]
    added = [line for line in lines if line not in before]
    assert len(added) == 3 and sum("MICROPY_GC_RESERVE" in line for line in added) == 1
    assert "MICROPY_GC_RESERVE" in defines()


# -- the command ----------------------------------------------------------------------------------


def idf(tmp_path, major=5, minor=5):
    (tmp_path / "tools/cmake").mkdir(parents=True)
    text = f"set(IDF_VERSION_MAJOR {major})\nset(IDF_VERSION_MINOR {minor})\nset(IDF_VERSION_PATCH 1)\n"
    (tmp_path / "tools/cmake/version.cmake").write_text(text)
    return tmp_path


def test_an_installed_espidf_is_taken_first(tmp_path):
    found = port.find_idf({"IDF_PATH": str(idf(tmp_path))}, lambda name: f"/bin/{name}")
    assert found == port.Idf(tmp_path)


@pytest.mark.parametrize("there, engine", [("docker", "docker"), ("podman", "podman"), ("docker podman", "podman")])
def test_else_it_is_built_in_a_container(there, engine):
    assert port.find_idf({}, lambda name: name in there.split()) == port.Idf(None, engine)


def test_with_neither_it_says_what_to_do():
    with pytest.raises(port.PortError, match=r"no ESP-IDF 5\.5 here, and neither podman nor docker .* IDF_PATH="):
        port.find_idf({}, lambda name: None)


def test_another_espidf_is_named(tmp_path):
    with pytest.raises(port.PortError, match=r"is ESP-IDF 5\.4; 5\.5 is needed"):
        port.find_idf({"IDF_PATH": str(idf(tmp_path, minor=4))})
    with pytest.raises(port.PortError, match="is no ESP-IDF"):
        port.find_idf({"IDF_PATH": str(tmp_path / "nowhere")})


@built
@pytest.mark.parametrize("variant", ["", "DEVELOPMENT"])
def test_the_steps_fetch_the_pinned_source_patch_it_and_build_the_board(name, variant, tmp_path):
    commands = [" ".join(command) for command in port.steps(name, variant, port.Idf(tmp_path))]
    wanted = ("git init", "fetch", f"--force {port.COMMIT}", "reserve.patch", "mpy-cross", "submodules", "BUILD=")
    assert all(what in command for command, what in zip(commands, wanted, strict=True))
    last = commands[-1]
    assert f"BOARD_DIR={ROOT}/boards/{name}" in last and ("BOARD_VARIANT=DEVELOPMENT" in last) == bool(variant)
    assert "export.sh" in last and "submodules" not in last
    assert all(f"{ROOT}/build/port" in command for command in commands)
    assert f"v{boards.load(name).micropython.version}" == port.TAG


def test_in_a_container_the_tree_is_where_it_is_outside():
    last = port.steps("esp32_devkit", "", port.Idf(None, "docker"))[-1]
    assert last[:3] == ["docker", "run", "--rm"] and f"{ROOT}:{ROOT}" in last and port.CONTAINER in last
    assert port.CONTAINER.endswith(":v5.5.1") and port.IDF == (5, 5)


def test_a_dry_run_prints_the_commands_and_does_none(tmp_path, monkeypatch):
    monkeypatch.setenv("IDF_PATH", str(idf(tmp_path)))
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("something was run"))
    import typer

    app = typer.Typer()
    app.command()(port.main)
    said = CliRunner().invoke(app, ["--board", "esp32_8m", "--dry-run"])
    assert said.exit_code == 0 and said.stdout.count("\n") == 7 and "esp32_8m" in said.stdout


def test_the_guide_says_what_the_command_does():
    guide = (BOARDS / "port/README.md").read_text()
    words = "IDF_PATH", "reserve.patch", "96 KiB", "32 KiB", "make port", "PROFILE=place", port.TAG, port.CONTAINER
    assert not [word for word in words if word not in guide]
