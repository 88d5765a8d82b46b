# SPDX-License-Identifier: Apache-2.0
"""Signatures as RFC 8032 has them, on CPython and on both MicroPythons, against its vectors and another library."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from loader.ed25519 import verify

from host_tests.bench.process import interpreter

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
# RFC 8032, 7.1: public key, message, signature; the long message of TEST 1024 is left out, TEST SHA(abc) is in.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
        "655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
        "b00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d"
        "c027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
        "2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17a"
        "d9bef1177331a704",
    ),
]  # fmt: skip
ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
SMALL = [y | sign << 255 for y in (0, 1, P - 1, ORDER_8, P - ORDER_8) for sign in (0, 1)]
KEYS = st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey.from_private_bytes)

# One line in, one out, so that a whole list goes through one interpreter.
ON_METER = """
import sys, json
sys.path[:] = [sys.argv[1]]
from binascii import hexlify, unhexlify
from loader.ed25519 import verify
for what in json.load(sys.stdin):
    what = [unhexlify(w) for w in what]
    print(verify(*what) if len(what) == 3 else hexlify(sha512(what[0])).decode())
"""
IN_LITTLE_HEAP = """
import gc, sys
sys.path[:] = [sys.argv[1]]
from binascii import unhexlify
gc.threshold(4096)
from loader.ed25519 import verify
print(verify(*[unhexlify(w) for w in sys.argv[2:]]))
"""


def others(public: bytes, signature: bytes, message: bytes) -> bool:
    """What OpenSSL says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


@pytest.mark.parametrize("public, message, signature", RFC_8032)
def test_a_published_signature_is_accepted_and_none_of_another_message(public, message, signature):
    public, message, signature = (bytes.fromhex(x) for x in (public, message, signature))
    assert verify(public, signature, message)
    assert not verify(public, signature, message + b"\0")


@given(st.binary(max_size=400))
def test_sha512_is_that_of_hashlib(message):
    assert sha512(message) == hashlib.sha512(message).digest()


@pytest.mark.parametrize("length", [0, 110, 111, 112, 113, 127, 128, 129, 239, 240, 256])
def test_sha512_at_the_lengths_where_its_padding_changes(length):
    assert sha512(b"p" * length) == hashlib.sha512(b"p" * length).digest()


@settings(max_examples=40)
@given(KEYS, st.binary(max_size=80))
def test_what_another_library_signs_is_accepted(key, message):
    assert verify(key.public_key().public_bytes_raw(), key.sign(message), message)


@settings(max_examples=60)
@given(KEYS, st.binary(min_size=1, max_size=40), st.integers(0, 2), st.integers(0))
def test_one_bit_flipped_anywhere_is_refused(key, message, where, bit):
    parts = [key.public_key().public_bytes_raw(), key.sign(message), message]
    flipped = bytearray(parts[where])
    flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
    parts[where] = bytes(flipped)
    assert not verify(*parts)
    assert not others(*parts)


@settings(max_examples=20)
@given(KEYS, st.binary(max_size=40), st.integers(1, 15))
def test_the_same_signature_with_a_multiple_of_the_order_added_is_refused(key, message, times):
    signature = key.sign(message)
    s = int.from_bytes(signature[32:], "little") + times * L
    if s < 2**256:
        assert not verify(key.public_key().public_bytes_raw(), signature[:32] + s.to_bytes(32, "little"), message)


@settings(max_examples=60)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64), st.binary(max_size=8))
def test_noise_is_refused(public, signature, message):
    assert not verify(public, signature, message)


@pytest.mark.parametrize("y", range(P, 2**255))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_whose_coordinate_is_not_reduced_is_refused(y, sign):
    """RFC 8032, 5.1.3 step 1. OpenSSL takes those that are a point: here is refused more."""
    public = (y | sign << 255).to_bytes(32, "little")
    for r in (1, y % P, y):
        assert not verify(public, r.to_bytes(32, "little") + bytes(32), b"any")


@pytest.mark.parametrize("y", SMALL)
def test_a_key_of_small_order_is_refused(y):
    """For one of them, R and S can be chosen so that they fit any message of so many: OpenSSL takes that."""
    public = y.to_bytes(32, "little")
    for r in SMALL:
        for n in range(3):
            assert not verify(public, r.to_bytes(32, "little") + bytes(32), b"%d" % n)


