# SPDX-License-Identifier: Apache-2.0
"""A board on a pseudo terminal: the raw REPL's exchange, enforced, before a real MicroPython that runs the commands.

The rules (MicroPython's reference, "The MicroPython interactive interpreter mode"): Ctrl-C stops a program, Ctrl-A
enters the raw REPL with its banner, Ctrl-D there runs what came before: OK, what it prints, EOT, its traceback, EOT,
">".
Ctrl-D on an empty line is a soft reset: all that was defined is gone. Ctrl-E A Ctrl-A asks for raw-paste mode; this
board has none and says so. Whatever else comes outside the raw REPL is echoed.

The interpreter behind it has the stand-in `machine` below: an SPI slave that counts clocks and takes a write when chip
select rises, as the datasheet has it, over a register file. It cannot tell what a watchdog or a timer would do.
"""

import os
import pty
import select
import subprocess
import threading
import tty
from pathlib import Path

BANNER = b"raw REPL; CTRL-B to exit\r\n"
INTERPRETER = Path(__file__).resolve().parents[2] / "build/micropython/micropython-i386"

MACHINE = '''
class Pin:
    OUT, IN = 1, 0
    made = {}
    def __init__(self, n, mode=0, value=None):
        self.n, self.level = n, value
        Pin.made[n] = self
    def __call__(self, level):
        if level and not self.level:
            SPI.bus.rises()
        if self.level and not level:
            SPI.bus.falls()
        self.level = level

class WDT:
    fed = 0
    def __init__(self, timeout):
        self.timeout = timeout
        with open("watchdog", "a") as f:
            f.write("%d " % timeout)
    def feed(self):
        WDT.fed += 1

class RTC:
    def memory(self, data):
        pass

class SPI:
    def __init__(self, n, baudrate, *, polarity, phase, sck, mosi, miso):
        if (polarity, phase) != (1, 1) or baudrate > 1100000:
            raise ValueError("not what the part takes")
        self.regs = {0x61: 0x8000}
        self.frame = None
        self.last = 0
        SPI.bus = self
    def falls(self):
        self.frame = b""
    def rises(self):
        f, self.frame = self.frame, None
        if f and len(f) == 4 and not f[0] & 0x80:
            self.last = f[2] << 8 | f[3]
            self.regs[(f[0] & 3) << 8 | f[1]] = self.last
    def write_readinto(self, tx, rx):
        if self.frame is None or len(tx) != len(rx):
            raise OSError(5)
        self.frame += bytes(tx)
        rx[:] = bytes(len(rx))
        if len(tx) == 4 and tx[0] & 0x80:
            addr = (tx[0] & 3) << 8 | tx[1]
            self.last = self.last if addr == 0x78 else self.regs.get(addr, 0)
            rx[2], rx[3] = self.last >> 8, self.last & 255

class Timer:
    ONE_SHOT = 0
    def __init__(self, n):
        pass
    def init(self, period, mode, callback):
        print("restart in", period)
'''

# Reads "<length>\n<code>", runs it in one lasting namespace, and answers with what it printed, EOT, the traceback, EOT.
_LOOP = r"""
import sys, io
names = {"__name__": "__main__"}
while True:
    line = sys.stdin.readline()
    if not line:
        break
    code = sys.stdin.read(int(line))
    error = ""
    try:
        exec(code, names)
    except BaseException as e:
        to = io.StringIO()
        sys.print_exception(e, to)
        error = to.getvalue()
    sys.stdout.write("\x04" + error + "\x04")
"""


class Board:
    """`port` is where a program finds it. root: its file system. Close it."""

    def __init__(self, root: Path):
        (root / "machine.py").write_text(MACHINE)
        (root / "loop.py").write_text(_LOOP)
        self.root = root
        self.soft_resets = self.execs = 0
        self.broken_rules = []
        self._meter = None
        self._start()
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave = slave
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _start(self):
        if self._meter:
            self._meter.kill()
            self._meter.wait()
        self._meter = subprocess.Popen(
            [INTERPRETER, "loop.py"], cwd=self.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"MICROPYPATH": str(self.root)},
        )  # fmt: skip

    def close(self):
        os.write(self._end, b"!")
        self._meter.kill()
        self._meter.wait()
        # Not before it has ended: the number of a closed file is given to the next one opened, which would be another
        # board's, and its commands be taken by this one.
        self._thread.join()
        for file in (self._slave, self._master, self._ended, self._end):
            os.close(file)

    def _say(self, data: bytes):
        os.write(self._master, data)

    def _serve(self):
        raw, buffer = False, b""
        while self._ended not in select.select((self._master, self._ended), (), ())[0]:
            for byte in os.read(self._master, 256):
                c = bytes((byte,))
                if c == b"\x03":
                    buffer = b""
                elif c == b"\x01" and buffer == b"\x05A":
                    buffer = b""
                    self._say(b"R\x00")  # understood, and not to be had
                elif c == b"\x01":
                    raw, buffer = True, b""
                    self._say(BANNER + b">")
                elif c == b"\x02" and raw:
                    raw, buffer = False, b""
                    self._say(b"\r\n>>> ")
                elif c == b"\x04" and raw and not buffer:
                    self.soft_resets += 1
                    self._start()
                    self._say(b"OK\r\nMPY: soft reboot\r\n" + BANNER + b">")
                elif c == b"\x04" and raw:
                    self._run(buffer)
                    buffer = b""
                elif raw:
                    buffer += c
                else:
                    if c not in b"\r\n":
                        self.broken_rules.append(c)
                    self._say(c)

    def _run(self, code: bytes):
        self.execs += 1
        self._meter.stdin.write(b"%d\n" % len(code.decode()) + code)
        self._meter.stdin.flush()
        self._say(b"OK")
        answer = b""
        while answer.count(b"\x04") < 2:
            said = os.read(self._meter.stdout.fileno(), 4096)
            if not said:
                return  # closed, or fallen
            answer += said
        self._say(answer.replace(b"\n", b"\r\n") + b">")


class PlainTransport:
    """The three calls of mpremote's transport over a file descriptor, where mpremote is not installed."""

    def __init__(self, port: str):
        self._fd = os.open(port, os.O_RDWR | os.O_NOCTTY)

    def _until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += os.read(self._fd, 1)
        return data

    def enter_raw_repl(self, soft_reset):
        os.write(self._fd, b"\r\x03\r\x01")
        self._until(BANNER + b">")
        if soft_reset:
            os.write(self._fd, b"\x04")
            self._until(b"soft reboot\r\n")
            self._until(BANNER + b">")

    def exec(self, command: str) -> bytes:
        os.write(self._fd, command.encode())
        os.write(self._fd, b"\x04")
        self._until(b"OK")
        said = self._until(b"\x04")[:-1]
        error = self._until(b"\x04")[:-1]
        self._until(b">")
        if error:
            raise RuntimeError(error.decode())
        return said

    def close(self):
        os.close(self._fd)
