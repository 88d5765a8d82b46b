# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalOperand=false
# ruff: noqa: SIM105 (MicroPython has no contextlib)
"""Runs on MicroPython (world.py starts it): the loader, on LittleFS in memory that keeps the rules of NOR flash.

    on_meter.py PLACE [BLOCKS]     PLACE: where `loader` is, as sources or linked. BLOCKS: of a partition romfs,
                                          on an interpreter that has vfs.rom_ioctl; without it there is none

One JSON object a line comes in, one goes out after "=". {"define": name, "files": {path: hex}, "romfs": hex} makes a
file system and a partition to begin from. A case is one of these with changes, and starts:

    base      its name          changes   [[path, hex], [path, null: removed], [path, "folder"], [path, "fill"]]
    romfs     [[where in that partition, hex], ...]
    starts    [RTC memory in hex, or null: as the start before left it, ...]      confirm   call confirm() before
    cut       flash operations until power fails in the first of them, or null    torn      how the last one is left
    lost      a file that is gone after the cut
    ends      for each start, the flash operations until it ends, or null: by power, with the next start's memory "", or
              by the watchdog, with null there
"""

import json
import os
import sys
from binascii import hexlify, unhexlify
from hashlib import sha256

import vfs

_BLOCK = 4096
_BLOCKS = 56


class PowerCut(BaseException):
    pass


class Reset(BaseException):
    pass


class Power:
    """Of the whole chip: left flash operations until it fails, and after that nothing is written any more."""

    def __init__(self):
        self.left = None
        self.done = 0
        self.torn = 0
        self.wrong = 0

    def cut(self):
        self.done += 1
        if self.left is None:
            return False
        if self.left > 0:
            self.left -= 1
            return False
        return True