def test_openssl_does_take_a_forgery_for_such_a_key():
    """So the test above can fail: for the neutral point as key, R neutral and S zero fit every message."""
    neutral = (1).to_bytes(32, "little")
    assert others(neutral, neutral + bytes(32), b"never signed by anybody")


@settings(max_examples=30)
@given(st.sampled_from([y.to_bytes(32, "little") for y in SMALL]), KEYS, st.binary(max_size=20))
def test_r_of_small_order_is_accepted_only_where_openssl_accepts_it(r, key, message):
    signature = r + key.sign(message)[32:]
    public = key.public_key().public_bytes_raw()
    assert not verify(public, signature, message) or others(public, signature, message)


@pytest.mark.parametrize("public, signature", [(31, 64), (33, 64), (0, 64), (32, 63), (32, 65), (32, 0)])
def test_a_wrong_length_is_refused(public, signature):
    assert not verify(b"\x58" * public, bytes(signature), b"")


def test_the_tables_of_sha512_are_computed_right():
    """The first round constant is the fraction of the cube root of 2, the first state that of the root of 2."""
    from loader import ed25519

    assert ed25519._root(2 << 192, 3) & (1 << 64) - 1 == 0x428A2F98D728AE22
    assert ed25519._root(2 << 128, 2) & (1 << 64) - 1 == 0x6A09E667F3BCC908


def on_micropython(arch, script, *args, text="", heap="112k"):
    try:
        program = interpreter(arch)
    except FileNotFoundError as e:
        pytest.skip(str(e))
    line = [program, "-X", f"heapsize={heap}", script, FIRMWARE, *args]
    return subprocess.run(line, input=text, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("arch", ["i386", "amd64"])
def test_real_micropython_says_the_same(arch, tmp_path):
    key = Ed25519PrivateKey.from_private_bytes(b"\x17" * 32)
    public, signature = key.public_key().public_bytes_raw().hex(), key.sign(b"m").hex()
    over = (int.from_bytes(bytes.fromhex(signature)[32:], "little") + L).to_bytes(32, "little").hex()
    asked = [[p, s, m] for p, m, s in RFC_8032]
    asked += [[p, s, m + "00"] for p, m, s in RFC_8032]
    asked += [[public, signature, b"m".hex()], [public, signature[:64] + over, b"m".hex()]]
    asked += [[SMALL[n].to_bytes(32, "little").hex(), "01" + "00" * 63, "00"] for n in range(len(SMALL))]
    asked += [[(P + 1).to_bytes(32, "little").hex(), "01" + "00" * 63, "00"]]
    messages = [bytes(range(n % 256)) * (1 + n // 256) for n in (0, 1, 111, 112, 127, 128, 255)]
    (tmp_path / "on_meter.py").write_text(ON_METER)
    heap = {"i386": "112k", "amd64": "256k"}[arch]
    text = json.dumps(asked + [[m.hex()] for m in messages])
    done = on_micropython(arch, tmp_path / "on_meter.py", text=text, heap=heap)
    said = done.stdout.split()
    assert said[: len(asked)] == ["True"] * 4 + ["False"] * 4 + ["True"] + ["False"] * (len(asked) - 9), done.stderr
    assert said[len(asked) :] == [hashlib.sha512(m).hexdigest() for m in messages]


def test_a_verification_needs_less_heap_than_a_start_has(tmp_path):
    """The source's compiler takes its part of these 32 KB, too: on a meter it is byte code, and there are 112."""
    script = tmp_path / "little.py"
    script.write_text(IN_LITTLE_HEAP)
    public, message, signature = RFC_8032[2]
    done = on_micropython("i386", script, public, signature, message, heap="32k")
    assert done.stdout.strip() == "True", done.stderr


def test_the_stored_constants_are_those_of_the_curve():
    from loader import ed25519

    p = 2**255 - 19
    assert -121665 * pow(121666, -1, p) % p == ed25519._D
    assert 4 * pow(5, -1, p) % p == ed25519._BY
