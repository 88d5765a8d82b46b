# SPDX-License-Identifier: Apache-2.0
"""The real mpremote against a real MicroPython with a raw REPL: code, files, resets, clocks, and what goes wrong.

Not tested: a board's USB chip, a watchdog that bites, an interpreter that is stopped while it runs something.
"""

import hashlib
import os
import pty
import sys
import threading
import time
from datetime import UTC, datetime

import pytest

from host_tests.stands.flash import devkit, needs_board
from host_tests.stands.wasm_repl import NEW_DS3231, Board
from scripts.board import console, ports, process
from scripts.board.device import Device
from scripts.board.errors import DeviceError, FullError, NoReplError, PortBusyError, UnpluggedError
from scripts.flash import clock, install

pytestmark = needs_board
RUNS = {"/boot.py": b"", "/main.py": b"import sys\nsys.modules['meter'] = sys\n", "/boot.bin": b"state"}


@pytest.fixture
def boards(tmp_path):
    made = []

    def make(*args, **kwargs):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Board(folder, *args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_code_runs_and_what_it_prints_comes_back(boards):
    device = Device(boards().port)
    assert device.run("import sys\nprint(sys.implementation.name, 6 * 7)") == "micropython 42\n"
    device.run("kept = 5")
    assert device.run("print(kept)") == "5\n"


def test_an_exception_on_the_board_is_a_sentence_with_its_last_line(boards):
    with pytest.raises(DeviceError, match=r"did not do what it was asked: ZeroDivisionError: divide by zero\. ") as e:
        Device(boards().port).run("1/0")
    assert e.value.exception.startswith("ZeroDivisionError")


def test_a_file_is_written_with_its_folders_and_read_back(boards):
    board, content, seen = boards(), bytes(range(256)) * 20 + b"\x04\x03\x01", []
    device = Device(board.port)
    device.put("/a/deep/file.bin", content, lambda done, total: seen.append((done, total)))
    assert board.files["/a/deep/file.bin"] == content
    assert list(board.files) == ["/a/deep/file.bin"]  # nothing is left beside it
    assert seen[-1] == (len(content), len(content)) and len(seen) > 1
    assert device.get("/a/deep/file.bin") == content
    assert device.hashes(["/a/deep/file.bin", "/none"]) == [hashlib.sha256(content).hexdigest(), ""]
    assert device.get("/none") is None


@pytest.mark.parametrize("size", [0, 1, 1536, 1537])
def test_files_of_all_sizes_arrive(boards, size):
    board = boards()
    Device(board.port).put("/file", b"\xa5" * size)
    assert board.files == {"/file": b"\xa5" * size}


def test_what_a_file_holds_is_on_no_command_line_for_everybody_can_read_those(boards, monkeypatch):
    board, seen, genuine = boards(), [], process.run
    monkeypatch.setattr(process, "run", lambda command, *more: seen.append(command) or genuine(command, *more))
    secret = b"household key 00112233445566778899aabbccddeeff"
    Device(board.port).put("/keys.json", secret)
    words = " ".join(word for command in seen for word in command)
    assert board.files["/keys.json"] == secret and "mpremote" in words
    assert len(words) < 4000 and "a2b_base64" not in words and "household" not in words


def test_a_file_that_is_there_already_is_not_written_again(boards):
    board = boards({"/file": b"same" * 1000})
    Device(board.port).put("/file", b"same" * 1000)
    assert b"_f.write" not in board.typed


def test_a_file_without_room_is_refused_before_a_byte_of_it_is_written(boards):
    board = boards({"/other": bytes(4096 * 10)}, blocks=16)
    with pytest.raises(FullError, match=r"has 24,576 bytes left, and /deploy\.pwb needs 30,000\. Remove what"):
        Device(board.port).put("/deploy.pwb", bytes(30_000))
    assert list(board.files) == ["/other"]


def test_a_file_system_that_fills_up_in_the_middle_keeps_the_old_file_and_no_half_one(boards):
    board = boards({"/deploy.pwb": b"old"}, blocks=5)
    device = Device(board.port)  # which is told a lie:
    device.run("import os\ndef _s(p):\n return (4096, 4096, 999, 999, 999, 0, 0, 0, 0, 255)\nos.statvfs = _s")
    with pytest.raises(FullError, match="file system is full"):
        device.put("/deploy.pwb", os.urandom(4096 * 8))
    assert board.files == {"/deploy.pwb": b"old"}


def test_a_file_that_reads_back_differently_is_no_success(boards, monkeypatch):
    from scripts.board import device as module

    board = boards({"/file": b"old"})
    genuine = module._parts
    monkeypatch.setattr(module, "_parts", lambda content, *more: genuine(content[:-1] + b"?", *more))
    with pytest.raises(DeviceError, match="reads back differently"):
        Device(board.port).put("/file", b"new content!")
    assert board.files == {"/file": b"old"}


def test_a_hard_reset_starts_the_board_anew_with_its_files(boards):
    board = boards(RUNS)
    device = Device(board.port)
    device.put("/kept", b"1")
    device.run("here = 1")
    device.reset()
    assert device.run("print('here' in globals())") == "False\n"
    assert board.resets == ["hard"] and board.files["/kept"] == b"1"


def test_mpremotes_own_soft_reset_runs_boot_py_and_not_main_py(boards):
    board = boards({"/boot.py": b"print('boot')\n", "/main.py": b"print('main')\n"})
    program = [sys.executable, "-m", "mpremote", "connect", board.port]
    done = process.run([*program, "soft-reset", "exec", "print(6*7)"], 20)
    assert done.code == 0 and done.out.split() == ["42"]
    assert board.resets == ["soft"]


def test_no_call_resets_the_board_by_itself_for_boot_py_counts_starts(boards):
    board = boards(RUNS)
    device = Device(board.port)
    device.run("pass")
    device.put("/x", b"1")
    device.get("/x")
    assert board.resets == []


def test_a_running_firmware_gets_an_hour_of_its_watchdog_and_its_heap_back(boards):
    board = boards(RUNS)
    assert Device(board.port).run("import sys\nprint('meter' in sys.modules)") == "False\n"
    assert board.look()["state"]["wdt_ms"] == 3_600_000


def test_a_start_that_was_stopped_on_purpose_is_none_of_those_that_end_in_safe_mode(boards):
    counted = b"import machine\nmachine.RTC().memory(b'\\x05\\x00')\n" + RUNS["/main.py"]
    board = boards(RUNS | {"/main.py": counted})
    Device(board.port).run("pass")
    assert board.look()["state"]["rtc_memory"] == ""


def test_a_board_whose_firmware_does_not_run_gets_no_watchdog(boards):
    board = boards({"/main.py": b"print('hello')"})
    Device(board.port).run("pass")
    assert board.look()["state"]["wdt_ms"] == 0


def test_a_board_whose_loader_waits_for_firmware_counts_as_running(boards):
    board = boards({"/boot.bin": b"state"})
    Device(board.port).run("pass")
    assert board.look()["state"]["wdt_ms"] == 3_600_000


def test_a_cable_pulled_between_two_calls_is_called_that(boards):
    board = boards()
    device = Device(board.port)
    device.run("pass")
    board.unplug()
    with pytest.raises(UnpluggedError, match="went away in the middle"):
        device.run("pass")


def test_a_cable_pulled_while_a_file_is_written_is_called_that(boards):
    board = boards()
    device = Device(board.port)
    device.run("pass")
    board.pull_after = len(board.typed) + 20_000
    with pytest.raises(UnpluggedError, match=r"Plug the cable in again, and start again from the beginning\."):
        device.put("/deploy.pwb", os.urandom(60_000))


def test_a_port_that_another_program_has_is_busy(boards):
    board = boards()
    device = Device(board.port)
    device.run("pass")
    with ports.opened(board.port):
        with pytest.raises(PortBusyError, match="Close the serial monitor"):
            device.run("pass")
        with pytest.raises(PortBusyError, match="Close the serial monitor"):
            Device(board.port).run("pass")


# -- nothing that answers -------------------------------------------------------------------------


@pytest.fixture
def mute(tmp_path):
    """A port where text comes, and nothing listens."""
    master, slave = pty.openpty()
    (tmp_path / "ttyUSB1").symlink_to(os.ttyname(slave))
    yield master, str(tmp_path / "ttyUSB1")
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    "said, remedy",
    [
        (b"", "answers like MicroPython. Press the board's reset button"),
        (b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD(USB/UART0/SDIO_REI_REO_V2))\r\nwaiting for download\r\n",
         "waits in its ROM loader. Press its reset button, without BOOT"),
        (b"invalid header: 0xffffffff\r\n" * 3, "holds no program. Run 'make flash' first"),
        (b"selftest: display: nothing answers\r\n", "its REPL is off: it is a production build"),
    ],
)  # fmt: skip
def test_what_is_no_repl_is_told_apart(mute, said, remedy):
    master, port = mute
    threading.Timer(0.2, os.write, (master, said)).start()
    with pytest.raises(NoReplError) as e:
        console.wake(port, 0.6)
    assert remedy in str(e.value)


