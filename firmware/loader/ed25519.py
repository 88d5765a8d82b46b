# SPDX-License-Identifier: Apache-2.0
"""Ed25519 signatures, verification only: RFC 8032 section 5.1.7. Its SHA-512 is FIPS 180-4's.

The port has neither. SHA-512's tables are computed (roots of primes), not stored: this runs once per update. Nothing
here is secret, so nothing needs constant time. About 4,000 multiplications of 256 bits.
"""

from micropython import const

_P = (1 << 255) - 19
_L = (1 << 252) + 27742317777372353535851937790883648493
# -121665/121666 and 4/5, modulo _P: stored, for to compute them takes an ESP32 90 ms at each start.
_D = 0x52036CEE2B6FFE738CC740797779E89800700A4D4141D8AB75EB4DCA135978A3
_BY = 0x6666666666666666666666666666666666666666666666666666666666666658
_M64 = (1 << 64) - 1
_BITS = const(256)


def verify(public, signature, message) -> bool:
    """Is it a signature of message by this key? public: 32 bytes, signature: 64."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a = _point(public)
    s = int.from_bytes(signature[32:], "little")
    if a is None or s >= _L:
        return False
    if not _double(_double(_double(a)))[0]:
        return False  # of small order, such as 32 zeros: anybody could sign for it
    b = _point(_BY.to_bytes(32, "little"))
    k = int.from_bytes(sha512(bytes(signature[:32]) + bytes(public) + bytes(message)), "little") % _L
    # S B - k A must be R: both at once, one doubling for a bit of either.
    minus = _P - a[0], a[1], 1, _P - a[3]
    both = _add(b, minus)
    r = 0, 1, 1, 0
    for bit in range(_BITS - 1, -1, -1):
        r = _double(r)
        of_s = s >> bit & 1
        of_k = k >> bit & 1
        if of_s and of_k:
            r = _add(r, both)
        elif of_s:
            r = _add(r, b)
        elif of_k:
            r = _add(r, minus)
    inverse = pow(r[2], _P - 2, _P)
    x = r[0] * inverse % _P
    y = r[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little") == bytes(signature[:32])


def _point(data):
    """(X, Y, Z, T) of an encoded point, or None when it is none (RFC 8032, 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (not x and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e = b - a
    f = d - c
    g = d + c
    h = b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p):
    a = p[0] * p[0] % _P
    b = p[1] * p[1] % _P
    c = 2 * p[2] * p[2] % _P
    h = a + b
    xy = p[0] + p[1]
    e = h - xy * xy % _P
    g = a - b
    f = c + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _root(n, k):
    """The integer k-th root (2 or 3) of n, by Newton's steps from above."""
    x = 1 << 100
    while True:
        y = ((k - 1) * x + n // x ** (k - 1)) // k
        if y >= x:
            return x
        x = y


def _rotated(x, n):
    return (x >> n | x << 64 - n) & _M64


def sha512(message) -> bytes:
    primes = []
    n = 2
    while len(primes) < 80:
        for p in primes:
            if n % p == 0:
                break
        else:
            primes.append(n)
        n += 1
    table = [_root(p << 192, 3) & _M64 for p in primes]
    state = [_root(p << 128, 2) & _M64 for p in primes[:8]]
    data = message + b"\x80" + bytes(-(len(message) + 17) % 128) + (8 * len(message)).to_bytes(16, "big")
    for at in range(0, len(data), 128):
        w = [int.from_bytes(data[i : i + 8], "big") for i in range(at, at + 128, 8)]
        for t in range(16, 80):
            x = w[t - 15]
            y = w[t - 2]
            low = _rotated(x, 1) ^ _rotated(x, 8) ^ x >> 7
            high = _rotated(y, 19) ^ _rotated(y, 61) ^ y >> 6
            w.append(w[t - 16] + low + w[t - 7] + high & _M64)
        a, b, c, d, e, f, g, h = state
        for t in range(80):
            one = _rotated(e, 14) ^ _rotated(e, 18) ^ _rotated(e, 41)
            one += h + (e & f ^ ~e & g) + table[t] + w[t]
            two = _rotated(a, 28) ^ _rotated(a, 34) ^ _rotated(a, 39)
            two += a & b ^ a & c ^ b & c
            h, g, f, e, d, c, b, a = g, f, e, d + one & _M64, c, b, a, one + two & _M64
        state = [x + y & _M64 for x, y in zip(state, (a, b, c, d, e, f, g, h))]
    return b"".join([x.to_bytes(8, "big") for x in state])
