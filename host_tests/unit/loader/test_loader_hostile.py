# SPDX-License-Identifier: Apache-2.0
"""A sample of the hostile bundles and boot states (`make hostile` runs 10,000): hostile/__main__.py."""

import hashlib

import pytest

from host_tests.hostile import __main__, oracle
from host_tests.hostile.cases import WAYS, bases, state
from host_tests.hostile.world import bundle, firmware, on_meter

SEED = 2
SAMPLE = 252  # eighteen of each way


@pytest.fixture(scope="module", params=["LittleFS", "in place"])
def meter(request):
    with on_meter(linked=True, in_place=request.param == "in place") as m:
        __main__.define(m)
        yield m


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_a_good_slot_is_started_or_none_is_whole(meter, way):
    wrong = {}
    for number in range(way, SAMPLE, len(WAYS)):
        kind, sentences, _ = __main__.run(meter, SEED, number)
        if sentences:
            wrong[f"{kind} {number}"] = sentences
    assert not wrong


def test_the_oracle_finds_fault_with_an_answer_that_is_another():
    """Else it would agree with anything."""
    tree = {path: hashlib.sha256(c).hexdigest() for path, c in bases()["two"].items()}
    boot = state(1, 0).hex()
    right = {"how": "ran", "path": [".frozen", "/a"], "left": [], "tree": tree, "boot": boot}
    rescue = {"how": "rescue", "path": [".frozen", "/boot"]}
    for change, complaint in (
        ({}, ""),
        ({"path": [".frozen", "/b"]}, "slot 2 was started"),
        ({"path": ["", ".frozen", "/a"]}, "looked for in"),
        ({"left": ["loader"]}, "left loaded"),
        (rescue, "no slot was started"),
        ({"tree": {**tree, "/a/run.mpy": "0"}}, "have changed"),
        ({"boot": state(1, 1).hex()}, "the boot state is"),
    ):
        answer = {"before": tree, "wrong": 0, "starts": [{**right, **change}, right]}
        said = __main__.judge("two", "two", [], b"", answer)
        assert (complaint in " ".join(said)) if complaint else not said


def test_a_manifest_is_read_as_the_format_says():
    data = bundle("1.1.0")
    m = oracle.parse(data)
    assert m and m.files and [path for _, _, path in m.files] == sorted(firmware("1.1.0"))
