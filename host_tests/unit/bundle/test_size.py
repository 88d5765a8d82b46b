# SPDX-License-Identifier: Apache-2.0
"""`make size`: what counts as growth that somebody must accept."""

import json

import pytest

from host_tests.measure import size

BEFORE = {"meter": [30_000, 40_000], "small": [300, 400]}


@pytest.mark.parametrize(
    "now",
    [{"meter": [33_000, 44_000], "small": [300, 400]}, {"meter": [1, 1], "small": [1, 1]}, {"meter": [30_000, 40_000]},
     {"meter": [30_000, 40_000], "small": [390, 490]}],
)  # fmt: skip
def test_a_tenth_less_or_a_few_blocks_of_a_small_part_are_no_growth(now):
    assert size.grown(now, BEFORE) == []


@pytest.mark.parametrize(
    "now, said",
    [
        ({"meter": [33_001, 40_000]}, "meter: bytes 30,000 -> 33,001"),
        ({"meter": [30_000, 44_016]}, "meter: heap 40,000 -> 44,016"),
        ({"small": [300, 512]}, "small: heap 400 -> 512"),
        ({"other": [1, 1]}, "other is new"),
    ],
)
def test_more_must_be_accepted(now, said):
    assert size.grown(now, BEFORE) == [said]


def test_every_part_of_the_firmware_has_been_accepted():
    accepted = set(json.loads(size.ACCEPTED.read_text()))
    assert accepted == set(size.parts().values()) | {"loader"}
