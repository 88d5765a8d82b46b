# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signatures, verification only: RFC 8032 section 5.1.7, in steps, so that a meter goes on metering meanwhile.

The port has none. Nothing here is secret, so nothing needs constant time. A verification takes at most about 3,300
multiplications modulo 2**255-19 and a SHA-512 (sha512.py); what that is in time: host_tests/bench/costs.py.

Points: (X, Y, Z, E, H) with x = X/Z, y = Y/Z, and E H = XY/Z, multiplied only where a sum needs it. Those that are
added: (y - x, y + x, 2z, 2d xy), of their affine or projective coordinates. Formulas: Hisil and others, "Twisted
Edwards Curves Revisited", 3.1 and 3.3.
"""

from micropython import const

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
# -121665/121666, the root of -1, and x and y of 1, 3, 5 and 7 times the base point, low byte first: stored, for to
# compute them takes an ESP32 longer than to load them.
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_I = 0x2B8324804FC1DF0B2B4D00993DFBD7A72F431806AD2FE478C4EE1B274A0EA0B0
_B = (
    b"\x1a\xd5\x25\x8f\x60\x2d\x56\xc9\xb2\xa7\x25\x95\x60\xc7\x2c\x69\x5c\xdc\xd6\xfd\x31\xe2\xa4\xc0\xfe\x53\x6e"
    b"\xcd\xd3\x36\x69\x21\x58\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66"
    b"\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x5c\xe2\xf8\xd3\x5f\x48\x62\xac\x86\x48\x62\x81\x19\x98\x43\x63\x3a"
    b"\xc8\xda\x3e\x74\xae\xf4\x1f\x49\x8f\x92\x22\x4a\x9c\xae\x67\xd4\xb4\xf5\x78\x48\x68\xc3\x02\x04\x03\x24\x67"
    b"\x17\xec\x16\x9f\xf7\x9e\x26\x60\x8e\xa1\x26\xa1\xab\x69\xee\x77\xd1\xb1\x67\x12\x33\xf2\x2e\x32\xc0\x9c\x40"
    b"\x91\xa5\xe1\x1b\x3e\xf9\x19\x28\x5c\xde\xa5\x2d\xd1\xf7\x7c\xef\xfc\x7b\x58\xe3\xad\x3e\xa7\xfd\x49\xed\xc8"
    b"\x76\xd6\x83\x1f\xd2\x10\x5d\x0b\x43\x89\xca\x2e\x28\x31\x66\x46\x92\x89\x14\x6e\x2c\xe0\x6f\xae\xfe\x98\xb2"
    b"\x25\x48\x5f\x07\x41\x0e\xf5\x1a\x98\x55\x58\x95\xce\xf1\xbb\xf3\x09\xe8\x83\x07\x81\x1d\x4b\x19\xee\xe3\xe9"
    b"\x4e\xbd\xf4\xfc\x85\x86\x56\x14\xb8\x62\x40\x9f\xb5\xc4\xc4\x12\x3d\xf2\xab\xf7\x46\x2b\x88\xf0\x41\xad\x36"
    b"\xdd\x68\x64\xce\x87\x2f\xd5\x47\x2b\xe3\x63\xc5\x31"
)
_BITS = const(253)  # of both factors
_DOUBLINGS = const(11)  # to a step: with the sums among them less than 20 ms
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
    if len(public) != 32 or len(signature) != 64:
        yield False
        return
    r = bytes(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    a = yield from _point(public)
    # 8 times a key of small order, such as 32 zeros, is nothing: anybody could sign for it.
    if a is None or s >= _L or not _double(_double(_double(a)))[0]:
        yield False
        return
    from loader.sha512 import hashed

    k = yield from hashed(r + bytes(public) + bytes(message))
    yield (yield from _sum(s, int.from_bytes(k, "little") % _L, a)) == r


def usable(public):
    """A generator as steps() is: is this a point, and not of small order?"""
    a = (yield from _point(public)) if len(public) == 32 else None
    yield a is not None and _double(_double(_double(a)))[0] != 0


def _sum(s, k, a):
    """A generator: returns S B - k A, encoded, both at once: one doubling for a bit of either."""
    of_s = _digits(s)
    yield
    of_k = _digits(k)
    yield
    base = [int.from_bytes(_B[i : i + 32], "little") for i in range(0, len(_B), 32)]
    base = [_addend((base[i], base[i + 1], 1, base[i], base[i + 1])) for i in range(0, len(base), 2)]
    minus = _odd((_P - a[0], a[1], 1, _P - a[0], a[1]))
    yield
    r = 0, 1, 1, 0, 1
    for bit in range(_BITS, -1, -1):
        r = _double(r)
        if of_s[bit]:
            r = _add(r, base, of_s[bit])
        if of_k[bit]:
            r = _add(r, minus, of_k[bit])
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


def _digits(n):
    """Odd digits from -7 to 7, as bytes from 249 to 7, at the bits of n where they stand, with three zeros between two
    at least."""
    digits = bytearray(_BITS + 1)
    bit = 0
    while n:
        low = int(n & 15)
        if low & 1:
            digits[bit] = (low if low < 8 else low - 16) & 255
            n = n + 8 >> 4  # less the digit, and on to the next that may be one
            bit += 4
        else:
            n >>= 1
            bit += 1
    return digits


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
    return y - x, y + x, 2 * z, 2 * _D * (e * h % _P) % _P


def _add(p, odd, digit):
    """p and as much of the point that odd is of as the digit says."""
    n = _P
    x, y, z, e, h = p
    if digit < 128:
        minus, plus, twice, t = odd[digit >> 1]
    else:
        plus, minus, twice, t = odd[255 - digit >> 1]
        t = -t
    a = (y - x) * minus
    b = (y + x) * plus
    c = e * h % n * t % n
    d = z * twice
    e = (b - a) % n
    h = (b + a) % n
    f = (d - c) % n
    g = (d + c) % n
    return e * f % n, g * h % n, f * g % n, e, h


def _double(p):
    n = _P
    x, y, z, _, _ = p
    e = 2 * x * y % n
    x *= x
    y *= y
    h = (y + x) % n
    g = (y - x) % n
    f = (2 * pow(z, 2, n) - g) % n
    return e * f % n, g * h % n, f * g % n, e, h
