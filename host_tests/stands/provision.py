# SPDX-License-Identifier: Apache-2.0
"""A board for the tests of scripts/provision: the 32-bit MicroPython with the heap an ESP32 has, over a folder.

The folder is what the interpreter sees as "/". All that changes it is counted, and the power can be cut at any of it:
a write that is cut leaves half of its bytes. What the interpreter lacks of a board stands in for it: a chip number,
and a FRAM on I2C that takes two address bytes.
When a call fails, the error quotes all that was sent, as a careless tool would.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from host_tests.stands.raw_repl import INTERPRETER
from scripts.board.errors import DeviceError, UnpluggedError

SEAL_AT = 0x7FD8
UID = bytes.fromhex("240ac4123456")

_LOOP = r"""
import sys, io, os, vfs
cuts = [int(sys.argv[2]), 0]

class Cut(BaseException):
    pass

def change():
    cuts[1] += 1
    if cuts[1] == cuts[0]:
        raise Cut

class Writing:
    def __init__(self, f):
        self.f = f
    def write(self, data):
        cuts[1] += 1
        if cuts[1] == cuts[0]:
            self.f.write(data[:len(data) // 2])
            self.f.close()
            raise Cut
        return self.f.write(data)
    def close(self):
        self.f.close()

class Root:
    def __init__(self, place):
        self.place, self.v = place, vfs.VfsPosix()
    def at(self, path):
        return self.place + (path if path.startswith('/') else '/' + path)
    def mount(self, readonly, make):
        pass
    def umount(self):
        pass
    def chdir(self, path):
        pass
    def getcwd(self):
        return '/'
    def open(self, path, mode):
        if 'r' in mode and '+' not in mode:
            return self.v.open(self.at(path), mode)
        change()
        return Writing(self.v.open(self.at(path), mode))
    def stat(self, path):
        return self.v.stat(self.at(path))
    def ilistdir(self, path):
        return self.v.ilistdir(self.at(path))
    def remove(self, path):
        self.v.stat(self.at(path))
        change()
        self.v.remove(self.at(path))
    def rename(self, old, new):
        change()
        self.v.rename(self.at(old), self.at(new))

class machine:
    FRAM = bytearray(b'\xff' * 0x8000)
    @staticmethod
    def unique_id():
        return b'\x24\x0a\xc4\x12\x34\x56'
    class Pin:
        def __init__(self, n):
            self.n = n
    class SoftI2C:
        def __init__(self, scl, sda, freq):
            self.wired = scl.n == 22 and sda.n == 21 and freq <= 1000000
        def readfrom_mem(self, addr, at, n, *, addrsize):
            if not self.wired or addr != 0x50 or addrsize != 16:
                raise OSError(19)
            return bytes(machine.FRAM[at : at + n])

sys.modules['machine'] = machine
root = Root(sys.argv[1])
vfs.mount(root, '/')
names = {"__name__": "__main__"}
while True:
    line = sys.stdin.readline()
    if not line:
        break
    code = sys.stdin.read(int(line))
    error = ""
    try:
        exec(code, names)
    except Cut:
        break
    except BaseException as e:
        to = io.StringIO()
        sys.print_exception(e, to)
        error = to.getvalue()
    sys.stdout.write("\x04" + error + "\x04")
"""


class Bench:
    """What scripts/board/device.py promises, over a folder `root`.

    cut_at: the power goes at this change of the file system; unplug_at: the cable is pulled before this call.
    resets: what happens at each; the firmware's part is done there by tests that need it.
    """

    def __init__(self, root: Path, loop: Path, cut_at: int = 0, unplug_at: int = 0):
        self.root = root
        loop.write_text(_LOOP)
        self._loop = loop
        self.cut_at, self.unplug_at = cut_at, unplug_at
        self.calls = self.resets = 0
        self.dead = self.closed = False
        self.sent: list[str] = []
        self.on_reset: Callable[[], None] = lambda: None
        self.fram = bytearray(b"\xff" * 0x8000)
        self._meter: subprocess.Popen | None = None

    # -- as the real one --------------------------------------------------------------------------

    def run(self, code: str) -> str:
        self._call()
        return self._exec(code)

    def put(self, path: str, content: bytes) -> None:
        self._call()
        new = path + ".new"
        self._exec(
            f"import os\nfrom binascii import unhexlify\nf = open({new!r}, 'wb')\n"
            f"f.write(unhexlify({content.hex()!r}))\nf.close()\nos.rename({new!r}, {path!r})\n"
        )

    def get(self, path: str) -> bytes | None:
        self._call()
        said = self._exec(
            "from binascii import hexlify\n"
            f"try:\n    print(hexlify(open({path!r}, 'rb').read()).decode())\nexcept OSError:\n    print('none')\n"
        ).strip()
        return None if said == "none" else bytes.fromhex(said)

    def reset(self) -> None:
        self._call()
        self._stop()
        self.resets += 1
        self.on_reset()

    def close(self) -> None:
        self.closed = True
        self._stop()

    # -- the interpreter --------------------------------------------------------------------------

    def _call(self):
        self.calls += 1
        if self.dead or self.calls == self.unplug_at:
            self.dead = True
            raise UnpluggedError("The port went away.")

    def _stop(self):
        if self._meter:
            self._meter.kill()
            self._meter.communicate()
            self._meter = None

    def _exec(self, code: str) -> str:
        self.sent.append(code)
        if self._meter is None:
            command = [INTERPRETER, "-X", "heapsize=112k", self._loop, self.root, str(self.cut_at)]
            self._meter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._send(f"import machine\nmachine.FRAM[{SEAL_AT}:] = {bytes(self.fram[SEAL_AT:])!r}")
            self._answer()
        self._send(code)
        said, error = self._answer()
        if error:
            raise DeviceError(f"The board failed at {code}: {error}")
        return said

    def _send(self, code):
        assert self._meter and self._meter.stdin
        self._meter.stdin.write(b"%d\n" % len(code) + code.encode())
        self._meter.stdin.flush()

    def _answer(self):
        assert self._meter and self._meter.stdout
        answer = b""
        while answer.count(b"\x04") < 2:
            part = os.read(self._meter.stdout.fileno(), 65536)
            if not part:
                self.dead = True
                raise UnpluggedError(f"The port went away after {self.sent[-1]}.")
            answer += part
        said, error, _ = answer.decode().split("\x04")
        return said, error


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
