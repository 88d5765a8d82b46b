# SPDX-License-Identifier: Apache-2.0
"""The ways of being hostile to the loader: corrupted and hostile bundles, boot states, keys and slots.

make(seed, number) gives a case: (its kind, the file system it begins from, changes to that, memory of the RTC), and
patches(seed, number, base) what is wrong with the partition of slots in place besides: (where, bytes) each.
"""

import hashlib
import random
import struct
import zlib

from host_tests.hostile.world import (
    BOARD,
    DEMO,
    OPERATOR,
    PARTITION,
    STRANGER,
    bundle,
    firmware,
    head_of,
    in_slot,
    trust,
)
from scripts.bundle import public_bytes
from scripts.image import romfs
from scripts.image.image import boot_state

OLD, IN_FORCE, NEW = "0.9.0", "1.0.0", "1.1.0"
NONE = bytes(32)
NAMES = ("/update.pwb", "/deploy.pwb")
HEAD_A = hashlib.sha256(head_of(bundle(IN_FORCE))).digest()
HEAD_B = hashlib.sha256(head_of(bundle(OLD))).digest()


def state(active, trial, tries=0, needs=0, a=HEAD_A, b=HEAD_B, waits=(0,) * 6) -> bytes:
    data = struct.pack("<4sBBBB32s32sIBBIBB", b"PWS2", active, trial, tries, needs, a, b, *waits)
    return data + struct.pack("<I", zlib.crc32(data))


def bases() -> dict:
    a, b = in_slot("a", IN_FORCE), in_slot("b", OLD)
    demo = in_slot("a", IN_FORCE, DEMO)
    return {
        "one": {**a, **trust(), "/boot.bin": boot_state(a["/a/manifest"])},
        "two": {**a, **b, **trust(), "/boot.bin": state(1, 0)},
        "trial": {**a, **b, **trust(), "/boot.bin": state(1, 2, 1)},
        "bare": trust(),
        "demo": {**demo, **trust(DEMO), "/boot.bin": boot_state(demo["/a/manifest"])},
    }


def signed_manifest(lines: bytes, contents: bytes, key=OPERATOR, length=None) -> bytes:
    """A bundle with this manifest, whatever it says, and a signature that is right."""
    length = len(lines) if length is None else length
    signature = key.sign(b"pennywatt.pwb.1" + hashlib.sha256(lines[:length]).digest())
    return b"PWB1" + struct.pack("<H", length & 0xFFFF) + signature + lines + contents


def listing(files, about=(NEW, BOARD, "1.24")) -> bytes:
    text = b"version %s\nboard %s\nmicropython %s\n" % tuple(a.encode() for a in about)
    return text + b"".join(b"%s %d %s\n" % (hashlib.sha256(c).hexdigest().encode(), len(c), p) for p, c in files)


# -- the ways of being hostile: each gives (base, changes) ------------------------------------------------------------


def _mangled(r, data: bytes) -> bytes:
    data = bytearray(data)
    for _ in range(r.choice((1, 1, 1, 3))):
        at, n = r.randrange(len(data) or 1), r.randint(1, 200)
        if r.random() < 0.4:
            at = r.randrange(min(len(data) or 1, 70 + 500))
        match r.randrange(7):
            case 0 | 1 if data:
                data[at % len(data)] ^= 1 << r.randrange(8)
            case 2:
                del data[at:]
            case 3:
                data += r.randbytes(n)
            case 4:
                data[at:at] = data[at : at + n]
            case 5:
                other = r.randrange(len(data) or 1)
                data[at : at + n], data[other : other + n] = data[other : other + n], data[at : at + n]
            case 6:
                del data[at : at + n]
    return bytes(data)


def mangled_bundle(r):
    return r.choice(("one", "two", "trial", "bare")), [(r.choice(NAMES), _mangled(r, bundle(r.choice((OLD, NEW)))))]


