# SPDX-License-Identifier: Apache-2.0
"""The board folders: pins a chip really has, the definition MicroPython is built with, and that all of it agrees.

MicroPython itself is not built here: that needs ESP-IDF (boards/README.md says what is checked by whom).
"""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from host_tests.bench.run.board import load_board
from scripts.common import board_files
from scripts.image import partition_table
from scripts.wiring.boards import BOTH, CHIPS, DIRECTIONS, IN, OUT, PULLED, WiringError, load, names

ROOT = Path(__file__).resolve().parents[3]
BOARDS = ROOT / "boards"
BUILT = ["esp32_8m", "esp32_devkit", "esp32s3_devkit"]  # those MicroPython can be built for
PIN_RULES = {
    # chip -> what a pin may not be, from the data sheet, written down apart from scripts/wiring
    "esp32": {
        "flash": {6, 7, 8, 9, 10, 11}, "strap": {0, 2, 12, 15}, "console": {1, 3}, "inside the module": {37, 38},
        "not there": {20, 24, 28, 29, 30, 31}, "input only": {34, 35, 36, 37, 38, 39}, "last": 39,
    },
    "esp32s3": {
        "flash or PSRAM": set(range(26, 38)), "strap": {0, 3, 45, 46}, "console": {43, 44}, "USB": {19, 20},
        "not there": {22, 23, 24, 25}, "input only": set(), "last": 48,
    },
}  # fmt: skip

every = pytest.mark.parametrize("name", names())
built = pytest.mark.parametrize("name", BUILT)


def settings(name):
    return tomllib.loads((BOARDS / name / "board.toml").read_text())


def text(name, file):
    return (BOARDS / name / file).read_text()


def config(*lines):
    """CONFIG_ name -> value of sdkconfig text, the later line counting."""
    return dict(re.findall(r"^(CONFIG_\w+)=(.+)$", "\n".join(lines), re.M))


# -- pins -------------------------------------------------------------------------------------------


@every
def test_no_pin_is_used_for_two_things(name):
    pins = load(name).pins
    assert len(set(pins.values())) == len(pins) == len(DIRECTIONS)


@every
def test_every_pin_is_free_on_its_chip(name):
    rules = PIN_RULES[settings(name)["chip"]]
    for constant, n in load(name).pins.items():
        assert 0 <= n <= rules["last"], constant
        for reason in set(rules) - {"input only", "last"}:
            assert n not in rules[reason], f"{constant} = {n}: {reason}"


@every
def test_a_pin_that_drives_or_pulls_can(name):
    rules = PIN_RULES[settings(name)["chip"]]
    for constant, n in load(name).pins.items():
        if DIRECTIONS[constant] in (OUT, BOTH, PULLED):
            assert n not in rules["input only"], f"{constant} = {n} is an input without pull-up"


@every
def test_a_coil_of_the_relay_is_on_no_pin_that_goes_high_at_power_on(name):
    """ESP32: 0, 5, 14, 15 put out something while it starts. ESP32-S3: 18, 19 and 20 may be
    high for 60 µs."""
    restless = {"esp32": {0, 1, 3, 5, 14, 15}, "esp32s3": {18, 19, 20}}[settings(name)["chip"]]
    pins = load(name).pins
    assert not {pins["RELAY_OPEN"], pins["RELAY_CLOSE"]} & restless


@every
def test_the_one_strap_in_use_is_at_rest_as_the_chip_wants_it(name):
    """ESP32's GPIO 5 is pulled up while it starts: it may be a chip select, high at rest, and nothing else."""
    if settings(name)["chip"] == "esp32":
        assert {constant for constant, n in load(name).pins.items() if n == 5} <= {"METER_CS"}


