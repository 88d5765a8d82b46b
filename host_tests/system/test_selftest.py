# SPDX-License-Identifier: Apache-2.0
"""The self-test at start: what is there and what is not, on the console, on the display, and in a line for programs.

The meter is up whatever it finds, and takes what is connected later into use.
"""

import re
import shutil
import time

import pytest
from meter.core import codes

from host_tests.bench import documents
from host_tests.bench.port import ops
from host_tests.bench.run import board as boards
from host_tests.bench.run.session import Bench
from scripts.bundle import firmware
from scripts.chips import I2cTimeout
from scripts.image.image import collect, pack

from .visits import ctrl_c

# What the line may say. Every value is one word.
WORDS = {
    "meter_ic": "ok missing",
    "display": "ok missing",
    "clock": "ok missing unset",
    "fram": "ok missing fault off",
    "card": "ok missing off",
    "relay": "open closed fault",
    "storage": "ok missing fault",
    "settings": "ok none",
    "tariff": "ok none",
    "keys": "ok none",
    "result": "ok fail",
    "slot": "a b",
    "reset": "power hard watchdog deepsleep soft",
}
PATTERNS = {"board": r"\w+", "version": r"[\w.+-]+", "micropython": r"\d+\.\d+\.\d+", "heap": r"\d+",
            "idf_free": r"\d+", "idf_largest": r"\d+"}  # fmt: skip
SOON_S = 5.0  # after power on the self-test has been said, if every part answers
WRONG = {"missing", "unset", "none", "fault"}
# Part of the line -> what the bench calls it, and the pins and addresses of boards/esp32_devkit.
PARTS = {
    "meter_ic": ("atm90e32", ("18", "23", "19", "5")),
    "display": ("lcd", ("0x27", "22", "21")),
    "clock": ("rtc", ("0x68", "22", "21")),
    "fram": ("fram", ("0x50", "22", "21")),
    "card": ("pn532", ("0x24", "26", "25", "14")),
}


def parsed(line):
    """The SELFTEST line as a dict; anything that is not as documented is an error."""
    words = line.split(" ")
    assert words[0] == "SELFTEST" and "" not in words
    values = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        assert equals and key not in values, word
        allowed = PATTERNS.get(key) or "|".join(WORDS[key].split())
        assert re.fullmatch(allowed, value), word
        values[key] = value
    assert values.keys() == WORDS.keys() | PATTERNS.keys()
    assert (values["result"] == "fail") == bool(WRONG & {values[key] for key in WORDS})
    return values


class Console:
    """What the meter says."""

    def __init__(self, bench):
        self.lines = []
        bench.meter.on_line = self.lines.append

    def tests(self, at_least=0):
        """Each SELFTEST line, parsed. What has been said may be on its way here: n are waited for."""
        patience = time.monotonic() + 10
        while True:
            lines = [line for line in self.lines if "SELFTEST" in line]
            if len(lines) >= at_least or time.monotonic() > patience:
                return [parsed(line) for line in lines]
            time.sleep(0.01)

    def about(self, name):
        """What the human lines say of a part."""
        return [line.split(None, 2)[2] for line in self.lines if line.startswith(f"selftest: {name} ")]

    def text(self):
        return "\n".join(self.lines)


@pytest.fixture
def dark():
    """Makes meters with the plug out: dark(absent=("fram",), modes={"rtc": "stopped"}, …) gives (bench, console)."""
    made = []

    def make(absent=(), modes=None, **kwargs):
        b = Bench(up=False, **kwargs)
        made.append(b)
        for part in absent:
            b.fault(PARTS[part][0], "absent")
        for part, mode in (modes or {}).items():
            b.fault(part, mode)
        return b, Console(b)

    yield make
    for b in made:
        b.close()


def started(b, console, up_s=SOON_S):
    """Power on. Return what the self-test says, soon and once."""
    b.plug(True)
    b.run_s(SOON_S)
    while not console.tests() and b.plant.clock.now_us < 20_000_000:
        b.run_s(0.1)
    (values,) = console.tests(1)
    b.run_s(up_s - SOON_S)
    assert len(console.tests()) == 1
    return values


