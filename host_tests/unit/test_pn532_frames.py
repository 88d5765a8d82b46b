# SPDX-License-Identifier: Apache-2.0
"""PN532 frames: published ones, and what damage to them does."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core.errors import ChipError
from meter.drivers import pn532

from host_tests.bench.chips import pn532 as model

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "desfire.json").read_text())
COMMANDS = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in VECTORS["frames"]["commands"]]
ANSWERS = [(bytes.fromhex(a), bytes.fromhex(b)) for a, b in VECTORS["frames"]["answers"]]
TRACED = [(way, bytes.fromhex(f)) for login in VECTORS["logins"] for way, f in login.get("frames", ())]


def content(buf):
    kind, first, end = pn532.parse(buf)
    return bytes(buf[first:end]) if kind == pn532.KIND_DATA else kind


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


def test_acknowledge_and_error_frames_are_told_apart():
    assert content(pn532.ACK) == pn532.KIND_ACK
    assert content(pn532.NACK) == pn532.KIND_NACK
    assert content(bytes.fromhex("0000FF01FF7F8100")) == pn532.KIND_REFUSED


def test_a_missing_or_longer_preamble_does_not_matter():
    _, frame = ANSWERS[0]
    assert content(frame[1:]) == content(b"\x00\x00" + frame) == content(frame)


@given(st.integers(2, 80), st.integers(1, 200))
def test_a_frame_cut_short_says_how_many_bytes_it_needs(n, cut):
    frame = model._frame(b"\xd5\x41" + bytes(n))
    cut = min(max(cut, 7), len(frame) - 2)
    kind, _, end = pn532.parse(frame[:cut])
    assert kind == pn532.KIND_SHORT
    assert content(frame[:end]) == b"\x41" + bytes(n)


@pytest.mark.parametrize(("body", "frame"), ANSWERS, ids=lambda x: x.hex())
def test_no_single_flipped_bit_gives_other_data(body, frame):
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            got = content(damaged)
        except ChipError:
            continue
        assert not isinstance(got, bytes) or got == body


@given(st.binary(min_size=7, max_size=90))
def test_noise_is_an_error_or_a_frame_but_never_a_crash(noise):
    try:
        kind, first, end = pn532.parse(noise)
    except ChipError:
        return
    if kind == pn532.KIND_DATA:
        assert 0 < first < end < len(noise)


def test_a_command_that_does_not_fit_a_normal_frame_is_refused():
    assert len(pn532.frame(bytes(254))) == 262
    with pytest.raises(ValueError, match="too long"):
        pn532.frame(bytes(255))
