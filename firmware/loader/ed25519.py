# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signatures, verification only: RFC 8032 section 5.1.7, in steps, so that a meter goes on metering meanwhile.

The port has none. Nothing here is secret, so nothing needs constant time. A verification is at most 3,450
multiplications modulo 2**255-19 and a SHA-512 (sha512.py); how long that takes: host_tests/bench/plant/costs.py.

Points: (X, Y, Z, E, H) with x = X/Z, y = Y/Z, and E H = XY/Z, multiplied only where a sum needs it. Those that are
added: (Y - X, Y + X, 2Z, 2d XY/Z). Formulas: Hisil and others, "Twisted Edwards Curves Revisited", 3.1 and 3.3.
"""

from micropython import const

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
# -121665/121666, the root of -1, and what is added for 1, 3, 5 and 7 times the base point (Z = 1), low byte first:
# stored, for to compute them takes an ESP32 longer than to load them.
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_I = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_B = (
    b"\x3e\x91\x40\xd7\x05\x39\x10\x9d\xb3\xbe\x40\xd1\x05\x9f\x39\xfd\x09\x8a\x8f\x68\x34\x84\xc1\xa5\x67\x12\xf8"
    b"\x98\x92\x2f\xfd\x44\x85\x3b\x8c\xf5\xc6\x93\xbc\x2f\x19\x0e\x8c\xfb\xc6\x2d\x93\xcf\xc2\x42\x3d\x64\x98\x48"
    b"\x0b\x27\x65\xba\xd4\x33\x3a\x9d\xcf\x07\x68\xaa\x7a\x87\x05\x12\xc9\xab\x9e\xc4\xaa\xcc\x23\xe8\xd9\x26\x8c"
    b"\x59\x43\xdd\xcb\x7d\x1b\x5a\xa8\x65\x0c\x9f\x68\x7b\x11\x6f\x65\xd2\xfc\xa4\xe8\x1f\x61\x56\x7d\xba\xc1\xe5"
    b"\xfd\x53\xd3\x3b\xbd\xd6\x4b\x21\x1a\xf3\x31\x81\x62\xda\x5b\x55\x87\x15\xb9\x2a\x30\x97\xee\x4c\xa8\xb0\x25"
    b"\xaf\x8a\x4b\x86\xe8\x30\x84\x5a\x02\x32\x67\x01\x9f\x02\x50\x1b\xc1\xf4\xf8\x80\x9a\x1b\x4e\x16\x7a\x89\xd8"
    b"\xd0\x0d\x3f\x93\xae\x14\x62\xda\x35\x1c\x22\x23\x94\x58\x4c\xdb\xf2\x8c\x45\xe5\x70\xd1\xc6\xb4\xb9\x12\xaf"
    b"\x26\x28\x5a\xba\xd6\x47\xa4\xc3\x82\x91\x7f\xb7\x29\x27\x4b\xd1\x14\x00\xd5\x87\xa0\x64\xb8\x1c\xf1\x3c\xe3"
    b"\xf3\x55\x1b\xeb\x73\x7e\x4a\x15\x33\xbb\xa5\x08\x44\xbc\x12\xa2\x02\xed\x5e\xc7\xc3\x48\x50\x8d\x44\xec\xbf"
    b"\x5a\x0c\xeb\x1b\xdd\xeb\x06\xe2\x46\xf1\xcc\x45\x29\x85\x82\x2a\x81\xf1\xdb\xbb\xbc\xfc\xd1\xbd\xd0\x07\x08"
    b"\x0e\x27\x2d\xa7\xbd\x1b\x0b\x67\x1b\xb4\x9a\xb6\x3b\x6b\x69\xbe\xaa\x43\xb1\x21\x32\xaa\x9a\x2c\x6f\xba\xa7"
    b"\x23\xba\x3b\x53\x21\xa0\x6c\x3a\x2c\x19\x92\x4f\x76\xea\x9d\xe0\x17\x53\x2e\x5d\xdd\x6e\x1d\xbf\xa3\x4e\x94"
    b"\xd0\x5c\x1a\x6b\xd2\xc0\x9d\xb3\x3a\x35\x70\x74\x49\x2e\x54\x28\x82\x52\xb2\x71\x7e\x92\x3c\x28\x69\xea\x1b"
    b"\x46\xa2\xb3\xb8\x01\xc8\x6d\x83\xf1\x9a\xa4\x3e\x05\x47\x5f\x03\xb3\xf3\xad\x77\x58\xba\x41\x9c\x52\xa7\x90"
    b"\x0f\x6a\x1c\xbb\x9f\x7a"
)
_BITS = const(254)  # of a factor's digits
_DOUBLINGS = const(8)  # to a step, with the sums among them
_LONG = const(20)  # squarings in a row that end a step


def verify(public, signature, message) -> bool:
    """Is it a signature of message by this key? public: 32 bytes, signature: 64."""
    good = False
    for good in steps(public, signature, message):  # noqa: B007
        pass
    return bool(good)


def steps(public, signature, message):
    """A generator for what verify() does. Yields None between steps of at most 20 ms on an ESP32, and last the answer:
    True or False."""
    from loader.sha512 import hashed

    digest = None
    for digest in hashed(bytes(signature[:32]) + bytes(public) + bytes(message)):
        if digest is None:
            yield
    yield from checked(public, signature, digest)


def checked(public, signature, digest):
    """As steps(). digest: SHA-512 of the first half of the signature, the key, and the message."""
    a = None
    s = int.from_bytes(signature[32:], "little")
    if len(signature) == 64 and s < _L:
        a = yield from _key(public)
    if a is None:
        yield False
        return
    yield (yield from _sum(s, int.from_bytes(digest, "little") % _L, a)) == bytes(signature[:32])


def usable(public):
    """As steps(): can a signature by this key be good, and not such as anybody can make?"""
    yield (yield from _key(public)) is not None


def _key(public):
    """A generator: returns the point, or None when it is none, or of small order: 8 times that, such as 32 zeros, is
    nothing, and anybody could sign for it."""
    a = None
    if len(public) == 32:
        a = yield from _point(public)
    return a if a and _double(_double(_double(a)))[0] else None


def _sum(s, k, a):
    """A generator: returns S B - k A, encoded, both at once: one doubling for a bit of either."""
    digits = bytearray(_BITS)
    _digits(s, digits, 0)
    _digits(k, digits, 4)
    yield
    minus = _odd((_P - a[0], a[1], 1, _P - a[0], a[1]))
    r = 0, 1, 1, 0, 1
    for bit in range(_BITS - 1, -1, -1):
        r = _double(r)
        digit = digits[bit]
        if digit & 15:
            r = _add(r, None, digit & 15)
        if digit > 15:
            r = _add(r, minus, digit >> 4)
        if not bit % _DOUBLINGS:
            yield
    z = r[2]
    inverse = yield from _raised(z)
    inverse = pow(inverse, 32, _P) * (pow(z, 8, _P) * z % _P * z % _P * z % _P) % _P  # to the power of 2**255-21
    x = r[0] * inverse % _P
    y = r[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _point(data):
    """A generator: returns an encoded point, with Z = 1, or None when it is none (RFC 8032, 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    square = y * y % _P
    u = square - 1
    v = (_D * square + 1) % _P
    v3 = v * v % _P * v % _P
    x = u * v3 % _P * v3 % _P * v % _P
    power = yield from _raised(x)
    # x is u v**7 up to here; to the power of 2**252-3, and times u v**3, it is the root of u/v, or that times _I.
    x = pow(power, 4, _P) * x % _P * u % _P * v3 % _P
    square = x * x % _P * v % _P
    if (square + u) % _P == 0:
        x = x * _I % _P
    elif (square - u) % _P:
        return None
    if not x and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x, y


def _raised(z):
    """A generator: returns z to the power of 2**250-1. By the bits of 250 after its first: from 2**n-1 to 2**2n-1, and
    one up."""
    x = z
    n = 1
    for up in b"\1\1\1\1\0\1\0":
        x = pow(x, 1 << n, _P) * x % _P
        n *= 2
        if up:
            x = x * x % _P * z % _P
            n += 1
        if n > _LONG:
            yield
    return x


def _digits(n, digits, shift):
    """Write n as odd digits from -7 to 7 at bits of it, three zeros between two at least, into digits: four bits each,
    shifted."""
    bit = 0
    while n:
        low = n & 15
        if low & 1:
            digits[bit] |= low << shift
            n = n + 8 >> 4  # less the digit, and on to the next that may be one
            bit += 4
        else:
            n >>= 1
            bit += 1


def _odd(p):
    """1, 3, 5 and 7 times a point, to be added."""
    odd = [_addend(p)]
    twice = [_addend(_double(p))]
    while len(odd) < 4:
        p = _add(p, twice, 1)
        odd.append(_addend(p))
    return odd


def _addend(p):
    x, y, z, e, h = p
    return y - x, y + x, 2 * z, e * h % _P * _D % _P * 2


def _base(n):
    part = [int.from_bytes(_B[i : i + 32], "little") for i in range(96 * n, 96 * n + 96, 32)]
    return part[0], part[1], 2, part[2]


def _add(p, odd, digit):
    """p and a digit's multiple of the point that odd is of, of the base point without."""
    n = _P
    at = (digit if digit < 8 else 15 - digit) >> 1
    minus, plus, twice, t = odd[at] if odd else _base(at)
    if digit > 7:
        minus, plus, t = plus, minus, -t
    x, y, z, e, h = p
    a = (y - x) * minus
    b = (y + x) * plus
    c = e * h % n * t % n
    d = z * twice % n
    e = (b - a) % n
    h = (b + a) % n
    f = d - c
    g = d + c
    return e * f % n, g * h % n, f * g % n, e, h


def _double(p):
    n = _P
    x, y, z, _, _ = p
    e = 2 * x * y % n
    x *= x
    y *= y
    h = (y + x) % n
    g = (y - x) % n
    f = 2 * pow(z, 2, n) - g
    return e * f % n, g * h % n, f * g % n, e, h