def test_the_directions_are_those_the_firmware_uses():
    """machine.Pin(board.X, pin.OUT …) in the sources, and buses by their names."""
    found = {}
    for path in (ROOT / "firmware").rglob("*.py"):
        for constant, how in re.findall(r"pin\(board\.(\w+),\s*pin\.(IN, pin\.PULL_UP|IN|OUT)", path.read_text()):
            found[constant] = {"IN": IN, "OUT": OUT}.get(how, PULLED)
    assert len(found) >= 12
    assert {name: DIRECTIONS[name] for name in found} == found
    buses = {n for n in DIRECTIONS if n.startswith("SPI_") or n.endswith(("_SCL", "_SDA"))}
    assert set(DIRECTIONS) - set(found) == buses
    assert {DIRECTIONS[n] for n in buses if n.endswith(("_SCL", "_SDA"))} == {BOTH}


@every
def test_the_tools_table_of_pins_keeps_to_the_data_sheet(name):
    chip = settings(name)["chip"]
    rules = PIN_RULES[chip]
    taken = set().union(*(rules[reason] for reason in set(rules) - {"input only", "last"}))
    assert CHIPS[chip].pins == set(range(rules["last"] + 1)) - taken
    assert CHIPS[chip].inputs == rules["input only"]


# -- board.py and board.toml ------------------------------------------------------------------------


@every
def test_board_py_has_the_same_constants_on_every_board(name):
    assert list(load(name).constants) == list(load("esp32_devkit").constants)


