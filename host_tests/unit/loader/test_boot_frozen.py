# SPDX-License-Identifier: Apache-2.0
"""boards/modules: what production firmware runs before boot.py, on the real interpreter over a partition in RAM."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
INTERPRETERS = {arch: ROOT / f"build/micropython/micropython-{arch}" for arch in ("i386", "amd64")}

# The port runs _boot.py as a script in the namespace boot.py is then run in; frozen modules are at hand to both.
STAGE = """
import sys, json, gc, vfs, os

class Cut(Exception):
    pass

class Flash:
    TYPE_DATA = 1
    def __init__(self, blocks=16):
        self.blocks = blocks
        self.data = bytearray(b"\\xff" * 4096 * blocks)
        self.ops = self.reads = 0
        self.cut_at = self.broken = None
    def find(self, type=0, subtype=255, label=None):
        assert (type, label) == (1, "vfs")
        return [self] if self.blocks else []
    def readblocks(self, block, buf, offset=0):
        self.reads += 1
        if self.broken:
            raise self.broken
        at = block * 4096 + offset
        buf[:] = self.data[at:at + len(buf)]
    def writeblocks(self, block, buf, offset=0):
        self.op()
        at = block * 4096 + offset
        torn = self.ops == self.cut_at
        for i in range(len(buf) // 2 if torn else len(buf)):
            assert self.data[at + i] & buf[i] == buf[i], "program without erase"
            self.data[at + i] = buf[i]
        if torn:
            raise Cut
    def ioctl(self, op, arg):
        if op == 4:
            return self.blocks
        if op == 5:
            return 4096
        if op == 6:
            self.op()
            if self.ops == self.cut_at:
                raise Cut
            self.data[arg * 4096:(arg + 1) * 4096] = b"\\xff" * 4096
        return 0
    def op(self):
        assert self.cut_at is None or self.ops < self.cut_at
        self.ops += 1

class Esp32:
    pass

def fresh():
    "As after a reset: nothing mounted, nothing imported."
    try:
        vfs.umount("/")
    except OSError:
        pass
    sys.modules.pop("_boot", None)

def boot(flash):
    fresh()
    Esp32.Partition = flash
    sys.modules["esp32"] = Esp32
    space = {"__name__": "__main__"}
    exec(BOOT, space)
    space.pop("__name__"), space.pop("__builtins__", None)
    names = os.listdir("/")
    if not names and sys.modules["_boot"].trouble:
        try:
            open("/probe", "w").close()
        except OSError:
            names = None  # nothing is mounted
    return {"trouble": sys.modules["_boot"].trouble, "names": names, "left": sorted(space), "reads": flash.reads}

def filled(flash, files=8):
    "A file system with more than fits into its first two blocks."
    vfs.VfsLfs2.mkfs(flash, readsize=32, progsize=32, lookahead=32)
    fs = vfs.VfsLfs2(flash, readsize=32, progsize=32, lookahead=32, mtime=False)
    for n in range(files):
        with fs.open("file%02d" % n, "w") as f:
            f.write("x" * 600)
    return flash
"""


@pytest.fixture(params=list(INTERPRETERS))
def run(request):
    """Run code on MicroPython after the stage. Return what it printed last, as JSON says it."""

    def go(code):
        boot = (ROOT / "boards/modules/_boot.py").read_text()
        done = subprocess.run(
            [INTERPRETERS[request.param], "-X", "heapsize=4m", "-c", f"BOOT = {boot!r}\n{STAGE}\n{code}"],
            capture_output=True, text=True, timeout=120, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return go


def test_a_blank_partition_is_formatted_and_mounted(run):
    said = run("print(json.dumps(boot(Flash())))")
    assert (said["trouble"], said["names"]) == ("", [])


def test_a_good_file_system_is_mounted_and_not_written_to(run):
    said = run("""
flash = filled(Flash())
before = bytes(flash.data)
said = boot(flash)
with open("/file07") as f: said["content"] = f.read()
said["same"] = bytes(flash.data) == before
print(json.dumps(said))""")
    assert said["trouble"] == "" and len(said["names"]) == 8
    assert said["content"] == "x" * 600 and said["same"]


def test_only_the_note_is_left_behind_for_boot_py(run):
    left = set(run("print(json.dumps(boot(Flash())))")["left"])
    assert left == {"gc", "sys"}


def test_files_carry_no_times(run):
    said = run("""
boot(Flash())
open("/a", "w").close()
print(json.dumps(os.stat("/a")[8]))""")
    assert said == 0


@pytest.mark.parametrize(
    "damage",
    [
        "flash.data[0:8192] = bytes(8192)",
        "flash.data[0:8192] = b'\\xff' * 8192",  # the first blocks are blank, the rest is not
        "flash.data[8:16] = flash.data[4104:4112] = b'LITTLEFS'",
        "import random\nfor i in range(len(flash.data)): flash.data[i] = random.getrandbits(8)",
        "flash.data[:] = bytes(len(flash.data))",
        "flash.data[:] = b'\\xff' * len(flash.data)\nflash.data[-1] = 0xFE",  # one bit, in the last block
        "flash.data[:] = b'\\xff' * len(flash.data)\nflash.data[5 * 4096] = 0xFE",  # one where another block begins
    ],
    ids=["superblocks zero", "superblocks erased", "magic lost", "random", "all zero", "last bit", "first bit"],
)
def test_a_damaged_one_is_left_as_it_is_and_named(run, damage):
    said = run(f"""
flash = filled(Flash())
{damage}
before = bytes(flash.data)
ops = flash.ops
said = boot(flash)
said["same"] = bytes(flash.data) == before and flash.ops == ops
print(json.dumps(said))""")
    assert said["trouble"].startswith("file system: OSError(") and said["same"]
    assert said["names"] is None  # nothing pretends to keep what is written to it


@pytest.mark.parametrize("error", ["OSError(5)", "OSError(-261, 'ESP_FAIL')", "RuntimeError('x')", "MemoryError()"])
def test_a_flash_that_fails_is_named(run, error):
    said = run(f"flash = filled(Flash())\nflash.broken = {error}\nprint(json.dumps(boot(flash)))")
    assert said["trouble"].startswith("file system: " + error.split("(")[0]) and said["names"] is None


def test_a_missing_partition_is_named(run):
    assert run("print(json.dumps(boot(Flash(0))))")["trouble"] == "file system: OSError('there is no partition vfs',)"


def test_anybody_who_looks_finds_the_note_without_running_it_again(run):
    said = run("""
flash = Flash(0)
boot(flash)
import _boot
print(json.dumps(_boot.trouble))""")
    assert "vfs" in said


def test_power_failing_at_any_step_of_formatting_only_makes_the_next_start_format_again(run):
    said = run("""
flash = Flash()
boot(flash)
steps, bad = flash.ops, []
for n in range(1, steps + 1):
    flash = Flash()
    flash.cut_at = n
    cut = boot(flash)["trouble"]
    flash.cut_at = None
    after = boot(flash)
    if "Cut" not in cut or after["trouble"] or after["names"] != []:
        bad.append((n, cut, after["trouble"]))
print(json.dumps([steps, bad]))""")
    assert said[0] >= 4 and said[1] == []


def test_one_small_file_is_enough_never_to_be_formatted_over(run):
    said = run("""
flash = Flash()
vfs.VfsLfs2.mkfs(flash, readsize=32, progsize=32, lookahead=32)
fs = vfs.VfsLfs2(flash, readsize=32, progsize=32, lookahead=32, mtime=False)
bad = []
for n in range(200):
    with fs.open("k", "w") as f: f.write("1")
    kept = Flash()
    kept.data[:] = flash.data
    for at in (0, 4096): kept.data[at + 8:at + 16] = b"LITTLEFS"
    before = bytes(kept.data)
    if not boot(kept)["trouble"] or bytes(kept.data) != before: bad.append(n)
print(json.dumps(bad))""")
    assert said == []


CONSOLE = """
import sys, json, io, os
class Uart:
    def __init__(self, *how): self.how, self.sent = how, b""
    def write(self, data): self.sent += bytes(data); return None
class Machine: UART = Uart
class Os: pass
Os.dupterm = lambda stream: terms.append(stream)
terms = []
sys.modules["machine"], sys.modules["os"] = Machine, Os
space = {"__name__": "console"}
exec(CODE, space)
space["attach"]()
"""


@pytest.mark.parametrize("arch", list(INTERPRETERS))
def test_the_console_of_production_sends_and_never_reads(arch):
    code = (ROOT / "boards/modules/console.py").read_text()
    done = subprocess.run(
        [INTERPRETERS[arch], "-c", f"CODE = {code!r}\n{CONSOLE}\n" + """
term = terms[0]
print("SELFTEST x=1", file=term)
got = term.readinto(bytearray(1))
print(json.dumps([term._uart.how, term._uart.sent.decode(), got, term.ioctl(3, 1)]))"""],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[0, 115200], "SELFTEST x=1\n", None, 0]
