#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Get the MicroPython interpreters the bench runs the firmware on: 32-bit, and 64-bit to compare with.

A `micropython` on PATH is taken if it is good enough. What is missing comes from Debian trixie's packages,
unpacked beside their own C library, so that the machine's release does not matter (debian_packages.py).

Runs before anything is installed: standard library only. A second run finds the result and does nothing.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .common import ROOT, SetupError, alone, guarded, run, say
from .debian_packages import unpack

TARGET = ROOT / "build" / "micropython"
READY = "ready.json"
LAYOUT = 1  # of ready.json and the folders; raise it to make every checkout fetch again
SUITE = "trixie"  # the first Debian with MicroPython for i386, and the version the bench is tuned on (1.25)
OLDEST = (1, 24)
PACKAGES = ("micropython", "libc6", "libffi8", "libmbedcrypto16", "libmbedtls21", "libmbedx509-7")
ARCHES = {  # name -> (word size, multiarch folder, loader)
    "i386": (32, "i386-linux-gnu", "ld-linux.so.2"),
    "amd64": (64, "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
}
WITHOUT = (
    "Put a 32-bit `micropython` 1.24 or newer (with ffi and VfsLfs2) on PATH instead, and run this again."
)

# What the bench needs of an interpreter, asked of the interpreter itself.
PROBE = """
import asyncio, cryptolib, ffi, hashlib, json, socket, struct, sys, uctypes, vfs
class Ram:
    def __init__(self): self.data = bytearray(16 * 4096)
    def readblocks(self, n, buf, off=0): buf[:] = self.data[n * 4096 + off : n * 4096 + off + len(buf)]
    def writeblocks(self, n, buf, off=0): self.data[n * 4096 + off : n * 4096 + off + len(buf)] = buf
    def ioctl(self, op, arg): return {4: 16, 5: 4096}.get(op, 0)
ram = Ram()
vfs.VfsLfs2.mkfs(ram)
vfs.mount(vfs.VfsLfs2(ram), "/probe")
with open("/probe/file", "w") as f: f.write("kept")
assert open("/probe/file").read() == "kept"
vfs.umount("/probe")
block = cryptolib.aes(bytes(16), 1).encrypt(bytes(16))
assert block[:4] == b"\\x66\\xe9\\x4b\\xd4"
async def two(): await asyncio.sleep_ms(1); return 2
assert asyncio.run(two()) == 2
ffi.open("libc.so.6").func("i", "getppid", "")()
print(json.dumps({"version": list(sys.implementation[1][:3]), "bits": 64 if sys.maxsize >> 32 else 32,
    "mpy": sys.implementation._mpy & 255}))
"""


def tell(text: str) -> None:
    say("micropython", text)


# -- the interpreters -----------------------------------------------------------------------------


def probe(program: Path | str) -> dict:
    """Version, word size and .mpy version of an interpreter; SetupError if it is not good enough."""
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "MICROPYPATH": ".frozen"}
    try:
        done = run([str(program), "-X", "heapsize=112k", "-c", PROBE], env=env, timeout=30)
    except subprocess.TimeoutExpired:
        raise SetupError(f"{program} does not come back") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SetupError(lines[-1] if lines else f"it ends with status {done.returncode}")
    try:
        found = json.loads(done.stdout)
        version = tuple(found["version"])
    except (ValueError, KeyError, TypeError):
        raise SetupError("it does not answer like MicroPython") from None
    if version < OLDEST:
        raise SetupError(f"it is {dotted(version)}, and {dotted(OLDEST)} or newer is needed")
    if found["mpy"] != 6:
        raise SetupError(f"it loads .mpy version {found['mpy']}, and 6 is needed")
    return found


def dotted(version) -> str:
    return ".".join(map(str, version))


def from_path() -> dict:
    """Architecture name -> facts, for a usable micropython on PATH; empty if there is none."""
    program = shutil.which("micropython")
    if program is None:
        return {}
    try:
        found = probe(program)
    except SetupError as e:
        tell(f"{program} is left alone: {e}")
        return {}
    name = "i386" if found["bits"] == 32 else "amd64"
    return {name: {**found, "program": os.path.abspath(program), "source": "PATH"}}


def wrapper(name: str, program: str | None) -> str:
    """The launcher build/micropython/micropython-<name>: a program of this machine, or the unpacked one."""
    if program is not None:
        return f'#!/bin/sh\nexec {shlex.quote(program)} "$@"\n'
    _, triplet, loader = ARCHES[name]
    return (
        "#!/bin/sh\n"
        f'd=$(cd "$(dirname "$0")" && pwd)/{name}/root/usr\n'
        f'exec "$d/lib/{triplet}/{loader}" --library-path "$d/lib/{triplet}" "$d/bin/micropython" "$@"\n'
    )