def hostile_manifest(r):
    files = sorted((path.encode(), content) for path, content in firmware(NEW).items())
    small = b"x"
    about = [NEW, BOARD, "1.24"]
    kind = r.randrange(22)
    at = r.randrange(len(files))
    names = (
        b"../boot.py", b"/boot.mpy", b"../b/run.mpy", b"a/../../trust.mpy", b"meter//app.mpy", b"meter/.mpy", b".mpy",
        b"boot.py", b"meter/wiring.py", b"Meter.mpy", b"a b.mpy", b"meter\\app.mpy", b"manifest", b"a" * 57 + b".mpy",
        b"a/b/c/d/e.mpy", b"meter/app.mpy/x.mpy", b"\xff\xfe.mpy", "ä.mpy".encode(), b"run.mpy\0", b"./run.mpy",
        b"a/b/c/d.mpy", b"",
    )  # fmt: skip
    lines = None
    match kind:
        case 0 | 1 | 2 | 3 | 4 | 5:
            files = sorted([*files, (r.choice(names), small)])
        case 6:
            files.insert(at, files[at])
        case 7:
            r.shuffle(files)
        case 8:
            files = [(b"m%05d.mpy" % n, b"") for n in range(r.choice((96, 97, 120, 140, 3000)))]
        case 9:
            files = [(b"%d.mpy" % n, b"") for n in range(0)]
        case 10 | 11 | 12:
            sizes = b"-1 999999 400001 4294967296 99999999999999999999  1e3 0x10 007 0"
            size = r.choice(sizes.split(b" "))
            lines = listing(files).replace(b" %d " % len(files[at][1]), b" " + size + b" ", 1)
        case 13:
            about[r.randrange(3)] = r.choice(("", " ", "x" * 140, "x" * 500, "ä", "1.0", "../..", "1.1.0\r"))
        case 14:
            about[1] = r.choice(("esp32s3_devkit", "esp32_devkit ", "ESP32_DEVKIT"))
        case 15:
            about[2] = r.choice(("1.26", "2", "1.25.1", "99999999999999999999", "1.25.0.1", "1.25.0", "1.x", "", "1"))
        case 16:
            text = listing(files).split(b"\n")
            del text[r.randrange(len(text))]
            lines = b"\n".join(text)
        case 17:
            lines = listing(files)[: -r.randint(1, 80)]
        case 18:
            lines = listing(files) + r.choice((b"\n", b" ", b"x", b"\0" * 100, b"\xff\n", b"a" * 3000))
        case 19:
            lines = _mangled(r, listing(files))
        case 20:
            lines = listing(files).replace(b"\n", r.choice((b"\r\n", b"\0", b" \n", b"\n\n")), r.randint(1, 5))
        case 21:
            text = listing(files)
            length = r.choice((0, 1, len(text) - 1, len(text) + 1, 12288, 12289, 65535))
            data = signed_manifest(text, b"".join(c for _, c in files) + b"\n" * r.choice((0, 70000)), length=length)
            return r.choice(("one", "two", "bare")), [(r.choice(NAMES), data)]
    data = signed_manifest(lines or listing(files, about), b"".join(c for _, c in files))
    if len(data) > 100_000:
        data = data[:100_000]
    return r.choice(("one", "two", "trial", "bare")), [(r.choice(NAMES), data)]


def wrong_key(r):
    base = r.choice(("one", "two", "bare", "demo"))
    key = r.choice((STRANGER, DEMO, OPERATOR))
    changes = [(r.choice(NAMES), bundle(r.choice((NEW, IN_FORCE)), key))]
    if r.random() < 0.5:
        name = r.choice(("/settings.json", "/settings.old"))
        contents = b'{"provisioned":true}', b'{"provisioned":false}', b"{", b"[1]", b"", b"\xff"
        changes.append((name, r.choice(contents)))
    if r.random() < 0.3:
        changes.append(("/boot.bin", None))
    return base, changes


def trust_key(r):
    right = public_bytes(OPERATOR)
    content = r.choice(
        (None, "folder", b"", right[:-1], right + b"\0", right + right, NONE, b"\xff" * 32, b"\1" + bytes(31),
         public_bytes(STRANGER), public_bytes(DEMO), right.hex().encode(), _mangled(r, right))
    )  # fmt: skip
    changes: list = [("/trust.key", content)]
    if r.random() < 0.6:
        key = r.choice((OPERATOR, DEMO, STRANGER))
        data = bundle(NEW, key)
        if r.random() < 0.3:  # what a key of small order would take: R the neutral point, S zero
            data = data[:6] + b"\1" + bytes(63) + data[70:]
        changes.append((r.choice(NAMES), data))
    if r.random() < 0.4:
        changes.append(("/boot.bin", None))
    return r.choice(("one", "two", "trial", "bare", "demo")), changes


def flipped_state(r):
    base = r.choice(("one", "two", "trial"))
    right = bytearray(bases()[base]["/boot.bin"])
    match r.randrange(6):
        case 0:
            right = right[: r.randrange(77)]
        case 1:
            right += r.randbytes(r.randint(1, 100))
        case 2:
            right = bytearray(r.randbytes(r.choice((0, 8, 88, 88, 300))))
        case _:
            bit = r.randrange(88 * 8)
            right[bit >> 3] ^= 1 << (bit & 7)
    return base, [("/boot.bin", bytes(right))]


