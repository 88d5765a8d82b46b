# SPDX-License-Identifier: Apache-2.0
"""Slots that run in place: what the loader writes there, what it starts from it, and what it makes of damage."""

import contextlib
import io

import pytest

from host_tests.hostile import world
from host_tests.hostile.cases import HEAD_A, HEAD_B, IN_FORCE, NEW, OLD, bases, state
from host_tests.hostile.world import BOARD, OPERATOR, PARTITION, STRANGER, bundle, files_of, firmware, head_of
from scripts.bundle import loader_files, seal
from scripts.image import romfs

A, B = (romfs.at(slot, PARTITION) for slot in romfs.SLOTS)
SEAL_A = B - romfs.SEAL


@pytest.fixture(scope="module", params=["sources", "linked"])
def meter(request):
    with world.on_meter(linked=request.param == "linked", in_place=True) as m:
        for name, files in bases().items():
            m.define(name, files)
        yield m


def with_manifest(files, version):
    return {**files, "manifest": head_of(seal(files, BOARD, version, OPERATOR))}


def image_in(answer, slot, meter):
    return meter.images[answer["starts"][-1]["images"][slot][0]]


# -- the image ------------------------------------------------------------------------------------


ODD = {
    "as bundles are": firmware(NEW),
    "a module beside a folder of its name": {"a.mpy": b"1", "a/b.mpy": b"22", "a_.mpy": b"", "a0/c/d/e.mpy": b"3"},
    "lengths at the edges of a number": {f"m{n}.mpy": bytes(n) for n in (0, 1, 127, 128, 129, 255, 256)},
    "of an odd length": {"x.mpy": b"1"},
    "of an even length": {"x.mpy": b"12"},
    "a length of three bytes": {"x.mpy": bytes(17_000)},
}


def mpremotes(tmp_path, files):
    builder = pytest.importorskip("mpremote.romfs", reason="mpremote is a device tool: make device-tools")
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()):
        return builder.make_romfs(str(tmp_path), mpy_cross=False)


@pytest.mark.parametrize("files", ODD.values(), ids=ODD)
def test_the_image_made_here_is_byte_for_byte_mpremotes(tmp_path, files):
    files = with_manifest(files, NEW)
    assert romfs.image(files) == mpremotes(tmp_path, files)
    assert files_of(romfs.image(files)) == {f"/{path}": content for path, content in files.items()}


@pytest.mark.parametrize("files", ODD.values(), ids=ODD)
def test_the_meter_writes_the_same_image(meter, files):
    answer = meter.run("one", [("/update.pwb", seal(files, BOARD, NEW, OPERATOR))], [""])
    start = answer["starts"][0]
    assert start["how"] == "ran" and start["path"] == [".frozen", "/b"] and start["place"] == ["/b"], meter.console
    assert image_in(answer, "b", meter) == romfs.image(with_manifest(files, NEW))
    assert not answer["wrong"], "flash was programmed without an erase"


def test_a_bundle_larger_than_a_slot_is_refused_and_nothing_changes(meter):
    files = {f"m{n}.mpy": bytes(4096) for n in range(5)}
    answer = meter.run("two", [("/update.pwb", seal(files, BOARD, NEW, OPERATOR))], ["", ""])
    assert any("more than a slot has" in line for line in meter.console)
    assert [start["path"][1] for start in answer["starts"]] == ["/a", "/a"]
    assert set(answer["starts"][0]["images"]) == {"a", "b"}


def test_nothing_of_a_slot_is_written_for_a_bundle_that_is_refused(meter):
    for data in (bundle(NEW, STRANGER), bundle(NEW, board="esp32s3_devkit"), bundle(NEW)[:-1], bundle(NEW) + b"x"):
        answer = meter.run("two", [("/update.pwb", data)], [""])
        assert set(answer["starts"][0]["images"]) == {"a", "b"} and answer["starts"][0]["path"][1] == "/a"


# -- what is started ------------------------------------------------------------------------------


def test_the_slot_in_force_is_started_in_place(meter):
    start = meter.run("two", [], [""])["starts"][0]
    assert start["path"] == [".frozen", "/a"] and start["place"] == ["/a"]


def places(image):
    """Every byte of an image that is large in what it means, and some of each file's."""
    return [*range(40), *range(40, len(image), 97)]


