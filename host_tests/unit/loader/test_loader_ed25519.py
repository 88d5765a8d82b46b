# SPDX-License-Identifier: Apache-2.0
"""Signatures as RFC 8032 has them, on CPython and on both MicroPythons, against its vectors and another library."""

import hashlib
import json
import subprocess
from math import isqrt
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from loader import ed25519
from loader import sha512 as sha512_module
from loader.ed25519 import checked, steps, usable, verify
from loader.sha512 import hashed

from host_tests.bench.plant import costs
from host_tests.bench.run.process import interpreter

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"
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
from loader.sha512 import hashed
for what in json.load(sys.stdin):
    what = [unhexlify(w) for w in what]
    print(verify(*what) if len(what) == 3 else hexlify(list(hashed(what[0]))[-1]).decode())
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


def sha512(message: bytes) -> bytes:
    return list(hashed(message))[-1]


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
    """For one of them, R and S can be chosen so that they fit any message of a number of them: OpenSSL takes that."""
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


def test_the_stored_tables_are_those_of_the_standards():
    """SHA-512's are fractions of roots of primes; the curve's its constants and odd multiples of the base point."""
    primes = [n for n in range(2, 410) if all(n % p for p in range(2, n))]

    def words(roots):
        return b"".join((root & (1 << 64) - 1).to_bytes(8, "big") for root in roots)

    assert len(primes) == 80
    assert words(isqrt(p << 128) for p in primes[:8]) == sha512_module._H
    cubes = [round_down(p << 192) for p in primes]
    assert all(c**3 <= p << 192 < (c + 1) ** 3 for c, p in zip(cubes, primes, strict=True))
    assert words(cubes) == sha512_module._K
    d = -121665 * pow(121666, -1, P) % P
    assert d == ed25519._D and ed25519._I**2 % P == P - 1
    for n in (1, 3, 5, 7):
        minus, plus, twice, t = ed25519._base(n >> 1)
        y = int.from_bytes(multiple_of_base(n), "little")
        x = (plus - minus) * pow(2, -1, P) % P
        assert (twice, (plus + minus) * pow(2, -1, P) % P, x & 1) == (2, y & (1 << 255) - 1, y >> 255)
        assert t == 2 * d * x * (y & (1 << 255) - 1) % P


def round_down(cube: int) -> int:
    """The integer cube root."""
    low, high = 0, 1 << 80
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**3 <= cube else (low, middle)
    return low


def multiple_of_base(n: int) -> bytes:
    """n times the base point, encoded, by the affine law of addition."""
    base = 4 * pow(5, -1, P) % P
    d = -121665 * pow(121666, -1, P) % P
    square = (base * base - 1) * pow(d * base * base + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    whole = 0, 1
    for _ in range(n):
        (a, b), c = whole, d * whole[0] * x * whole[1] * base
        whole = (
            (a * base + x * b) * pow(1 + c, -1, P) % P,
            (b * base + a * x) * pow(1 - c, -1, P) % P,
        )
    return (whole[1] | (whole[0] & 1) << 255).to_bytes(32, "little")


class Counted(int):
    """The modulus, counting what is reduced by it."""

    times = 0

    def __rmod__(self, number):
        Counted.times += 1
        return int(number) % int(self)


@pytest.fixture
def count(monkeypatch):
    """Calls a function, and gives the multiplications modulo 2**255-19 that it took, and by what powers."""

    def power(base, exponent, modulus):
        powers.append(exponent)
        Counted.times += exponent.bit_length() - 1
        return pow(base, exponent, int(modulus))

    powers = []
    monkeypatch.setattr(ed25519, "_P", Counted(P))
    monkeypatch.setattr(ed25519, "pow", power, raising=False)

    def counted(call, *args):
        Counted.times = 0
        powers.clear()
        return call(*args), Counted.times, list(powers)

    return counted


def test_a_verification_takes_no_more_than_the_bench_charges_for_it(count):
    """The bench sees powers only: squarings in a row, and one squaring for each doubling of a point, which stands for
    what else a doubling has its share of (host_tests/bench/plant/costs.py)."""
    most = 0
    for n in range(40):
        key = Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
        message = bytes([n]) * 56
        good, times, powers = count(verify, key.public_key().public_bytes_raw(), key.sign(message), message)
        doublings = powers.count(2)
        assert good and costs.POINT_FIELDS * doublings + sum(p.bit_length() - 1 for p in powers if p > 2) >= times
        most = max(most, times)
    assert 3_100 < most <= 3_300
    print(f"at most {most} multiplications, {doublings} doublings")


def test_no_step_of_a_verification_takes_20_ms_as_modelled(count):
    """By the table of costs; a collection of the heap falls into a step twice at most."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    walk = steps(key.public_key().public_bytes_raw(), key.sign(b"m"), b"m")
    answers, longest = [], 0
    while not answers or answers[-1] is None:
        answer, times, powers = count(next, walk)
        answers.append(answer)
        of_points = powers.count(2)
        us = of_points * costs.ESP32.point_us + max(0, times - costs.POINT_FIELDS * of_points) * costs.ESP32.field_us
        collections = -(-of_points * costs.ESP32.point_garbage // costs.ESP32.garbage_bytes)
        longest = max(longest, us + collections * costs.ESP32.collect_us)
    assert answers[-1] is True and len(answers) > 40
    assert 10_000 < longest <= 20_000
    assert next(walk, "no more") == "no more"


def test_a_digest_made_before_gives_the_same_answer():
    key = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"m")
    for message, good in ((b"m", True), (b"n", False)):
        digest = sha512(signature[:32] + public + message)
        assert list(checked(public, signature, digest))[-1] is good


@pytest.mark.parametrize("y", [*SMALL, P, P + 1, 2, 7])
def test_a_key_that_is_no_point_or_of_small_order_is_not_usable(y):
    """2 and 7 are no y of a point."""
    assert list(usable((y % 2**256).to_bytes(32, "little")))[-1] is False


def test_a_key_that_somebody_made_is_usable():
    assert list(usable(Ed25519PrivateKey.from_private_bytes(b"\x06" * 32).public_key().public_bytes_raw()))[-1] is True


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
