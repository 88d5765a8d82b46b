# SPDX-License-Identifier: Apache-2.0
"""The whole firmware from two slots: versions that come, are tried, confirmed, or come back from."""

import hashlib
import struct
import time
import zlib
from functools import cache

import pytest
from meter.core import codes

from host_tests.bench import documents
from host_tests.bench.plant.flash import VFS_AT, VFS_SIZE, read_file
from host_tests.bench.run import process
from scripts.bundle import compile_mpy, demo_key, seal, slot_files, slot_modules
from scripts.bundle.format import head_of
from scripts.image.image import collect, pack

from .visits import ctrl_c

BOARD = "esp32_devkit"
APP = slot_modules(BOARD)["meter.wiring"]
COUNT_W_S = 11.25
BROKEN = {
    "cannot be imported": {APP: b"M\x06\x00"},
    "hangs": {"meter/__init__.mpy": compile_mpy(b"def run():\n    while True:\n        pass\n", "meter")},
    "falls": {"meter/__init__.mpy": compile_mpy(b"def run():\n    raise ValueError('fallen')\n", "meter")},
}


@cache
def image(*more: tuple, without: str = "") -> bytes:
    """A meter with 0.0.0.dev in slot a and more files: (path, content)."""
    files = collect(documents.as_files(documents.settings(initial_credit="50.00")))
    files = {path: c for path, c in files.items() if not without or not path.startswith(without)}
    return pack(files | dict(more))


@cache
def bundle(version: str = "1.1.0", how: str = "") -> bytes:
    return seal(slot_files(BOARD) | BROKEN.get(how, {}), BOARD, version, demo_key())


def boot_state(b):
    """(slot in force, slot on trial, its starts)"""
    return tuple(read_file(b.plant.flash, "boot.bin")[4:7])


def said(b, words, least=1):
    """The lines with these words. Virtual time is quicker than the thread that reads the console: wait for it."""
    give_up = time.monotonic() + 10
    while True:
        found = [line for line in list(b.meter.console) if words in line]
        if len(found) >= least or time.monotonic() > give_up:
            return found
        time.sleep(0.02)


def all_there(b):
    """Every count that has flowed is in the ledger, but for the tick that runs."""
    return 0 <= b.plant.meter_ic.lifetime(0x80) - b.state().import_counts <= 2 * 3000 / COUNT_W_S


def meters(b):
    before = b.state().import_counts
    b.run_s(10)
    return b.state().import_counts - before > 8 * 3000 / COUNT_W_S


# -- a version that is good -----------------------------------------------------------------------


def test_a_bundle_that_a_person_put_there_is_installed_and_confirmed_when_it_has_come_up(bench):
    b = bench(load_w=3000, image=image(("deploy.pwb", bundle())), up_s=15)
    assert said(b, "loader: version 1.1.0 in slot b") and said(b, "starts: version confirmed")
    assert boot_state(b) == (2, 0, 0)
    with pytest.raises(FileNotFoundError):
        read_file(b.plant.flash, "deploy.pwb")
    assert said(b, "SELFTEST board=esp32_devkit version=1.1.0 slot=b ")
    assert b.meter.restarts == 0 and meters(b) and all_there(b)


def test_a_bundle_that_was_sent_is_confirmed_after_five_minutes_and_not_before(bench):
    b = bench(load_w=3000, image=image(("update.pwb", bundle())), up_s=295)
    assert boot_state(b) == (1, 2, 1)
    b.run_s(30)
    assert boot_state(b) == (2, 0, 0) and said(b, "starts: version confirmed")
    assert b.meter.restarts == 0 and all_there(b)
    # In force for good: after power off and on it is started at once.
    b.plug(False)
    b.plug(True)
    b.run_s(3)
    assert said(b, "loader: version 1.1.0 in slot b")


def test_power_cuts_use_up_a_trial_as_well(bench):
    b = bench(load_w=3000, image=image(("update.pwb", bundle())))
    for tries in (1, 2, 3):
        assert boot_state(b) == (1, 2, tries)
        b.plug(False)
        b.plug(True)
        b.run_s(3)
    assert boot_state(b) == (1, 0, 0) and said(b, "loader: version 0.0.0.dev in slot a")


# -- a version that is not ------------------------------------------------------------------------


@pytest.mark.parametrize("how", BROKEN)
def test_a_version_that_does_not_run_comes_back_from_after_three_starts(bench, monkeypatch, how):
    monkeypatch.setattr(process, "_SILENT_S", 1)
    b = bench(load_w=3000, image=image())
    b.insert("good")
    b.run_s(5)
    b.insert(None)
    b.run_s(2)
    before = b.state()
    assert before.purchase_count == 1
    # The bundle comes, and the meter is told to restart. The metering IC counts on all the while.
    b.plant.flash.data[VFS_AT : VFS_AT + VFS_SIZE] = image(("update.pwb", bundle(how=how)))
    b.meter._restart(process.HARD_RESET)
    b.run_s(110)
    assert len(said(b, "loader: version 1.1.0 in slot b", 3)) == 3 and b.meter.restarts == 4
    assert boot_state(b) == (1, 0, 0)
    after = b.state()
    assert after.purchase_count == 1 and after.import_counts > before.import_counts
    assert meters(b) and all_there(b)