def wrong(values):
    """What is not as it should be. (parsed() has compared the result with it.)"""
    return {key: value for key, value in values.items() if value in WRONG}


def screens(b, seconds):
    seen = []
    for _ in range(round(seconds * 5)):
        b.run_s(0.2)
        if not seen or seen[-1] != b.screen():
            seen.append(b.screen())
    return seen


def until(b, ready, limit_s=60.0):
    """Seconds until it is so."""
    begun_us = b.plant.clock.now_us
    while not ready():
        b.run_s(0.5)
        assert b.plant.clock.now_us - begun_us < limit_s * 1e6, "it never came"
    return (b.plant.clock.now_us - begun_us) / 1e6


# -- all there, and nothing -------------------------------------------------------------------------


def test_all_there_is_said_once_and_briefly_and_then_the_balance_is_shown(dark):
    b, console = dark()
    b.plug(True)
    seen = screens(b, 4)
    (values,) = console.tests(1)
    assert not wrong(values)
    assert values["relay"] == "closed" and values["reset"] == "power" and values["slot"] == "a"
    assert (values["board"], values["version"]) == ("esp32_devkit", "0.0.0.dev")
    assert int(values["heap"]) > 20_000
    said = next(i for i, screen in enumerate(seen) if "Self-test: ok" in screen)
    assert all("Self-test" not in screen and "Credit" in screen for screen in seen[said + 1 :]) and seen[said + 1 :]


@pytest.mark.parametrize("miso", ["absent", "wedged"], ids=["MISO high", "MISO low"])
def test_with_nothing_attached_it_comes_up_and_names_every_part_with_its_pins(dark, miso):
    b, console = dark(absent=PARTS, modes={"atm90e32": miso})
    values = started(b, console)
    assert wrong(values) == dict.fromkeys(PARTS, "missing")
    for name, (_, pins) in PARTS.items():
        (said,) = console.about(name)
        assert said.startswith("missing: check ")
        assert set(pins) <= set(re.findall(r"\w+", said)), said


def test_with_nothing_attached_it_stays_up_for_an_hour_and_keeps_trying(dark):
    b, console = dark(absent=PARTS)
    started(b, console)
    transfers = b.plant.buses[0].transfers
    b.run_s(3600)
    assert b.meter.alive and b.meter.restarts == 0
    assert b.plant.wdt_ms == 30_000 and b.plant.clock.now_us - b.plant.wdt_fed_us < 5_000_000
    assert b.plant.buses[0].transfers - transfers > 1000
    assert len(console.tests()) == 1


class Ended(Exception):
    """The program is over, and the watchdog has this long to go."""


@pytest.mark.parametrize("absent", [(), PARTS], ids=["all there", "nothing there"])
def test_ctrl_c_ends_the_program_and_gives_who_typed_it_an_hour(dark, monkeypatch, absent):
    b, console = dark(absent=absent)
    started(b, console, 5)

    def restart(cause):
        raise Ended(b.plant.wdt_ms)

    monkeypatch.setattr(b.meter, "_restart", restart)
    ctrl_c(b)
    with pytest.raises(Ended) as ended:
        b.run_s(10)
    assert ended.value.args == (3_600_000,)
    assert console.lines[-1].startswith("Stopped. machine.reset() starts the meter again")
    assert "Traceback" not in console.text()


# -- one part -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PARTS)
def test_a_part_missing_alone_is_the_one_that_is_named(dark, name):
    b, console = dark(absent=(name,))
    b.plug(True)
    seen = screens(b, 4)
    (values,) = console.tests(1)
    assert wrong(values) == {name: "missing"}
    if name == "display":
        assert not any(screen.strip() for screen in seen)
    else:
        assert any(f"Self-test: look at {name}" in screen for screen in seen)
    assert b.meter.restarts == 0


