# SPDX-License-Identifier: Apache-2.0
"""Power fails at each program and each erase of what the loader writes, on a real LittleFS and in the partition romfs:
the version before or the new one is whole and is started, never none."""

import hashlib

import pytest

from host_tests.hostile import oracle
from host_tests.hostile.cases import HEAD_A, HEAD_B, IN_FORCE, NEW, OLD, bases, state, which
from host_tests.hostile.world import bundle, head_of, in_slot, on_meter

HEAD_NEW = hashlib.sha256(head_of(bundle(NEW))).digest()
AFTER = 12  # flash operations after an install has been stored: the bundle goes, the start on trial is counted
FIRST_INSTALL = (("/boot.bin", None), *((path, None) for path in in_slot("a", IN_FORCE)))
VERSIONS = {
    hashlib.sha256(content).hexdigest(): content
    for version in (OLD, IN_FORCE, NEW)
    for content in in_slot("a", version).values()
}


@pytest.fixture(scope="module", params=["LittleFS", "in place"])
def meter(request):
    with on_meter(in_place=request.param == "in place") as m:
        for name, files in bases().items():
            m.define(name, files)
        yield m


def version(start):
    """The version of the slot started, which is whole."""
    assert start["how"] == "ran", start
    slot = {"/a": 1, "/b": 2}[start["path"][1]]
    m = oracle.World(start["tree"], VERSIONS).whole(slot)
    assert m, f"slot {slot} was started, but is not whole"
    return m.version


def cut_everywhere(meter, base, changes, **how):
    """(versions that were started after a cut, in its order; starts after those); two ways for each cut to end."""
    whole = meter.run(base, changes, ["", ""], **how)
    assert whole["ops"] > 3 and not whole["wrong"]
    first, then = [], []
    for cut in range(whole["ops"]):
        for torn in (cut % 3, 3):  # nothing or a part of the last operation; all of it, but no more
            starts = ["", ""] if how else ["", "", ""]
            answer = meter.run(base, changes, starts, cut=cut, torn=torn, **how)
            seen = answer["starts"] if how else answer["starts"][1:]
            assert not answer["wrong"], "flash was programmed without an erase"
            assert how or answer["starts"][0]["how"] == "cut"
            first.append(version(seen[0]))
            then.append(version(seen[1]))
    return first, then


@pytest.mark.parametrize("name", ["/update.pwb", "/deploy.pwb"])
def test_an_install_goes_on_after_a_cut(meter, name):
    first, then = cut_everywhere(meter, "one", [(name, bundle(NEW))])
    assert set(first) == set(then) == {NEW}


def starts_that_end(meter, base, changes, op, n, last="", **how):
    """n starts that all end in this operation, by power ("") or the watchdog (None), and those after them."""
    memories = [""] + [last] * n + [None] * 2
    return meter.run(base, changes, memories, ends=[op] * n + [None] * 3, torn=3, **how)["starts"]


@pytest.mark.parametrize("name", ["/update.pwb", "/deploy.pwb"])
def test_an_install_that_the_watchdog_ends_is_tried_three_times(meter, name):
    changes = [(name, bundle(NEW))]
    installed = meter.run("one", changes, [""])["ops"] - AFTER
    for op in range(installed + AFTER):
        starts = starts_that_end(meter, "one", changes, op, 3, None)
        hows = [start["how"] for start in starts]
        assert hows[:3] == ["cut"] * 3 or op >= installed, op
        assert hows[3:] == ["ran"] * 3, op
        assert {version(start) for start in starts[3:]} <= {IN_FORCE, NEW}, op
        assert all(name not in start["tree"] for start in starts[3:]), op


def test_a_bundle_given_up_is_reported_to_the_firmware_once_and_may_come_again(meter):
    changes = [("/update.pwb", bundle(NEW)), ("/boot.bin", state(1, 0, b=bytes(32)))]
    starts = starts_that_end(meter, "one", changes, 3, 3, None)
    assert "loader: /update.pwb is given up: no start came past it" in meter.console
    assert starts[3]["memory"][8:10] == "01" and version(starts[3]) == IN_FORCE
    assert starts[3]["boot"] == state(1, 0, b=bytes(32)).hex()  # nothing of it is remembered


def test_removing_a_bundle_is_tried_three_times_too(meter):
    waits = (which(bundle(NEW)), 3, 0, 0, 0, 0)
    changes = [("/update.pwb", bundle(NEW)), ("/boot.bin", state(1, 0, waits=waits, b=bytes(32)))]
    answer = meter.run("one", changes, ["01000103", *[None] * 5], ends=[2] * 6, torn=0)
    assert [start["how"] for start in answer["starts"]] == ["cut"] * 3 + ["ran"] * 3
    assert {version(start) for start in answer["starts"][3:]} == {IN_FORCE}