def install_wrapper(folder: Path, name: str, program: str | None) -> Path:
    path = folder / f"micropython-{name}"
    path.write_text(wrapper(name, program))
    path.chmod(0o755)
    return path


def fetch(names: list[str], into: Path) -> str:
    """Unpack Debian's interpreter of each architecture to into/<name>/root. Return the mirror."""
    try:
        return unpack(PACKAGES, SUITE, {name: into / name / "root" for name in names})
    except SetupError as e:
        raise SetupError(f"{e} {WITHOUT}" if "i386" in names else str(e)) from None


def slim(root: Path, triplet: str) -> None:
    """Licences stay; the C library's character sets, changelogs and manuals are of no use here."""
    shutil.rmtree(root / "usr/lib" / triplet / "gconv", ignore_errors=True)
    for folder in ("usr/share/man", "usr/share/lintian"):
        shutil.rmtree(root / folder, ignore_errors=True)
    for path in (root / "usr/share/doc").glob("*/*"):
        if path.name != "copyright":
            path.unlink()


# -- putting them in place ------------------------------------------------------------------------


def cached(target: Path) -> dict | None:
    """What an earlier run left, if it is still all there."""
    try:
        found = json.loads((target / READY).read_text())
        if found["layout"] != LAYOUT:
            return None
        for name in ("i386", *found["interpreters"]):
            if not os.access(target / f"micropython-{name}", os.X_OK):
                return None
            facts = found["interpreters"][name]
            if not os.access(facts.get("program") or target / name / "root/usr/bin/micropython", os.X_OK):
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def adopt(target: Path) -> dict | None:
    """Take interpreters that are in place and work, but carry no mark of an earlier run."""
    if not target.is_dir():
        return None
    interpreters = {}
    for name, (bits, _, _) in ARCHES.items():
        try:
            interpreters[name] = {**probe(target / f"micropython-{name}"), "source": "found in place"}
        except SetupError:
            return None
        if interpreters[name]["bits"] != bits:
            return None
    return mark(target, interpreters)


def mark(folder: Path, interpreters: dict) -> dict:
    report = {"layout": LAYOUT, "interpreters": interpreters}
    tmp = folder / f"{READY}.{os.getpid()}"
    tmp.write_text(json.dumps(report, indent=1) + "\n")
    tmp.replace(folder / READY)
    return report


def build(target: Path) -> dict:
    """Make the whole folder beside its place and move it there when it has been seen to work."""
    new, old = target.with_name(f"{target.name}.new"), target.with_name(f"{target.name}.old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        interpreters = from_path()
        missing = [name for name in ARCHES if name not in interpreters]
        try:
            source = f"Debian {SUITE}, {fetch(missing, new)}" if missing else ""
        except SetupError as e:
            if "i386" in missing:
                raise
            tell(f"going on without a 64-bit interpreter to compare with: {e}")
            missing = []
        for name in missing:
            interpreters[name] = {"source": source}
            slim(new / name / "root", ARCHES[name][1])
        for name, facts in interpreters.items():
            check(install_wrapper(new, name, facts.get("program")), name, facts)
        report = mark(new, interpreters)
        if target.exists():
            target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        return report
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check(program: Path, name: str, facts: dict) -> None:
    """Run what was just installed and note what it is."""
    bits = ARCHES[name][0]
    try:
        facts.update(probe(program))
    except SetupError as e:
        reason = "this kernel may not allow 32-bit x86 programs" if bits == 32 else "something is missing"
        raise SetupError(f"the {bits}-bit MicroPython does not run here ({e}): {reason}. {WITHOUT}") from None
    if facts["bits"] != bits:
        raise SetupError(f"the MicroPython fetched for {name} is a {facts['bits']}-bit one")
    tell(f"{name}: {dotted(facts['version'])}, {bits}-bit, checked ({facts['source']})")


def setup(target: Path = TARGET, force: bool = False) -> dict:
    found = None if force else cached(target)
    if found:
        return found
    with alone(target, "micropython"):
        found = None if force else cached(target) or adopt(target)
        return found or build(target)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts.setup.micropython",
        description="Get a 32-bit and a 64-bit MicroPython: from PATH, else Debian's packages, without root.",
        epilog="PENNYWATT_DEBIAN_MIRROR names a Debian mirror where the machine's own sources have none.",
    )
    parser.add_argument("--force", action="store_true", help="get them again even if they are there and work")
    parser.add_argument("--json", action="store_true", help="print what there is as one JSON object")
    parser.add_argument(
        "--target", type=Path, default=TARGET, help="where they go (default: build/micropython)"
    )
    args = parser.parse_args()
    started = time.monotonic()

    def job():
        report = setup(args.target.resolve(), args.force)
        if args.json:
            print(
                json.dumps(
                    {**report, "target": str(args.target), "seconds": round(time.monotonic() - started, 2)}
                )
            )

    return guarded("micropython", job)


if __name__ == "__main__":
    sys.exit(main())