def test_names_that_do_not_fit_one_row_go_on_in_the_next_whole(dark):
    b, console = dark(absent=("meter_ic", "clock", "fram", "card"))
    started(b, console)
    assert [row.rstrip() for row in b.lcd()[1:]] == ["Self-test: look at", "meter_ic clock fram", "card"]


@pytest.mark.parametrize(
    "name, part, mode, value",
    [
        ("clock", "rtc", "stopped", "unset"),
        ("clock", "rtc", "wedged", "missing"),
        ("fram", "fram", "garbage", "fault"),
        ("fram", "fram", "wedged", "missing"),
        ("display", "lcd", "wedged", "missing"),
        ("card", "pn532", "jammed", "missing"),
        ("card", "pn532", "garbage", "missing"),
        ("meter_ic", "atm90e32", "garbage", "missing"),
        ("relay", "relay", "sense low", "fault"),
    ],
)
def test_a_part_that_is_there_but_not_as_it_should_be_is_no_ok(dark, name, part, mode, value):
    b, console = dark(modes={part: mode})
    values = started(b, console, 4)
    assert wrong(values) == {name: value}
    assert b.meter.restarts == 0


def test_a_reader_that_wedges_until_it_is_reset_is_reset_and_ok(dark):
    b, console = dark(modes={"pn532": "wedged"})
    started(b, console)
    assert not wrong(console.tests()[0])


def test_a_floating_relay_sense_is_survived(dark):
    b, console = dark(modes={"relay": "sense noise"})
    started(b, console, 30)
    assert b.meter.restarts == 0 and b.state().import_counts > 0


def test_both_buses_held_low_for_ever_are_survived(dark):
    b, console = dark(modes={"atm90e32": "wedged"})

    def held(data, read):
        raise I2cTimeout(0)

    for bus in b.plant.buses:
        bus.disturb = dict.fromkeys(range(128), held)
    values = started(b, console, 120)
    assert wrong(values) == dict.fromkeys(PARTS, "missing")
    assert b.meter.restarts == 0


def test_what_becomes_of_a_card_is_not_hidden_by_the_self_test(dark):
    b, console = dark()
    b.insert("good")
    b.plug(True)
    seen = screens(b, 7)
    assert any("Credit added 20.00 EUR" in screen for screen in seen)
    assert not any("Self-test" in screen for screen in seen)
    assert not wrong(console.tests(1)[0])  # programs are told all the same


# -- connected later ------------------------------------------------------------------------------


def test_a_fram_connected_later_is_read_and_metering_begins_and_the_line_comes_again(dark):
    b, console = dark(absent=("fram",))
    started(b, console, 20)
    b.fault("fram", "none")
    took_s = until(b, lambda: len(console.tests()) == 2)
    assert took_s <= 5, took_s
    assert wrong(console.tests()[0]) == {"fram": "missing"}
    assert not wrong(console.tests()[1])
    b.run_s(3)
    assert b.state().import_counts > 0
    assert b.meter.restarts == 0


# The limits are what the tasks' own back-off allows: metering and card desk 30 s, clock 60 s, display 10 s.
@pytest.mark.parametrize(
    "name, bit, limit_s",
    [
        ("meter_ic", codes.FAULT_METER_IC, 31),
        ("display", codes.FAULT_DISPLAY, 11),
        ("clock", codes.FAULT_CLOCK, 61),
        ("card", codes.FAULT_CARD_READER, 31),
    ],
)
def test_a_part_connected_later_is_picked_up(dark, name, bit, limit_s):
    b, console = dark(absent=(name,))
    started(b, console, 17)

    def cleared():
        return [e.value for e in b.events() if e.code == codes.LOG_FAULT_CLEARED] == [bit]

    assert not cleared()
    b.fault(PARTS[name][0], "none")
    took_s = until(b, cleared, limit_s)
    print(f"{name}: works {took_s:.1f} s after it has been connected")
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1
    assert b.screen().strip() and b.state().import_counts > 0
    assert len(console.tests()) == 1


