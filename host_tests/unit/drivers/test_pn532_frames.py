# SPDX-License-Identifier: Apache-2.0
"""PN532 frames: published ones, and what damage to them does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.drivers import pn532

from scripts.chips import pn532 as model

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "desfire.json").read_text())
COMMANDS = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in VECTORS["frames"]["commands"]]
ANSWERS = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in VECTORS["frames"]["answers"]]
TRACED = [(way, bytes.fromhex(f)) for login in VECTORS["logins"] for way, f in login.get("frames", ())]


def content(buf):
    """Code and data of a whole answer in buf, or None."""
    first, end = pn532.parse(buf)
    return bytes(buf[first:end]) if 0 < end < len(buf) else None


@pytest.mark.parametrize(("body", "frame"), COMMANDS, ids=lambda x: x.hex())
def test_the_driver_builds_the_published_command_frames(body, frame):
    assert pn532.frame(body) == frame


@pytest.mark.parametrize(("body", "frame"), COMMANDS, ids=lambda x: x.hex())
def test_the_model_understands_the_published_command_frames(body, frame):
    assert model.Pn532Chip(None, None)._payload(frame) == body


@pytest.mark.parametrize(("body", "frame"), ANSWERS, ids=lambda x: x.hex())
def test_the_driver_understands_the_published_answer_frames(body, frame):
    assert content(frame) == body


@pytest.mark.parametrize(("body", "frame"), ANSWERS, ids=lambda x: x.hex())
def test_the_model_builds_the_published_answer_frames(body, frame):
    assert model._frame(b"\xd5" + body) == frame


@pytest.mark.parametrize(("way", "frame"), TRACED)
def test_frames_of_a_traced_login_pass(way, frame):
    if way == "to":
        assert pn532.frame(frame[6:-2]) == frame
    else:
        assert content(frame) == frame[6:-2]


@pytest.mark.parametrize("frame", ["0000FF00FF00", "0000FFFF0000", "0000FF01FF7F8100", "0000FFFFFF000005"])
def test_acknowledge_error_and_extended_frames_are_no_answers(frame):
    assert pn532.parse(bytes.fromhex(frame)) == (0, 0)


def test_a_missing_or_longer_preamble_does_not_matter():
    _, frame = ANSWERS[0]
    assert content(frame[1:]) == content(b"\x00\x00" + frame) == content(frame)


@given(st.integers(2, 80), st.integers(1, 200))
def test_a_frame_cut_short_says_how_many_bytes_it_needs(n, cut):
    frame = model._frame(b"\xd5\x41" + bytes(n))
    cut = min(max(cut, 7), len(frame) - 2)
    _, end = pn532.parse(frame[:cut])
    assert end >= cut
    assert content(frame[: end + 1]) == b"\x41" + bytes(n)


@pytest.mark.parametrize(("body", "frame"), ANSWERS, ids=lambda x: x.hex())
def test_no_single_flipped_bit_gives_other_data(body, frame):
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        assert content(damaged) in (None, body)


@given(st.binary(min_size=7, max_size=90))
def test_noise_is_nothing_or_a_frame_but_never_a_crash(noise):
    first, end = pn532.parse(noise)
    assert (first, end) == (0, 0) or 0 < first < end


def test_a_command_that_does_not_fit_a_normal_frame_is_refused():
    assert len(pn532.frame(bytes(254))) == 262
    with pytest.raises(ValueError, match="too long"):
        pn532.frame(bytes(255))
