# SPDX-License-Identifier: Apache-2.0
"""The whole meter as either profile has it: the official MicroPython with modules in LittleFS, and ours, which runs
them where they lie in flash. What only the second does is in the second half."""

import pytest

from host_tests.bench import documents
from host_tests.bench.plant.flash import PLACE_VFS_SIZE, ROMFS_AT, ROMFS_SIZE, VFS_SIZE, NorFlash, Profile, read_file
from host_tests.system.test_slots import all_there, boot_state, bundle, meters, said
from scripts.image import romfs
from scripts.image.image import collect, in_place, pack

A, B = (ROMFS_AT + romfs.at(slot, ROMFS_SIZE) for slot in romfs.SLOTS)
AT_RESET = {"112k": 112_000 - 4_100, "96k": 96_000 - 4_100}  # as on the ESP32 port, whose own modules are C
LEAST = {Profile.STOCK: 35 * 1024, Profile.PLACE: 49 * 1024}  # heap free at a card: measures.py has the bars
both = pytest.mark.parametrize("profile", list(Profile))


def chip(profile, *more: tuple, folder=False) -> NorFlash:
    """A meter with 0.0.0.dev and more files in its file system; in place it is in LittleFS, too, if folder is true."""
    files = collect(documents.as_files(documents.settings(initial_credit="50.00")))
    if profile == Profile.STOCK:
        return NorFlash(pack(files | dict(more), VFS_SIZE))
    left, slots = in_place(files)
    left |= {path: c for path, c in files.items() if folder and path[:2] == "a/"}
    return NorFlash(pack(left | dict(more), PLACE_VFS_SIZE), romfs=romfs.partition(slots, ROMFS_SIZE))


def slots_held(b):
    data = bytes(b.plant.flash.data[ROMFS_AT : ROMFS_AT + ROMFS_SIZE])
    return [slot for slot in romfs.SLOTS if romfs.sealed(data, slot)]


# -- both profiles --------------------------------------------------------------------------------


@both
def test_it_starts_meters_and_takes_a_purchase(bench, profile):
    b = bench(load_w=3000, profile=profile, initial_credit="50.00")
    assert said(b, "SELFTEST board=esp32_devkit version=0.0.0.dev slot=a ")
    assert meters(b) and all_there(b)
    b.insert("good")
    b.run_s(5)
    assert b.state().purchase_count == 1 and b.meter.restarts == 0


@both
@pytest.mark.parametrize("heap", list(AT_RESET))
def test_the_firmware_finds_the_heap_that_the_port_leaves_it(bench, profile, heap):
    b = bench(profile=profile, heap=heap)
    free = next(int(line.split("=")[1]) for line in b.meter.console if line.startswith("BENCH"))
    assert abs(free - AT_RESET[heap]) <= 100


@both
def test_heap_is_left_at_a_households_card(bench, profile):
    b = bench(profile=profile, up_s=70)
    b.meter.watch_heap()
    b.insert("good")
    b.run_s(5)
    assert b.state().purchase_count == 1 and b.meter.heap_low >= LEAST[profile]


@both
def test_a_bundle_a_person_put_there_is_installed_and_confirmed_when_it_has_come_up(bench, profile):
    b = bench(load_w=3000, image=chip(profile, ("deploy.pwb", bundle())), up_s=15)
    assert said(b, "loader: version 1.1.0 in slot b") and said(b, "starts: version confirmed")
    assert boot_state(b) == (2, 0, 0)
    with pytest.raises(FileNotFoundError):
        read_file(b.plant.flash, "deploy.pwb")
    assert b.meter.restarts == 0 and meters(b) and all_there(b)


@both
def test_a_bundle_that_does_not_run_comes_back_from_after_three_starts(bench, profile):
    b = bench(load_w=3000, image=chip(profile, ("update.pwb", bundle(how="falls"))), up_s=110)
    assert len(said(b, "loader: version 1.1.0 in slot b", 3)) == 3
    assert boot_state(b) == (1, 0, 0) and meters(b)


@both
@pytest.mark.parametrize("moment", [1.4, 3.1])
def test_power_that_fails_in_an_install_leaves_one_of_the_two(bench, profile, moment):
    b = bench(load_w=3000, image=chip(profile, ("deploy.pwb", bundle())), up_s=0)
    b.run_s(moment)
    for _ in range(2):  # and again, not so far into the start that follows
        b.plug(False)
        b.plug(True)
        b.run_s(moment / 2 + 0.5)
    b.run_s(25)
    assert said(b, "loader: version 1.1.0 in slot b") and boot_state(b) == (2, 0, 0)
    assert b.meter.restarts == 0 and meters(b)


# -- in place -------------------------------------------------------------------------------------


def test_an_install_goes_into_the_other_slot_and_leaves_the_one_in_force(bench):
    flash = chip(Profile.PLACE, ("deploy.pwb", bundle()))
    before = bytes(flash.data[A:B])
    b = bench(image=flash, up_s=15)
    assert slots_held(b) == ["a", "b"] and bytes(flash.data[A:B]) == before
    assert flash.data[ROMFS_AT : ROMFS_AT + 4096] == b"\xff" * 4096


def test_with_the_slot_in_force_damaged_the_other_one_runs_at_once(bench):
    b = bench(load_w=3000, image=chip(Profile.PLACE, ("deploy.pwb", bundle())), up_s=15)
    b.plug(False)
    b.plant.flash.data[B + 5000] ^= 1
    b.plug(True)
    b.run_s(10)
    assert said(b, "loader: version 0.0.0.dev in slot a", 2) and boot_state(b) == (1, 0, 0)
    assert b.meter.restarts == 0 and meters(b)


def test_with_both_damaged_what_littlefs_has_runs(bench):
    flash = chip(Profile.PLACE, folder=True)
    flash.data[A] ^= 1
    b = bench(load_w=3000, image=flash, heap="112k", up_s=5)
    assert said(b, "loader: version 0.0.0.dev in slot a") and meters(b) and b.meter.restarts == 0


def test_with_none_it_says_so_and_a_bundle_ends_it(bench):
    flash = chip(Profile.PLACE)
    flash.data[A] ^= 1
    b = bench(image=flash, up_s=20)
    assert said(b, "RESCUE no slot can be started")
    flash = chip(Profile.PLACE, ("deploy.pwb", bundle()))
    flash.data[A] ^= 1
    b = bench(load_w=3000, image=flash, up_s=20)
    assert not said(b, "RESCUE", 0) and meters(b)


def test_the_first_tick_comes_in_two_seconds_with_the_slot_hashed(bench):
    b = bench(profile=Profile.PLACE, up_s=0)
    while len(b.tick_reads_us) < 2:  # the first read is the IC's start
        b.run_s(0.01)
    assert b.tick_reads_us[1] <= 2_000_000
    hashed = romfs.sealed(bytes(b.plant.flash.data[ROMFS_AT : ROMFS_AT + ROMFS_SIZE]), "a")
    assert hashed and len(hashed) > 100_000