def test_an_install_that_power_ends_is_tried_nineteen_times_more(meter):
    changes = [("/update.pwb", bundle(NEW))]
    installed = meter.run("one", changes, [""])["ops"] - AFTER
    for op in range(3, installed, 3):
        assert version(starts_that_end(meter, "one", changes, op, 5)[5]) == NEW, op
    starts = starts_that_end(meter, "one", changes, installed - 5, 22)
    assert [start["how"] for start in starts] == ["cut"] * 20 + ["ran"] * 5
    assert {version(start) for start in starts[20:]} == {IN_FORCE}


def test_the_only_firmware_there_is_is_tried_without_an_end(meter):
    for memory in ("", None):
        for base, more in (("bare", []), ("one", [("/a/run.mpy", b"M\6 damaged")])):
            changes = [("/deploy.pwb", bundle(NEW)), *more]
            starts = starts_that_end(meter, base, changes, 5, 30, memory)
            assert [start["how"] for start in starts[:30]] == ["cut"] * 30
            assert [version(start) for start in starts[30:]] == [NEW] * 3


def test_the_first_install_goes_on_after_a_cut(meter):
    first, _ = cut_everywhere(meter, "bare", [("/deploy.pwb", bundle(NEW))])
    assert set(first) == {NEW}


def test_an_install_over_a_failed_trial_goes_on_after_a_cut(meter):
    failed = state(1, 2, 3), ("/update.pwb", bundle(NEW))
    first, _ = cut_everywhere(meter, "two", [("/boot.bin", failed[0]), failed[1]])
    assert set(first) == {NEW}


def test_an_install_with_the_slot_in_force_damaged_spares_the_whole_one(meter):
    """Else the only version that is whole would be written over; a cut that takes the bundle, too, leaves none."""
    changes = [("/boot.bin", state(2, 0)), ("/b/run.mpy", b"M\6 damaged"), ("/update.pwb", bundle(NEW))]
    whole = meter.run("two", changes, ["", ""])
    assert [version(start) for start in whole["starts"]] == [NEW, NEW]
    for cut in range(whole["ops"]):
        answer = meter.run("two", changes, ["", "0100"], cut=cut, torn=cut % 4, lost="/update.pwb")
        assert version(answer["starts"][1]) in (IN_FORCE, NEW), cut


def test_a_bundle_lost_in_the_middle_leaves_the_version_in_force(meter):
    """The bundle is gone with the cut, as far as can be: the slot in force does not need it."""
    data = bundle(NEW)
    for cut in range(meter.run("two", [("/update.pwb", data)], ["", ""])["ops"]):
        answer = meter.run("two", [("/update.pwb", data)], ["", ""], cut=cut, lost="/update.pwb")
        assert version(answer["starts"][1]) in (IN_FORCE, NEW)


def test_a_start_on_trial_is_counted_or_not_begun(meter):
    first, _ = cut_everywhere(meter, "trial", [])
    assert set(first) == {OLD}  # the one on trial, in that file system
    for cut in range(4):
        answer = meter.run("trial", [], ["", "", "", ""], cut=cut)
        # No cut gives a fourth start.
        tried = [start for start in answer["starts"] if start["how"] == "ran" and start["path"][1] == "/b"]
        assert len(tried) <= 2


def test_the_end_of_a_trial_is_the_version_in_force(meter):
    first, then = cut_everywhere(meter, "two", [("/boot.bin", state(1, 2, 3))])
    assert set(first) == set(then) == {IN_FORCE}


def test_a_confirmation_is_done_or_not(meter):
    first, then = cut_everywhere(meter, "two", [("/boot.bin", state(1, 2, 1))], confirm=True)
    assert set(first) == set(then) == {OLD}
    whole = meter.run("two", [("/boot.bin", state(1, 2, 1))], [""], confirm=True)
    assert bytes.fromhex(whole["starts"][0]["boot"])[4:7] == b"\2\0\0"


def test_a_boot_state_made_anew_is_the_same_after_a_cut(meter):
    first, then = cut_everywhere(meter, "two", [("/boot.bin", None)])
    assert set(first) == set(then) == {IN_FORCE}


def test_another_slot_in_force_stays_so_after_a_cut(meter):
    whole = meter.run("two", [], ["0c00", ""])
    assert [start["path"][1] for start in whole["starts"]] == ["/b", "/b"]
    for cut in range(whole["ops"]):
        for torn in range(4):
            answer = meter.run("two", [], ["0c00", "0c00"], cut=cut, torn=torn)
            assert version(answer["starts"][1]) in (IN_FORCE, OLD)


def test_the_states_used_here_are_of_these_versions():
    assert {HEAD_A, HEAD_B, HEAD_NEW} == {
        hashlib.sha256(head_of(bundle(v))).digest() for v in (IN_FORCE, OLD, NEW)
    }