# -- clocks ---------------------------------------------------------------------------------------


def test_the_clock_gets_utc_and_the_ds3231_as_its_driver_sets_it(boards, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        board = boards(ds3231=NEW_DS3231)
        before = datetime.now(UTC)
        utc, chip = clock.set_clock(Device(board.port), devkit())
        after = datetime.now(UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    state = board.look()["state"]
    year, month, day, weekday, hour, minute, second, _ = map(int, state["rtc"].split())
    there = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    assert before <= there and abs((after - there).total_seconds()) < 1
    assert utc == there.strftime("%Y-%m-%dT%H:%M:%SZ") and chip == "ok" and weekday == there.weekday()
    regs = bytes.fromhex(state["ds3231"])
    assert regs[:7].hex() == there.strftime("%S%M%H") + f"0{there.weekday() + 1}" + there.strftime("%d%m%y")
    assert regs[0x0E] == 0x1C and regs[0x0F] == 0x08  # it runs on its battery, the stop flag is down
    assert state["i2c"] == "0 22 21 100000"  # the devkit's bus


def test_a_board_without_a_ds3231_gets_its_own_clock_set(boards):
    board = boards()
    assert clock.set_clock(Device(board.port), devkit())[1] == "none"
    assert board.look()["state"]["rtc"] != "2000 1 1 5 0 0 0 0"


def test_the_firmwares_driver_believes_a_ds3231_set_by_this_tool(boards):
    from meter.core import calendar
    from meter.drivers.ds3231 import Ds3231

    board = boards(ds3231=NEW_DS3231)
    utc, _ = clock.set_clock(Device(board.port), devkit())
    regs = bytes.fromhex(board.look()["state"]["ds3231"])

    class Bus:
        def readfrom_mem_into(self, addr, reg, buf):
            buf[:] = regs[reg : reg + len(buf)]

    t = datetime.strptime(utc, "%Y-%m-%dT%H:%M:%SZ")
    assert Ds3231(Bus()).read() == calendar.utc(t.year, t.month, t.day, t.hour, t.minute, t.second)


def test_a_file_system_of_another_size_means_another_partition_table(boards):
    install.check_file_system(Device(boards(blocks=256).port), devkit())
    with pytest.raises(DeviceError, match=r"has 2,097,152 bytes, and esp32_devkit has 1,048,576: its partition table"):
        install.check_file_system(Device(boards(blocks=512).port), devkit())