class Nor(bytearray):
    """A partition. Programs clear bits, erases set them."""

    def readblocks(self, n, buf, offset=0):
        at = n * _BLOCK + offset
        buf[:] = memoryview(self)[at : at + len(buf)]

    def writeblocks(self, n, buf, offset=None):
        at = n * _BLOCK + offset
        size = len(buf)
        old = int.from_bytes(self[at : at + size], "big")
        new = int.from_bytes(buf, "big")
        if old & new != new:
            power.wrong += 1
        content = (old & new).to_bytes(size, "big")
        if power.cut():
            part = (0, size // 2, size - 1, size)[power.torn % 4]
            if power.left == 0:
                self[at : at + part] = content[:part]
            power.left = -1
            raise PowerCut
        self[at : at + size] = content

    def ioctl(self, op, arg):
        if op == 4:
            return len(self) // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            at = arg * _BLOCK
            part = _BLOCK
            cut = power.cut()
            if cut:
                part = (0, 512, 2048, _BLOCK)[power.torn % 4] if power.left == 0 else 0
            for i in range(at, at + part, 512):
                self[i : i + 512] = b"\xff" * 512
            if cut:
                power.left = -1
                raise PowerCut
        return 0


class Vfs:
    """The module of an interpreter that can have slots in place."""

    mount = vfs.mount
    umount = vfs.umount
    VfsRom = vfs.VfsRom

    @staticmethod
    def rom_ioctl(op, *more):
        return int(romfs is not None) if op == 1 else romfs


class RTC:
    kept = b""

    def memory(self, content=None):
        if content is None:
            return RTC.kept
        RTC.kept = bytes(content)


class WDT:
    fed = 0

    def __init__(self, timeout):
        pass

    def feed(self):
        WDT.fed += 1


class Machine:
    RTC = RTC
    WDT = WDT

    @staticmethod
    def reset():
        raise Reset


class Time:
    @staticmethod
    def sleep_ms(ms):
        raise Reset  # only rescue() sleeps


power = Power()
flash = Nor(_BLOCK * _BLOCKS)
romfs = None
bases = {}
shown = set()
if len(sys.argv) > 2:
    romfs = Nor(_BLOCK * int(sys.argv[2])) if int(sys.argv[2]) else None
    sys.modules["vfs"] = Vfs
sys.modules["machine"] = Machine
sys.modules["time"] = Time
sys.path[:] = [sys.argv[1]]
import loader  # noqa: E402

if "confirm" in dir(loader) and not loader.__file__.endswith(".mpy"):
    # The sources: all of them must be there before the host's files are out of reach.
    import loader.bundle
    import loader.ed25519
    import loader.errors
    import loader.layout
    import loader.romfs
    import loader.sha512
    import loader.slots
    import loader.start
    import loader.state
    import loader.waiting

    genuine = loader.ed25519.verify
    verified = {}

    def verify(public, signature, message):
        """Many cases have the same: the real answer, but only once."""
        about = bytes(public) + bytes(signature) + bytes(message)
        if about not in verified:
            verified[about] = genuine(public, signature, message)
        return verified[about]

    loader.ed25519.verify = verify
modules = {name: module for name, module in sys.modules.items() if name.startswith("loader")}


def mount(make=False):
    if make:
        flash[:] = b"\xff" * len(flash)
        vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")


def unmount():
    in_place(("/a", "/b", "/"))
    for module in modules.values():  # what it has found is in lists, and gone with a start
        for kept in module.__dict__.values():
            if isinstance(kept, list):
                kept.clear()


def in_place(paths=("/a", "/b")):
    """Those of the paths at which something is mounted; nothing is any more."""
    found = []
    for path in paths:
        try:
            vfs.umount(path)
            found.append(path)
        except OSError:
            pass
    return found


def images():
    """Slot -> [SHA-256, content in hex the first time it is seen] of each image in the partition whose seal fits."""
    found = {}
    for n, slot in enumerate("ab" if romfs is not None else ""):
        room = (len(romfs) // _BLOCK - 1) // 2 * _BLOCK
        at = _BLOCK + n * room
        end = at + room - 64
        length = int.from_bytes(romfs[end + 32 : end + 36], "little")
        image = memoryview(romfs)[at : at + min(length, room)]
        digest = sha256(image).digest()
        if 0 < length <= end - at and digest == romfs[end : end + 32]:
            found[slot] = [hexlify(digest).decode(), "" if digest in shown else hexlify(image).decode()]
            shown.add(digest)
    return found


def folders(path):
    place = ""
    for part in path.split("/")[1:-1]:
        place += "/" + part
        try:
            os.mkdir(place)
        except OSError:
            pass


def gone(path):
    try:
        if os.stat(path)[0] & 0x4000:
            for name in os.listdir(path):
                gone(path + "/" + name)
            os.rmdir(path)
        else:
            os.remove(path)
    except OSError:
        pass


def change(path, content):
    if content == "fill":
        number = 0
        try:
            while True:
                with open(path + str(number), "wb") as f:
                    f.write(bytes(_BLOCK))
                number += 1
        except OSError:
            return
    gone(path)
    if content is None:
        return
    folders(path)
    if content == "folder":
        os.mkdir(path)
        return
    with open(path, "wb") as f:
        f.write(unhexlify(content))


def tree(place, into):
    """path -> SHA-256 of all files; folders have none."""
    for name, kind, *_ in list(os.ilistdir(place or "/")):
        path = place + "/" + name
        if kind == 0x4000:
            into[path] = None
            tree(path, into)
        else:
            h = sha256()
            with open(path, "rb") as f:
                while True:
                    part = f.read(1024)
                    if not part:
                        break
                    h.update(part)
            into[path] = hexlify(h.digest()).decode()
    return into


def read(path):
    try:
        with open(path, "rb") as f:
            return hexlify(f.read()).decode()
    except OSError:
        return None


def start(memory):
    """One start, as boot.py makes it."""
    if memory is not None:
        RTC.kept = unhexlify(memory)
    sys.modules.update(modules)
    sys.path[:] = [".frozen", "/boot"]
    how = "ran"
    try:
        loader.run()
    except Reset:
        how = "rescue"
    except PowerCut:
        how = "cut"
    except Exception as e:
        sys.print_exception(e)
        how = "raised"
    left = [name for name in sys.modules if name.startswith("loader")]
    return {"how": how, "path": sys.path[:], "left": left if how == "ran" else []}


def run(case):
    flash[:], rom = bases[case["base"]]
    power.left = None
    power.wrong = 0
    if romfs is not None:
        romfs[:] = rom
        for at, content in case.get("romfs", ()):
            content = unhexlify(content)
            romfs[at : at + len(content)] = content
    mount()
    for path, content in case["changes"]:
        try:
            change(path, content)
        except OSError:
            pass  # full, or in a file: the answer says what there is
    answer = {"before": tree("", {}), "starts": []}
    unmount()
    power.done = 0
    power.left = case.get("cut")
    power.torn = case.get("torn", 0)
    RTC.kept = b""
    if case.get("confirm"):
        mount()
        sys.modules.update(modules)
        try:
            loader.confirm()
        except PowerCut:
            pass
        unmount()
        if case.get("cut") is not None:
            power.left = None
    answer["ops"] = power.done
    ends = case.get("ends")
    for n, memory in enumerate(case["starts"]):
        if ends:
            power.left = ends[n]
        mount()
        seen = start(memory)
        answer["ops"] = answer["ops"] or power.done
        cut, power.left = power.left, None
        if cut is not None:
            if not ends:
                RTC.kept = b""
            unmount()
            mount()
            if case.get("lost"):
                gone(case["lost"])
        seen["place"] = in_place()
        seen["images"] = images()
        seen["tree"] = tree("", {})
        seen["boot"] = read("/boot.bin")
        seen["memory"] = hexlify(RTC.kept).decode()
        answer["starts"].append(seen)
        unmount()
    answer["wrong"] = power.wrong
    answer["first"] = hexlify(romfs[:9]).decode() if romfs is not None else ""
    return answer


def main():
    vfs.umount("/")
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        case = json.loads(line)
        if "define" in case:
            mount(True)
            for path in sorted(case["files"]):
                change(path, case["files"][path])
            unmount()
            bases[case["define"]] = bytes(flash), unhexlify(case.get("romfs", ""))
            answer = {}
        else:
            answer = run(case)
        print("=" + json.dumps(answer))


main()