def test_a_version_on_trial_that_finds_the_fram_faulty_is_not_confirmed(bench):
    b = bench(load_w=3000, image=image(("update.pwb", bundle())), up_s=60)
    b.fault("fram", "absent")
    b.run_s(280)
    assert said(b, "it is not confirmed") and b.meter.restarts == 1
    assert boot_state(b) == (1, 2, 2)


# -- damage ---------------------------------------------------------------------------------------


def two_slots(*more):
    """0.0.0.dev in a, in force; 1.0.0 in b."""
    files = slot_files(BOARD)
    old, new = (head_of(seal(files, BOARD, version, demo_key())) for version in ("0.0.0.dev", "1.0.0"))
    hashes = (hashlib.sha256(head).digest() for head in (old, new))
    state = struct.pack("<4sBBBB32s32s12x", b"PWS2", 1, 0, 0, 0, *hashes)
    slot_b = tuple((f"b/{path}", content) for path, content in files.items())
    state += struct.pack("<I", zlib.crc32(state))
    return image(*slot_b, ("b/manifest", new), ("boot.bin", state), *more)


def test_with_a_file_of_the_slot_in_force_damaged_the_other_slot_runs_after_a_start_that_did_not_last(bench):
    damaged = bytearray(slot_files(BOARD)[APP])
    damaged[len(damaged) // 2 :] = bytes(len(damaged) - len(damaged) // 2)
    b = bench(load_w=3000, image=two_slots((f"a/{APP}", bytes(damaged))), up_s=60)
    assert said(b, f"loader: slot a: /a/{APP} is damaged")
    assert said(b, "loader: version 1.0.0 in slot b") and boot_state(b)[0] == 2
    assert b.meter.restarts <= 2 and meters(b) and all_there(b)


def test_with_a_file_of_the_slot_in_force_missing_the_other_slot_runs_at_once(bench):
    b = bench(load_w=3000, image=two_slots((f"a/{APP}", b"")), up_s=40)
    assert boot_state(b)[0] == 2 and meters(b)


# -- no slot at all -------------------------------------------------------------------------------


def test_with_no_slot_it_says_so_touches_no_relay_and_feeds_the_watchdog(bench):
    b = bench(load_w=3000, image=image(without="a/"), up_s=0)
    closed = b.plant.relay.closed
    b.run_s(120)
    assert said(b, "RESCUE no slot can be started: run `make deploy")
    assert len(said(b, "RESCUE", 10)) >= 10
    assert b.meter.restarts == b.meter.wdt_bites == 0 and b.plant.relay.closed == closed
    assert not b.plant.relay.pulses
    # Ten minutes later it tries again.
    b.run_s(500)
    assert b.meter.restarts == 1 and b.meter.wdt_bites == 0


def test_ctrl_c_ends_the_waiting_with_an_hour_to_repair(bench, monkeypatch):
    b = bench(image=image(without="a/"), up_s=15)
    waits = []
    # The process ends where a board would offer the REPL until the watchdog bites: how long is that?
    monkeypatch.setattr(b.meter, "_restart", lambda cause: waits.append((cause, b.plant.wdt_ms)) or b.meter._kill())
    ctrl_c(b)
    b.run_s(5)
    assert said(b, "KeyboardInterrupt") and waits == [(process.WDT_RESET, 3_600_000)]


def test_a_bundle_ends_it(bench):
    b = bench(load_w=3000, image=image(("deploy.pwb", bundle()), without="a/"), up_s=5)
    assert boot_state(b) == (2, 0, 0) or boot_state(b) == (1, 0, 0)
    assert not said(b, "RESCUE") and meters(b)


# -- nothing else is ever loaded ------------------------------------------------------------------


def test_a_file_left_anywhere_hides_no_module(bench):
    loud = b"print('SHADOW')\nraise SystemExit\n"
    names = ("board.py", "meter.py", "lib/board.py", "loader.py", "boot/board.py", "boot/meter/__init__.py")
    names += ("meter/__init__.py", "meter/wiring.py", "asyncio.py", "b/board.py")
    names += ("a/board.py", "a/meter/app.py", "a/meter/x.py")
    names += ("boot/os.py", "boot/machine.py", "boot/hashlib.py", "boot/loader.py", "boot/loader/__init__.py")
    b = bench(load_w=3000, image=image(*((name, loud) for name in names)))
    assert said(b, "boot: removed /boot/loader/__init__.py") and said(b, "boot: removed /boot/hashlib.py")
    assert said(b, "loader: removed /a/meter/app.py") and said(b, "loader: removed /a/meter/x.py")
    assert not said(b, "SHADOW")
    assert b.meter.restarts == 0 and meters(b)
    assert not any(e.code == codes.LOG_TASK_CRASH for e in b.events())
