# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalOperand=false
# ruff: noqa: SIM105 (MicroPython has no contextlib)
"""Runs on MicroPython (world.py starts it): the loader, on LittleFS in memory that keeps the rules of NOR flash.

    on_meter.py PLACE      PLACE: where `loader` is, as sources or linked

One JSON object a line comes in, one goes out after "=". {"define": name, "files": {path: hex}} makes a file system to
begin from. A case is one of these with changes, and starts:

    base      its name          changes   [[path, hex], [path, null: removed], [path, "folder"], [path, "fill"]]
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


class Nor:
    """Programs clear bits, erases set them; after a power cut nothing is written any more."""

    def __init__(self):
        self.data = bytearray(_BLOCK * _BLOCKS)
        self.left = None
        self.done = 0
        self.torn = 0
        self.wrong = 0

    def readblocks(self, n, buf, offset=0):
        at = n * _BLOCK + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, n, buf, offset=None):
        at = n * _BLOCK + offset
        size = len(buf)
        old = int.from_bytes(self.data[at : at + size], "big")
        new = int.from_bytes(buf, "big")
        if old & new != new:
            self.wrong += 1
        content = (old & new).to_bytes(size, "big")
        if self._cut():
            part = (0, size // 2, size - 1, size)[self.torn % 4]
            if self.left == 0:
                self.data[at : at + part] = content[:part]
            self.left = -1
            raise PowerCut
        self.data[at : at + size] = content

    def ioctl(self, op, arg):
        if op == 4:
            return _BLOCKS
        if op == 5:
            return _BLOCK
        if op == 6:
            at = arg * _BLOCK
            part = _BLOCK
            cut = self._cut()
            if cut:
                part = (0, 512, 2048, _BLOCK)[self.torn % 4] if self.left == 0 else 0
            for i in range(at, at + part, 512):
                self.data[i : i + 512] = b"\xff" * 512
            if cut:
                self.left = -1
                raise PowerCut
        return 0

    def _cut(self):
        self.done += 1
        if self.left is None:
            return False
        if self.left > 0:
            self.left -= 1
            return False
        return True


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


flash = Nor()
bases = {}
sys.modules["machine"] = Machine
sys.modules["time"] = Time
sys.path[:] = [sys.argv[1]]
import loader  # noqa: E402

if "confirm" in dir(loader) and not loader.__file__.endswith(".mpy"):
    # The sources: all of them must be there before the host's files are out of reach.
    import loader.bundle
    import loader.ed25519
    import loader.errors
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
        flash.data[:] = b"\xff" * len(flash.data)
        vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")


def unmount():
    try:
        vfs.umount("/")
    except OSError:
        pass


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
    flash.data[:] = bases[case["base"]]
    flash.left = None
    flash.wrong = 0
    mount()
    for path, content in case["changes"]:
        try:
            change(path, content)
        except OSError:
            pass  # full, or in a file: the answer says what there is
    answer = {"before": tree("", {}), "starts": []}
    unmount()
    flash.done = 0
    flash.left = case.get("cut")
    flash.torn = case.get("torn", 0)
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
            flash.left = None
    answer["ops"] = flash.done
    ends = case.get("ends")
    for n, memory in enumerate(case["starts"]):
        if ends:
            flash.left = ends[n]
        mount()
        seen = start(memory)
        answer["ops"] = answer["ops"] or flash.done
        cut, flash.left = flash.left, None
        if cut is not None:
            if not ends:
                RTC.kept = b""
            unmount()
            mount()
            if case.get("lost"):
                gone(case["lost"])
        seen["tree"] = tree("", {})
        seen["boot"] = read("/boot.bin")
        seen["memory"] = hexlify(RTC.kept).decode()
        answer["starts"].append(seen)
        unmount()
    answer["wrong"] = flash.wrong
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
            bases[case["define"]] = bytes(flash.data)
            answer = {}
        else:
            answer = run(case)
        print("=" + json.dumps(answer))


main()