def test_all_connected_after_a_minute_it_meters_shows_and_serves_a_card(dark):
    b, console = dark(absent=PARTS)
    started(b, console, 60)
    for part, _ in PARTS.values():
        b.fault(part, "none")
    took_s = until(b, lambda: len(console.tests()) == 2, 10)
    print(f"all: self-test again {took_s:.1f} s after they have been connected")
    b.run_s(65)  # the clock is asked every minute
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1 and "Credit" in b.screen()
    assert b.meter.restarts == 0


# -- documents, flash, other boards, safe mode -----------------------------------------------------


def image(changes):
    """The file system with other documents; None: without that one."""
    docs = {**documents.as_files(documents.settings(), None), **changes}
    return pack(collect({name: content for name, content in docs.items() if content is not None}))


@pytest.mark.parametrize("name", ["settings", "tariff", "keys"])
@pytest.mark.parametrize("how", ["missing", "refused"])
def test_a_document_missing_or_refused_is_none(dark, name, how):
    file = f"{name}.json"
    b, console = dark(image=image({file: None if how == "missing" else b'{"version": '}))
    values = started(b, console)
    # A tariff must be of the settings' currency, and keys are this meter's: more than one may be none.
    assert values[name] == "none" and values["result"] == "fail"
    assert set(wrong(values).values()) == {"none"}


def test_nothing_secret_is_said(dark):
    b, console = dark(absent=("card",))
    started(b, console)
    files = documents.as_files(documents.settings(), None)
    secrets = re.findall(r"[0-9a-fA-F]{32}", files["keys.json"].decode())
    assert secrets and not any(secret.lower() in console.text().lower() for secret in secrets)


def test_a_flash_worn_out_is_survived(dark):
    b, console = dark()
    b.plant.flash.bad_sectors.update(range(0x200, 0x400))
    started(b, console, 30)
    assert b.meter.restarts == 0 and b.state().import_counts > 0


@pytest.mark.parametrize("absent", [(), [name for name in PARTS if name != "fram"]], ids=["all there", "nothing there"])
def test_a_board_without_fram_has_it_off(dark, absent):
    b, console = dark(absent=absent, board="esp32_nofram")
    values = started(b, console, 4)
    assert values["board"] == "esp32_nofram" and values["fram"] == "off"
    assert wrong(values) == dict.fromkeys(absent, "missing")


@pytest.mark.parametrize(
    "absent, mode", [((), "none"), (("fram",), "none"), (PARTS, "absent"), (PARTS, "wedged")]
)  # fmt: skip
def test_the_other_metering_ic_is_found_as_well_with_and_without_a_ledger(dark, absent, mode):
    b, console = dark(absent=absent, modes={"atm90e32": mode}, board="esp32_atm90e26")
    values = started(b, console, 4)
    assert values["meter_ic"] == ("ok" if mode == "none" else "missing")


@pytest.mark.parametrize("absent", [(), ("fram",)], ids=["ledger", "no ledger"])
@pytest.mark.parametrize("starts", [6, 9], ids=["safe", "safe without display"])
def test_in_safe_mode_nobody_looks_at_the_card_reader(dark, monkeypatch, absent, starts):
    b, console = dark(absent=absent)
    power_on = b.plant.power_on

    def after_starts_that_did_not_last():
        power_on()
        memory = bytes((starts - 1, 0))
        b.plant.buf[ops.RTC_AT : ops.RTC_AT + 4] = len(memory).to_bytes(2, "little") + memory

    monkeypatch.setattr(b.plant, "power_on", after_starts_that_did_not_last)
    values = started(b, console, 4)
    assert values["card"] == "off"
    assert wrong(values) == dict.fromkeys(absent, "missing")


# -- the self-test itself falls -------------------------------------------------------------------


