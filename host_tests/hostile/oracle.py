# SPDX-License-Identifier: Apache-2.0
"""What the loader ought to do with a file system, said once more, in terms of what is in it: for __main__.py.

Nothing of firmware/loader is used: manifests are taken apart by regular expressions, signatures and hashes are checked
by other libraries. A World is path -> SHA-256 (None: a folder), and content by SHA-256.
"""

import hashlib
import json
import re
import struct
import zlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from scripts.bundle import demo_key, public_bytes

MICROPYTHON = (1, 25, 0)  # of the interpreter that is used
NONE = bytes(32)
SLOTS = {1: "/a", 2: "/b"}
NAMES = ("/update.pwb", "/deploy.pwb")
# Points of small order, without their sign: with such a key, signatures can be made by anybody.
SMALL = [bytes.fromhex(y) for y in (
    "00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)]  # fmt: skip
_ABOUT = re.compile(rb"version ([^\n]{0,151})\nboard ([^\n]{0,153})\nmicropython ([^\n]{0,147})\n")
_FILE = re.compile(rb"([0-9a-fA-F]{64}) ([0-9]{1,6}) ((?:[a-z0-9_]+/){0,3}[a-z0-9_]+\.mpy)\n")


@dataclass
class Manifest:
    version: str
    board: str
    micropython: str
    files: list | None  # (SHA-256, bytes, path) each; None: something in the list is not allowed
    digest: bytes
    length: int


@dataclass
class Stored:
    active: int = 0
    trial: int = 0
    tries: int = 0
    heads: list = field(default_factory=lambda: [NONE, NONE, NONE])
    waits: list = field(default_factory=lambda: [[0, 0, 0], [0, 0, 0]])  # which, tries, tries that power ended

    def forget(self, slot):
        self.heads[slot] = NONE
        self.active = 0 if self.active == slot else self.active
        self.trial = 0 if self.trial == slot else self.trial

    def held(self):
        return [slot for slot in (1, 2) if self.heads[slot] != NONE]

    def settle(self):
        if self.trial not in self.held() or self.trial == self.active:
            self.trial = 0
        if self.active not in self.held():
            self.active, self.trial = self.trial or ([*self.held(), 0])[0], 0


def cut_head(data: bytes):
    """(signature, manifest) at the beginning of data, or None."""
    if len(data) < 70 or data[:4] != b"PWB1":
        return None
    (length,) = struct.unpack_from("<H", data, 4)
    if not 0 < length <= 12288 or len(data) < 70 + length:
        return None
    return data[6:70], data[70 : 70 + length]


def parse(data: bytes) -> Manifest | None:
    """None: not even what it is for can be read."""
    head = cut_head(data)
    about = head and _ABOUT.match(head[1])
    if not head or not about:
        return None
    try:
        version, board, micropython = (text.decode() for text in about.groups())
    except UnicodeDecodeError:
        return None
    files, at, before, total = [], about.end(), b"", 0
    while at < len(head[1]):
        line = _FILE.match(head[1], at)
        total += int(line[2]) if line else 0
        if not line or line[3] <= before or len(line[3]) > 60 or len(files) == 96 or total > 400_000:
            files = None
            break
        files.append((line[1].decode().lower(), int(line[2]), line[3].decode()))
        before, at = line[3], line.end()
    whole = data[: 70 + len(head[1])]
    return Manifest(version, board, micropython, files or None, hashlib.sha256(whole).digest(), len(whole))


def read_state(data: bytes | None) -> Stored | None:
    if data is None or len(data) != 88 or data[:4] != b"PWS2":
        return None
    if struct.pack("<I", zlib.crc32(data[:84])) != data[84:]:
        return None
    active, trial, tries, _ = data[4:8]
    waits = [list(struct.unpack_from("<IBB", data, at)) for at in (72, 78)]
    return Stored(active, trial, tries, [NONE, data[8:40], data[40:72]], waits) if active < 3 and trial < 3 else None


class World:
    def __init__(self, tree: dict, contents: dict):
        self.tree = dict(tree)
        self.contents = contents

    def read(self, path) -> bytes | None:
        return self.contents.get(self.tree.get(path))

    def key(self):
        public = self.read("/trust.key")
        if public is None or len(public) != 32 or public[:31] + bytes([public[31] & 127]) in SMALL:
            return None
        return None if public == public_bytes(demo_key()) and self._provisioned() else public

    def _provisioned(self):
        for name in ("/settings.json", "/settings.old"):
            try:
                if json.loads(self.read(name) or b"").get("provisioned"):
                    return True
            except (ValueError, AttributeError):
                pass
        return False

    def signed(self, data) -> bool:
        public, head = self.key(), data and cut_head(data)
        if not public or not head:
            return False
        try:
            about = b"pennywatt.pwb.1" + hashlib.sha256(head[1]).digest()
            Ed25519PublicKey.from_public_bytes(public).verify(head[0], about)
            return True
        except (InvalidSignature, ValueError):
            return False

    def manifest(self, slot) -> Manifest | None:
        return parse(self.read(SLOTS[slot] + "/manifest") or b"")

    def whole(self, slot) -> Manifest | None:
        """Return the slot's manifest, if all its files are as they should be."""
        m = self.manifest(slot)
        if not m or not m.files:
            return None
        for digest, size, path in m.files:
            content = self.read(f"{SLOTS[slot]}/{path}")
            if content is None or len(content) != size or hashlib.sha256(content).hexdigest() != digest:
                return None
        return m

    def inside(self, slot) -> set:
        return {path for path in self.tree if path.startswith(SLOTS[slot] + "/")}

    def looks_whole(self, slot) -> bool:
        """Is it whole as far as a start looks that follows one that lasted: how many files, and nothing else?"""
        m, inside = self.manifest(slot), self.inside(slot)
        if not m or not m.files:
            return False
        files = [path for path in inside if self.tree[path] is not None]
        empty = [p for p in inside if self.tree[p] is None and not any(q.startswith(p + "/") for q in inside)]
        deep = [path for path in inside if path.count("/") > 5]
        other = [path for path in files if not path.endswith((".mpy", "/manifest"))]
        return len(files) == len(m.files) + 1 and not empty and not other and not deep

    def startable(self, state) -> set:
        """Slots that are whole, and that the boot state names or the operator has signed."""
        whole = {slot: self.whole(slot) for slot in SLOTS}
        return {
            slot
            for slot, m in whole.items()
            if m and ((state and state.heads[slot] == m.digest) or self.signed(self.read(SLOTS[slot] + "/manifest")))
        }


def _found(world) -> Stored:
    s, best = Stored(), []
    for slot in SLOTS:
        m = world.whole(slot)
        if m and world.signed(world.read(SLOTS[slot] + "/manifest")):
            s.heads[slot] = m.digest
            order = [*(int(n) if n.isdigit() else -1 for n in m.version.split(".")), 0]
            if order > best:
                s.active, best = slot, order
    return s


def _known(world) -> Stored:
    state = read_state(world.read("/boot.bin")) if not hasattr(world, "state") else world.state
    if state and state.held():
        return state
    found = _found(world)
    if state:
        found.waits = state.waits
    return found


def _forget_damaged(world, s, slots):
    for slot in slots:
        m = world.whole(slot)
        if s.heads[slot] != NONE and (not m or m.digest != s.heads[slot]):
            s.forget(slot)


def _install(world, name, data) -> bool:
    if not world.signed(data):
        return False
    s = _known(world)
    board = None
    for slot in (s.active, s.trial, 1, 2):
        m = world.manifest(slot) if slot else None
        if board is None and m and m.digest == s.heads[slot]:
            board = m.board
    _forget_damaged(world, s, SLOTS)
    s.settle()
    world.state = s
    m = parse(data)
    if not m:
        return False
    if s.active and m.digest in (s.heads[s.trial], s.heads[s.active]):
        return False
    oldest = tuple(int(n) for n in m.micropython.split(".") if re.fullmatch("[0-9]+", n))
    if not m.files or board not in (None, m.board) or MICROPYTHON[: len(oldest)] < oldest:
        return False
    at, slot = m.length, 3 - s.active if s.active else 1
    new = {SLOTS[slot]: None, SLOTS[slot] + "/manifest": hashlib.sha256(data[: m.length]).hexdigest()}
    for digest, size, path in m.files:
        content = data[at : at + size]
        if len(content) != size or hashlib.sha256(content).hexdigest() != digest:
            return False
        world.contents[digest] = content
        new[f"{SLOTS[slot]}/{path}"] = digest
        for n in range(path.count("/")):
            new["/".join([SLOTS[slot], *path.split("/")[: n + 1]])] = None
        at += size
    if at != len(data):
        return False
    world.contents[new[SLOTS[slot] + "/manifest"]] = data[: m.length]
    for path in [*world.inside(slot), SLOTS[slot]]:
        world.tree.pop(path, None)
    world.tree.update(new)
    s.forget(s.trial)
    s.heads[slot], s.tries = m.digest, 0
    s.active, s.trial = (s.active, slot) if s.active else (slot, 0)
    return True


@dataclass
class Expected:
    slot: int  # 0: rescue
    state: Stored
    world: World  # after
    installed: list
    read_whole: bool  # not only counted
    left: set = field(default_factory=set)  # bundles that are passed over
    stay: set = field(default_factory=set)  # those of them that are after a power cut, too


def expect(tree: dict, contents: dict, memory: bytes) -> Expected:
    """What one start makes of it."""
    world = World(tree, contents)
    memory = memory if len(memory) > 1 else bytes(2)
    memory += bytes(max(0, 13 - len(memory)))
    starts = min(memory[0] + 1, 255)
    installed, had_its_tries = [], {}
    for n, name in enumerate(NAMES):
        if _there(world, name):
            s = _known(world)
            enough = s.held() and _enough(world, name, s.waits[n], memory if memory[2] == n + 1 else None)
            if enough:
                stays = s.waits[n][1] if s.waits[n][0] else 0
                had_its_tries[name] = [stays == 255 or (memory[2] == n + 1 and memory[3] >= 6), stays == 255]
            else:
                installed += _try(world, name)
    if not had_its_tries:
        return _start(world, starts, installed)
    found = _start(world, max(starts, 2), installed)
    if found.slot:
        found.left = {name for name, stays in had_its_tries.items() if stays[0]}
        found.stay = {name for name, stays in had_its_tries.items() if stays[1]}
        for name in had_its_tries.keys() - found.left:
            _remove(world, name)
        return found
    # One of them may be the only whole firmware there is.
    for name in had_its_tries:
        installed += _try(world, name)
    return _start(world, starts, installed)


def _there(world, name):
    return name in world.tree or any(p.startswith(name + "/") for p in world.tree)


def _remove(world, name):
    for path in [p for p in world.tree if p == name or p.startswith(name + "/")]:
        del world.tree[path]


def _try(world, name):
    data = world.read(name)
    done = data is not None and _install(world, name, data)
    _remove(world, name)
    return [name] if done else []


def _enough(world, name, wait, mine):
    """Has it been tried three times, or lost power twenty times? mine: the RTC's memory, if it was on this one."""
    data = world.read(name) or b""
    which, tries, cuts = wait
    if which != zlib.crc32(data[:128] + b"%d" % len(data)):
        tries, cuts, mine = 0, 0, mine if not which else None
    elif mine is None and 1 <= tries <= 3:
        tries, cuts = tries - 1, cuts + 1
    return max(tries, mine[3] if mine else 0) >= 3 or cuts >= 20


def _start(world, starts, installed) -> Expected:
    s = _known(world)
    world.state = s
    searched = False
    while True:
        if not s.held():
            if searched:
                return Expected(0, s, world, installed, False)
            searched = True
            waits = s.waits
            s = _found(world)
            s.waits = waits
            continue
        s.settle()
        if s.trial and s.tries < 3:
            s.tries += 1
        elif s.trial:
            s.forget(s.trial)
            s.tries = 0
        elif starts > 12 and s.heads[3 - s.active] != NONE:
            s.active = 3 - s.active
        slot, quick = s.trial or s.active, starts == 1 and not s.trial
        m = world.manifest(slot)
        if m and m.digest == s.heads[slot]:
            if quick and world.looks_whole(slot):
                return Expected(slot, s, world, installed, False)
            if world.whole(slot):
                return Expected(slot, s, world, installed, True)
        s.forget(slot)
        s.tries = starts = 0