def every_flip(number):
    base = ("one", "two", "trial")[number // 704 % 3]
    right = bytearray(bases()[base]["/boot.bin"])
    right[number % 704 >> 3] ^= 1 << (number & 7)
    return base, [("/boot.bin", bytes(right))]


def crafted_state(r):
    heads = (HEAD_A, HEAD_B, NONE, b"\xff" * 32, b"\1" * 32)
    a = r.choice((HEAD_A, HEAD_A, HEAD_A, *heads))
    b = r.choice((HEAD_B, HEAD_B, HEAD_B, *heads))
    tries, needs = r.choice((0, 1, 2, 3, 4, 255)), r.choice((0, 1, 2, 255))
    data = state(r.choice((0, 1, 2, 1, 2, 3, 255)), r.randrange(4), tries, needs, a, b)
    changes: list = [("/boot.bin", data)]
    while r.random() < 0.4:
        changes.append(_damage(r))
    if r.random() < 0.25:
        changes.append((r.choice(NAMES), bundle(r.choice((OLD, IN_FORCE, NEW)))))
    return r.choice(("one", "two", "two", "two")), changes


def _damage(r):
    slot = r.choice(("/a", "/b"))
    version = IN_FORCE if slot == "/a" else OLD
    files = in_slot(slot[1:], version)
    path = r.choice(sorted(files))
    module = path[:-4] if path.endswith(".mpy") else slot + "/meter/app"
    match r.randrange(14):
        case 0 | 1:
            return path, _mangled(r, files[path])
        case 2:
            return path, None
        case 3:
            return module + ".py", b"raise SystemExit"
        case 4:
            return r.choice((module, slot + "/meter/core", slot + "/" + "/".join("abcdef"))), "folder"
        case 5:
            return module + "/__init__.mpy", b"M\6 other"
        case 6:
            return module + "/__init__.py", b"raise SystemExit"
        case 7:
            return path, "folder"
        case 8:
            return slot, r.choice((None, b"a file", "folder"))
        case 9:
            return slot + "/meter", r.choice((None, b"a file", "folder"))
        case 10:
            names = ("/x.mpy", "/meter/x.mpy", "/asyncio.mpy", "/manifest.mpy", "/meter/manifest")
            return slot + r.choice(names), b"M\6 more"
        case 11:
            return slot + "/manifest", r.choice((None, head_of(bundle(NEW)), head_of(bundle(version, STRANGER)), b""))
        case 12:
            return slot + "/manifest", files[slot + "/manifest"] + r.randbytes(20)
        case _:
            return slot + "/" + "/".join(f"folder{n}" for n in range(r.choice((3, 8, 40)))), "folder"


def damaged_slots(r):
    base = r.choice(("one", "two", "two", "trial", "trial"))
    changes = [_damage(r) for _ in range(r.choice((1, 1, 2, 3)))]
    if r.random() < 0.4:
        changes.append((r.choice(NAMES), bundle(r.choice((OLD, IN_FORCE, NEW)))))
    if r.random() < 0.15:
        changes.append(("/boot.bin", None))
    return base, changes


def which(data: bytes) -> int:
    """What loader/waiting.py knows a bundle by."""
    return zlib.crc32(data[:128] + b"%d" % len(data))


def tried_before(r):
    """Bundles that have been tried, in all states of the counts, with and without a slot that is whole."""
    base, changes = r.choice((damaged_slots, crafted_state, lambda r: (r.choice(("one", "two", "bare")), [])))(r)
    changes = [change for change in changes if change[0] not in ("/boot.bin", *NAMES)]
    waits = []
    for name in NAMES:
        data = r.choice((bundle(NEW), bundle(NEW), bundle(OLD), bundle(NEW, STRANGER)))
        if r.random() < 0.8:
            changes.append((name, data))
        waits += [r.choice((which(data), which(data), which(data), 0, 1)), r.choice((0, 1, 2, 3, 3, 252, 254, 255))]
        waits.append(r.choice((0, 0, 0, 1, 19, 20, 255)))
        if not waits[-3]:
            waits[-2] = waits[-1] = 0
    held = {"bare": (NONE, NONE), "one": (HEAD_A, NONE)}.get(base, (HEAD_A, HEAD_B))
    trial, tries = (2, r.randrange(5)) if base == "trial" else (0, 0)
    if base != "bare":
        changes.append(("/boot.bin", state(1, trial, tries, 0, *held, waits)))
    return base, changes


def full_flash(r):
    base, changes = r.choice((damaged_slots, crafted_state, mangled_bundle))(r)
    if r.random() < 0.5:
        changes.append((r.choice(NAMES), bundle(NEW)))
    changes.append(("/full", "fill"))
    if r.random() < 0.5:
        changes += [(f"/full{n}", None) for n in range(r.randint(1, 6))]
    return base, changes


def two_bundles(r):
    some = [bundle(v, k) for v in (OLD, IN_FORCE, NEW, "1.2.0") for k in (OPERATOR, OPERATOR, STRANGER)]
    some += [_mangled(r, some[0]), bundle("1.3.0", board="esp32s3_devkit")]
    return r.choice(("one", "two", "trial", "bare")), [(name, r.choice(some)) for name in NAMES]


def in_the_way(r):
    names = "boot.bin boot.new update.pwb deploy.pwb a b boot settings.json meter trust.key"
    path = "/" + r.choice(names.split())
    if r.random() < 0.4:
        path += "/" + "/".join(f"f{n}" for n in range(r.choice((1, 3, 30, 60))))
    changes: list = [(path, r.choice(("folder", "folder", b"x", b"")))]
    for name in ("/board.py", "/run.py", "/meter/__init__.py", "/loader.py", "/sys.py"):
        if r.random() < 0.3:
            changes.append((name, b"raise SystemExit"))
    if r.random() < 0.4:
        changes.append((r.choice(NAMES), bundle(NEW)))
    if r.random() < 0.3:
        changes.append(("/boot.new", b"left over"))
    return r.choice(("one", "two", "trial")), changes


WAYS = (
    mangled_bundle, hostile_manifest, hostile_manifest, wrong_key, trust_key, flipped_state, crafted_state,
    crafted_state, damaged_slots, damaged_slots, full_flash, two_bundles, in_the_way, tried_before,
)  # fmt: skip


def make(seed: int, number: int):
    """(kind, base, changes, RTC memory) of a case. Of every fourteen, one flips the next bit of a boot state."""
    r = random.Random(f"{seed} {number}")
    way = WAYS[number % len(WAYS)]
    base, changes = way(r) if way is not flipped_state or r.random() < 0.15 else every_flip(number // len(WAYS))
    memories = b"", b"", b"", b"\0\0", b"\1\0", b"\5\0why", b"\x0b\0", b"\x0c\0", b"\x0d\1x", b"\xff\xff", b"\1"
    if way is tried_before or r.random() < 0.2:
        memories = [bytes((r.choice((1, 3, 12, 13)), 0, r.choice((0, 1, 2, 2, 1, 77)), r.choice((0, 1, 2, 3, 255))))]
    return way.__name__, base, changes, r.choice(memories)


def patches(seed: int, number: int) -> list:
    """Two of three cases have none: what is in the file system is hostile enough."""
    r = random.Random(f"romfs {seed} {number}")
    found = []
    while r.random() < 0.33:
        slot = r.choice(romfs.SLOTS)
        at = romfs.at(slot, PARTITION)
        room = romfs.blocks(PARTITION) * romfs.BLOCK
        version = r.choice((OLD, IN_FORCE, NEW))
        whole = {path[3:]: content for path, content in in_slot("a", version, r.choice((OPERATOR, STRANGER))).items()}
        match r.randrange(8):
            case 0:
                found.append((at + r.randrange(room), r.randbytes(r.choice((1, 1, 30)))))
            case 1:
                found.append((at + r.randrange(8000), bytes(r.choice((1, 4, 4096)))))
            case 2:
                found.append((at + r.randrange(5) * romfs.BLOCK, b"\xff" * romfs.BLOCK))
            case 3:
                found.append((at + room - romfs.SEAL, r.choice((bytes(36), b"\xff" * 36, r.randbytes(36)))))
            case 4:
                length = r.choice((0, 1, room - romfs.SEAL, room, 1 << 31, (1 << 32) - 1))
                found.append((at + room - romfs.SEAL + 32, struct.pack("<I", length)))
            case 5:
                found.append((at, romfs.slot(whole, PARTITION)))
            case 6:
                image = b"\xd2\xcd\x31" + r.randbytes(r.choice((1, 60)))
                seal = romfs.seal_of(image)
                found += [(at, image), (at + room - romfs.SEAL, seal[:32] + bytes((seal[32] ^ 1,)) + seal[33:])]
            case 7:
                found.append((0, romfs.image(whole)[: romfs.BLOCK]))
    return found