@pytest.fixture
def changed(tmp_path):
    """changed("meter/upkeep/selftest.py", was, will_be): the file system with the firmware changed so."""

    def make(path, was, will_be):
        copy = tmp_path / "firmware"
        shutil.copytree(firmware.ROOT / "firmware", copy)
        text = (copy / path).read_text()
        assert text.count(was) == 1
        (copy / path).write_text(text.replace(was, will_be))
        return pack(collect(documents.as_files(documents.settings(), None), firmware=copy))

    return make


@pytest.mark.parametrize("absent", [(), ("fram",)], ids=["ledger", "no ledger"])
@pytest.mark.parametrize(
    "path, was, will_be",
    [
        ("meter/upkeep/selftest.py", "    wrong = []\n", "    wrong = [][0]\n"),
        ("meter/upkeep/selftest.py", "import gc\n", "import gc_that_is_not_there as gc\n"),
        ("meter/upkeep/starts.py", "def up() -> None:\n", "def up() -> None:\n    [][0]\n"),
    ],
    ids=["run", "load", "confirm"],
)
def test_a_self_test_that_falls_is_reported_and_the_meter_meters(dark, changed, absent, path, was, will_be):
    b, console = dark(absent=absent, image=changed(path, was, will_be))
    b.plug(True)
    b.run_s(5)
    b.fault("fram", "none")
    b.run_s(10)
    assert "task selftest fell: selftest" in console.text()
    assert b.meter.restarts == 0 and b.state().import_counts > 0
    assert b.crashes()[-1].text.decode().startswith("selftest\n")
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1


# -- buses by software ----------------------------------------------------------------------------


@pytest.fixture
def soft(tmp_path, monkeypatch):
    """soft(CARD_SCL=4): a board of that name, esp32_devkit with all buses by software and these changes. Return the
    name."""

    def make(**changes):
        shutil.copytree(firmware.ROOT / "boards/esp32_devkit", tmp_path / "boards/soft")
        (tmp_path / "firmware").symlink_to(firmware.ROOT / "firmware")
        text = "from boards.esp32_devkit.board import *\n"
        for name, value in {"SOFT_SPI": 1, "SOFT_I2C": 3, **changes}.items():
            assert hasattr(boards.load_board(), name)
            text += f"{name} = {value}\n"
        (tmp_path / "boards/soft/board.py").write_text(text)
        monkeypatch.setattr(firmware, "ROOT", tmp_path)
        monkeypatch.setattr(boards, "BOARDS", tmp_path / "boards")
        return "soft"

    return make


def test_all_buses_by_software_meter_show_and_serve_a_card(dark, soft):
    b, console = dark(board=soft())
    used = set()
    bus = b.plant._bus

    def seen(number):
        used.add(number)
        return bus(number)

    b.plant._bus = seen
    b.load(3000)
    started(b, console, 10)
    assert not wrong(console.tests()[0])
    assert used == {0x80 | 22, 0x80 | 26}, "a bus of the hardware was used"
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1
    b.run_s(10)
    assert b.state().import_counts > 15 * 3000 / 11.25 and b.screen().strip()
    assert b.meter.restarts == 0


@pytest.mark.parametrize("pin, missing", [("I2C_SCL", ("display", "clock", "fram")), ("CARD_SCL", ("card",))])
def test_a_bus_by_software_on_wrong_pins_finds_nobody(dark, soft, pin, missing):
    b, console = dark(board=soft())
    # The firmware takes the pins of the board file; the wires go elsewhere.
    del b.plant._soft_buses[getattr(b.board, pin)]
    started(b, console, 4)
    assert wrong(console.tests()[0]) == dict.fromkeys(missing, "missing")


# -- heap -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [(), ("fram",)], ids=["all there", "FRAM later"])
def test_it_starts_and_serves_a_card_in_84_kib(dark, late):
    b, console = dark(absent=late, heap="84k")
    started(b, console, 20)
    b.fault("fram", "none")
    b.run_s(20)
    b.insert("good")
    b.run_s(20)
    assert b.meter.restarts == 0 and len(console.tests()) == 1 + len(late)
    assert b.state().purchase_count == 1 and b.state().import_counts > 0