def test_any_damage_to_the_slot_in_force_makes_the_other_one_start(meter):
    data = romfs.partition({"a": {p[3:]: c for p, c in world.in_slot("a", IN_FORCE).items()}}, PARTITION)
    image = romfs.sealed(data, "a")
    assert image
    for at in (*(A + n for n in places(image)), *range(SEAL_A, SEAL_A + 36)):
        answer = meter.run("two", [], ["", ""], patches=[(at, bytes((data[at] ^ 4,)))])
        assert [start["path"][1] for start in answer["starts"]] == ["/b", "/b"], at
        assert answer["starts"][0]["place"] == ["/b"]


def test_a_slot_that_has_another_version_than_the_boot_state_says_is_not_started(meter):
    answer = meter.run("two", [("/boot.bin", state(1, 0, a=HEAD_B))], [""])
    assert answer["starts"][0]["path"][1] == "/b"


def test_with_the_boot_state_lost_the_newer_of_the_signed_ones_is_started(meter):
    answer = meter.run("two", [("/boot.bin", None)], ["", ""])
    assert [start["path"][1] for start in answer["starts"]] == ["/a", "/a"]


def test_an_image_whole_but_signed_by_nobody_is_not_found(meter):
    strange = {**firmware("9.9.9"), "manifest": head_of(bundle("9.9.9", STRANGER))}
    patch = (B, romfs.slot(strange, PARTITION))
    answer = meter.run("two", [("/boot.bin", None)], [""], patches=[patch])
    assert answer["starts"][0]["path"][1] == "/a"


def test_with_both_damaged_what_littlefs_has_is_started(meter):
    answer = meter.run("bare", list(world.in_slot("b", OLD).items()), ["", ""], patches=[(A, b"\0"), (B, b"\0")])
    assert [start["path"] for start in answer["starts"]] == [[".frozen", "/b"]] * 2
    assert [start["place"] for start in answer["starts"]] == [[], []]


def test_a_folder_left_in_littlefs_hides_nothing_of_what_is_in_place(meter):
    answer = meter.run("two", [("/a/meter.py", b"raise SystemExit"), ("/a/x.mpy", b"M\6 more")], ["", "02"])
    assert [start["place"] for start in answer["starts"]] == [["/a"], ["/a"]]


def test_with_none_whole_it_stays_in_the_loader(meter):
    answer = meter.run("two", [], [""], patches=[(A, b"\xff" * 64), (B, b"\xff" * 64)])
    assert answer["starts"][0]["how"] == "rescue"


def test_a_bundle_ends_it(meter):
    patches = [(A, b"\xff" * 64), (B, b"\xff" * 64)]
    answer = meter.run("two", [("/deploy.pwb", bundle(NEW))], ["", ""], patches=patches)
    assert [len(start["place"]) for start in answer["starts"]] == [1, 1]


@pytest.mark.parametrize("at", [0, 1, romfs.BLOCK - 1])
def test_the_first_block_says_nothing(meter, at):
    """But for the port, which mounts what begins there: so it must stay without the magic."""
    answer = meter.run("two", [], [""], patches=[(at, b"\0")])
    assert answer["starts"][0]["path"][1] == "/a"


def test_the_blank_block_is_never_written(meter):
    answer = meter.run("one", [("/update.pwb", bundle(NEW))], [""], patches=[(0, b"as it was")])
    assert answer["first"] == b"as it was".hex()


def test_without_the_partition_slots_are_in_littlefs():
    """Our own build on a board whose table is the stock one."""
    with world.on_meter(in_place=True, has_romfs=False) as meter:
        meter.define("one", bases()["one"])
        answer = meter.run("one", [("/deploy.pwb", bundle(NEW))], ["", ""])
        assert [start["path"] for start in answer["starts"]] == [[".frozen", "/b"]] * 2
        assert [start["place"] for start in answer["starts"]] == [[], []]
        assert {p for p in answer["starts"][0]["tree"] if p.startswith("/b/")} >= set(world.in_slot("b", NEW))


# -- the stock loader has nothing of it -----------------------------------------------------------


def test_the_loader_of_stock_micropython_leaves_it_out():
    stock, whole = (loader_files(BOARD, bytes(32), in_place=here)["boot/loader.mpy"] for here in (False, True))
    assert len(stock) < len(whole) - 1500
    assert b"\xd2\xcd\x31" in whole and b"\xd2\xcd\x31" not in stock and b"VfsRom" not in stock


def test_the_states_used_here_are_of_these_slots():
    assert bases()["two"]["/boot.bin"] == state(1, 0, a=HEAD_A, b=HEAD_B)