@every
def test_a_board_says_no_constant_as_it_has_it_already(name):
    body = ast.parse(text(name, "board.py")).body
    (taken,) = [n.module.split(".")[1:] for n in body if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
    before = board_files.parse((BOARDS / "/".join(taken)).with_suffix(".py").read_text(), "")
    own = board_files.parse(text(name, "board.py"), "")
    assert own and not set(own.items()) & set(before.items())


def test_a_board_of_another_chip_says_every_pin_itself():
    """It takes none of base.py, and so none that another chip has elsewhere."""
    assert not set(board_files.parse((BOARDS / "base.py").read_text(), "")) & set(DIRECTIONS)


@every
def test_a_board_knows_its_name_and_says_how_its_buses_are_driven(name):
    constants = vars(load_board(name))
    assert [constants[each] for each in ("NAME", "SOFT_SPI", "SOFT_I2C")] == [name, 0, 0]


@every
def test_the_tools_read_board_py_as_it_runs(name):
    board = load_board(name)
    for constant, value in load(name).constants.items():
        there = getattr(board, constant)
        assert value == (there.__name__ if constant == "MeterIc" else there)


@every
def test_the_buses_are_ones_the_chip_has(name):
    board, chip = load_board(name), settings(name)["chip"]
    assert (board.I2C_ID, board.CARD_I2C_ID) == (0, 1) and board.SPI_ID in (1, 2)
    if chip == "esp32":  # VSPI on its own pins, which do without the GPIO matrix
        assert (board.SPI_ID, board.SPI_SCK, board.SPI_MOSI, board.SPI_MISO) == (2, 18, 23, 19)
    else:  # FSPI likewise
        assert (board.SPI_ID, board.SPI_SCK, board.SPI_MOSI, board.SPI_MISO) == (1, 12, 11, 13)
    assert board.I2C_FREQ <= 100_000 and board.CARD_FREQ <= 400_000


@every
def test_board_toml_says_what_the_tools_need(name):
    found = settings(name)
    pinned = found["micropython"]
    assert found["chip"] in PIN_RULES and found["arch"] == "xtensawin" and found["flash_mib"] in (4, 8)
    assert pinned["version"] == "1.28.0" and re.fullmatch(r"[0-9a-f]{64}", pinned["sha256"])
    image = {"esp32": "ESP32_GENERIC", "esp32s3": "ESP32_GENERIC_S3"}[found["chip"]]
    assert pinned["url"] == f"https://micropython.org/resources/firmware/{image}-20260406-v1.28.0.bin"
    assert pinned["offset"] == {"esp32": 0x1000, "esp32s3": 0}[found["chip"]]


def test_one_chip_has_one_image():
    by_chip = {}
    for name in names():
        by_chip.setdefault(settings(name)["chip"], []).append(settings(name)["micropython"])
    assert all(pinned == same[0] for same in by_chip.values() for pinned in same)


def test_a_board_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(WiringError, match=r"no board esp33: boards/ has .*esp32_devkit"):
        load("esp33")


# -- the definition MicroPython is built with -------------------------------------------------------


@every
def test_every_folder_is_complete(name):
    there = {path.name for path in (BOARDS / name).iterdir() if path.is_file()}
    needed = {"board.py", "board.toml", "partitions.csv", "wiring.svg"}
    if name in BUILT:
        needed |= {"mpconfigboard.h", "mpconfigboard.cmake", "mpconfigvariant_DEVELOPMENT.cmake", "sdkconfig.board",
                   "manifest.py", "pins.csv", "partitions-place.csv"}  # fmt: skip
    assert there == needed


def test_every_folder_is_a_board_or_shared():
    assert {path.name for path in BOARDS.iterdir() if path.is_dir()} == {*names(), "modules", "port"}


@built
def test_pins_csv_is_board_py(name):
    rows = [line for line in text(name, "pins.csv").splitlines() if not line.startswith("#")]
    assert rows == [f"{constant},GPIO{n}" for constant, n in load(name).pins.items()]


def frozen(name, manifest):
    """What a manifest freezes: target -> file. A stand-in of MicroPython's tools/manifestfile.py, of what is used."""
    found = {}

    def run(path):
        def resolve(base):
            return (path.parent / base).resolve()

        def module(file, base_path="."):
            if base_path == "$(PORT_DIR)/modules":
                assert file == "machine.py", "of the port's modules a meter needs one"
                found[file] = None
                return
            source = resolve(base_path) / file
            assert source.is_file(), source
            found[file] = source

        def package(folder, base_path=".", opt=None):
            sources = sorted(p for p in (resolve(base_path) / folder).rglob("*.py"))
            assert sources, f"there is no {folder} in {base_path}"
            for source in sources:
                found[source.relative_to(resolve(base_path)).as_posix()] = source

        def include(what):
            if what == "$(MPY_DIR)/extmod/asyncio":
                found["asyncio/core.py"] = None
            else:
                run(resolve(what))

        exec(path.read_text(), {"module": module, "package": package, "include": include})

    run(BOARDS / name / manifest)
    return found


@built
def test_the_manifest_freezes_what_starts_a_meter_and_files_that_are_there(name):
    files = frozen(name, "manifest.py")
    ours = {"_boot.py", "boot.py", "main.py", "console.py", "loader/start.py"}
    assert ours | {"asyncio/core.py", "machine.py"} <= set(files)
    assert files["main.py"] == ROOT / "firmware/main.py"
    assert files["_boot.py"] == BOARDS / "modules/_boot.py" and files["boot.py"] == ROOT / "firmware/boot.py"
    assert files["loader/start.py"].parent == ROOT / "firmware/loader"


@built
@pytest.mark.parametrize("manifest", ["manifest.py", "../port/manifest.py"])
def test_nothing_that_opens_a_meter_is_frozen(name, manifest):
    tops = {target.split("/")[0].removesuffix(".py") for target in frozen(name, manifest)}
    assert tops <= {"asyncio", "machine", "_boot", "boot", "main", "console", "loader"}
    for path in BOARDS.glob(f"{name}/manifest.py"):
        assert "require(" not in path.read_text() + text("port", "manifest.py")


@built
def test_only_development_has_a_repl_and_only_production_the_console_that_does_not_listen(name):
    header, shared = text(name, "mpconfigboard.h"), text("port", "mpconfigmeter.h")
    assert '#include "../port/mpconfigmeter.h"' in header.splitlines()[-1]
    assert re.search(r"#ifndef (MICROPY_HW_ENABLE_UART_REPL)\n#define \1 \(0\)\n#endif", shared)
    variant = text("port", "mpconfigdevelopment.cmake")
    assert "MICROPY_HW_ENABLE_UART_REPL=1" in variant and "MICROPY_HW_ENABLE_UART_REPL" not in header
    assert "${CMAKE_CURRENT_LIST_DIR}/manifest.py" in variant
    assert "../port/mpconfigdevelopment.cmake" in text(name, "mpconfigvariant_DEVELOPMENT.cmake")
    assert "console.py" in frozen(name, "manifest.py") and "console.py" not in frozen(name, "../port/manifest.py")
    if settings(name)["chip"] == "esp32s3":  # its USB is a REPL, too
        for what in ("MICROPY_HW_ENABLE_USBDEV", "MICROPY_HW_USB_CDC", "MICROPY_HW_ESP_USB_SERIAL_JTAG"):
            assert re.search(rf"^#define {what} \(0\)$", header, re.M)


@built
def test_what_no_meter_uses_is_left_out(name):
    shared = text("port", "mpconfigmeter.h")
    for what in ("BLUETOOTH", "ESPNOW", "NETWORK_LAN"):
        assert f"#define MICROPY_PY_{what} (0)" in shared
    cmake = text("port", "mpconfigmeter.cmake")
    assert "set(MICROPY_PY_BTREE OFF)" in cmake and "boards/sdkconfig.ble" not in cmake
    assert config(text("port", "sdkconfig.meter"))["CONFIG_BT_ENABLED"] == "n"


@built
def test_the_chip_stops_before_its_flash_does_and_an_update_can_be_taken_back(name):
    found = config(text("port", "sdkconfig.meter"), text(name, "sdkconfig.board"))
    level = {"esp32": "7", "esp32s3": "4"}[settings(name)["chip"]]  # 2.80 and 2.84 V; flash and FRAM want 2.7
    assert found["CONFIG_ESP_BROWNOUT_DET"] == found[f"CONFIG_ESP_BROWNOUT_DET_LVL_SEL_{level}"] == "y"
    assert len([key for key in found if "LVL_SEL" in key]) == 1
    assert found["CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE"] == "y"


@built
def test_the_build_is_for_the_boards_chip_flash_and_partitions(name):
    found, cmake = settings(name), text(name, "mpconfigboard.cmake")
    assert f"set(IDF_TARGET {found['chip']})" in cmake
    assert cmake.index("IDF_TARGET") < cmake.index("include(${MICROPY_BOARD_DIR}/../port/mpconfigmeter.cmake)")
    assert config(text(name, "sdkconfig.board"))[f"CONFIG_ESPTOOLPY_FLASHSIZE_{found['flash_mib']}MB"] == "y"
    shared = text("port", "mpconfigmeter.cmake")
    assert "CONFIG_PARTITION_TABLE_CUSTOM=y" in shared and "${MICROPY_BOARD_DIR}/partitions-place.csv" in shared
    order = [shared.index(part) for part in ("sdkconfig.base", "/sdkconfig.meter", "/sdkconfig.board", "/sdkconfig.p")]
    listed = re.search(r"set\(SDKCONFIG_DEFAULTS(.+?)\)", shared, re.S)[1].split()
    assert [Path(part).name for part in listed] == [
        "sdkconfig.base", "sdkconfig.meter", "sdkconfig.board", "sdkconfig.partitions",
    ] and order  # fmt: skip
    assert f'"Pennywatt {name}"' in text(name, "mpconfigboard.h")
    assert "vfs" in {row.name for row in partition_table.parse_csv(text(name, "partitions-place.csv"))}


def test_the_guide_names_every_board_and_the_versions():
    guide = (BOARDS / "README.md").read_text()
    for name in names():
        assert f"`{name}`" in guide
    for name in BUILT:
        assert settings(name)["micropython"]["version"] in guide
    assert "v5.5.1" in guide and "BOARD_DIR=" in guide and "BOARD_VARIANT=DEVELOPMENT" in guide
