# SPDX-License-Identifier: Apache-2.0
"""A chip in its ROM loader on a pseudo terminal: Espressif's serial protocol, enforced, over a flash to be erased.

Source: esptool's documentation, "Serial Protocol" (packets, commands, status bytes, error codes of ROM and stub) and
the ESP32 technical reference manual (SPI user commands, eFuse and UART registers). Little-endian throughout.

What is enforced: SLIP framing; SYNC before all else; sizes and checksums; the SPI attached before the flash is used;
blocks in their order, no more and no fewer than announced; the stub uploaded whole, and started at an address inside
it, before its commands work; both sides at the same speed (a pseudo terminal carries it). The flash programs ones to
zeros only, a sector must be erased first, and nothing lies beyond its size. `broken_rules` says what was not kept.

What is not: the stub's code does not run; this answers as it would. There are no DTR and RTS on a pseudo terminal: the
chip is in its loader from the start, as with BOOT held, and leaves it when the port is closed after something was
written (`then` is called). ESP32 and, as far as it takes to be told apart, ESP32-S3.
"""

import contextlib
import hashlib
import os
import pty
import select
import struct
import termios
import threading
import time
import tty
import zlib
from collections.abc import Callable
from pathlib import Path

from scripts.image.partition_table import AT

SECTOR = 4096
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()}
_SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_INVALID, _FAILED, _CHECKSUM, _INFLATE = 0x05, 0x06, 0x07, 0x0B
_STUB_ERRORS = {_INVALID: 0xC3, _FAILED: 0xC4, _CHECKSUM: 0xC1, _INFLATE: 0xC7}
_SPI = 0x3FF42000
_USR, _USR2, _MISO_DLEN, _W0 = _SPI + 0x1C, _SPI + 0x24, _SPI + 0x2C, _SPI + 0x80
_REGISTERS = {
    0x40001000: 0x00F01D83,  # the word by which an ESP32 is known
    0x3FF40014: 347,  # UART clock divider: a 40 MHz crystal at 115200
    0x3FF5A004: 0x12345678, 0x3FF5A008: 0x00AA24A1,  # MAC address
    0x3FF5A00C: 0x8200, 0x3FF5A014: 0x01100000, 0x3FF6607C: 0x80000000,  # ESP32-D0WD-V3, revision 3.1
}  # fmt: skip


class Loader:
    """port: where a program finds it. flash: its bytes now. Faults are attributes; set them before the port is opened.

    silent: answers nothing. garbage: answers noise. dies_after: bytes written to flash, after which `pulled` says
    whether the cable is out (the port goes away) or the chip falls silent. flips: an address whose byte comes out
    wrong. `then` is called when the port is closed after a write.
    """

    def __init__(self, folder: Path, chip: str = "esp32", flash_mib: int = 4, then: Callable[[], None] | None = None):
        assert chip in ("esp32", "esp32s3")
        self.chip, self.then = chip, then
        self.flash = bytearray(hashlib.shake_128(b"what was there").digest(SECTOR)) * (flash_mib * 256)
        self.flash[AT : AT + SECTOR] = b"\xff" * SECTOR  # but no partition table, as on a new chip
        self.silent = self.garbage = self.pulled = False
        self.dies_after = self.flips = -1
        self.broken_rules: list[str] = []
        self.baud_rates: set[int] = set()
        self.erased_all = False
        self._registers = dict(_REGISTERS) if chip == "esp32" else {}
        self._registers[-1] = {1: 0x14, 2: 0x15, 4: 0x16, 8: 0x17, 16: 0x18}[flash_mib]
        self._written = 0
        self._reset()
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = str(folder / "ttyUSB0")
        os.symlink(os.ttyname(slave), self.port)
        os.close(slave)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        self._over.set()
        self._thread.join(5)
        self._pull()

    def _pull(self):
        if self._master >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self.port)
            master, self._master = self._master, -1
            os.close(master)

    def _reset(self):
        self._synced = self._stub = self._attached = False
        self._speed = 0  # the loader takes that of the first SYNC
        self._ram: list[tuple[int, int]] = []
        self._transfer: dict = {}

    def _breaks(self, rule: str):
        if rule not in self.broken_rules:
            self.broken_rules.append(rule)

    # -- the line ---------------------------------------------------------------------------------

    def _serve(self):
        packet: bytearray | None = None
        escaped = opened = False
        watch = select.poll()
        watch.register(self._master, select.POLLIN)
        while not self._over.is_set() and self._master >= 0:
            events = dict(watch.poll(50)).get(self._master, 0)
            if not events & select.POLLIN:
                if events & select.POLLHUP:  # nobody has the port open
                    if opened and self._written and self.then and self.dies_after < 0:
                        return self._leave()
                    opened = False
                    time.sleep(0.01)
                continue
            opened = True
            try:
                data = os.read(self._master, 65536)
            except OSError:
                continue
            if self.silent:
                continue
            if self.garbage:
                self._raw(bytes(b ^ 0x5A for b in data[:200]) + b"\xc0\x13\x37\xc0")
                continue
            for byte in data:
                if byte == 0xC0:
                    if packet:
                        self._packet(bytes(packet))
                    packet, escaped = bytearray(), False
                elif packet is not None:
                    if escaped:
                        if byte not in (0xDC, 0xDD):
                            self._breaks("SLIP: an escape of nothing")
                        packet.append({0xDC: 0xC0, 0xDD: 0xDB}.get(byte, byte))
                        escaped = False
                    elif byte == 0xDB:
                        escaped = True
                    else:
                        packet.append(byte)

    def _leave(self):
        self._pull()
        if self.then:
            self.then()

    def _raw(self, data: bytes):
        while data and self._master >= 0:
            try:
                data = data[os.write(self._master, data) :]
            except OSError:
                return

    def _frame(self, body: bytes):
        self._raw(b"\xc0" + body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")

    def _answer(self, command: int, data: bytes = b"", value: int = 0, error: int = 0):
        if error and self._stub:
            error = _STUB_ERRORS[error]
        status = bytes((1 if error else 0, error)) + (b"" if self._stub else b"\0\0")
        body = data + status
        self._frame(struct.pack("<BBHI", 1, command, len(body), value) + body)

    def _packet(self, packet: bytes):
        speed = _SPEEDS.get(termios.tcgetattr(self._master)[4], 0)
        if self._transfer.get("kind") == 0xD2:
            return self._read_on(packet)
        if len(packet) < 8 or packet[0] != 0:
            return self._breaks("a packet that is no request")
        _, command, size, checksum = struct.unpack("<BBHI", packet[:8])
        data = packet[8:]
        if not self._synced and command != 0x08:
            return self._breaks("a command before SYNC")
        if command == 0x08 and not self._stub:
            self._speed = speed
        if speed != self._speed:
            return self._breaks(f"sent at {speed} baud, and the chip is at {self._speed}")
        self.baud_rates.add(speed)
        if size != len(data):
            return self._breaks("a size that is not that of the data")
        self._command(command, data, checksum)

    # -- commands ---------------------------------------------------------------------------------

    def _command(self, command: int, data: bytes, checksum: int):
        words = struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])
        if command == 0x08:
            if data != _SYNC:
                return self._breaks("a SYNC of another pattern")
            self._synced = True
            for _ in range(8):
                self._answer(command, value=0 if self._stub else 0x20120707)
        elif command == 0x0A:
            if len(data) != 4 or words[0] & 3:
                return self._refuse(command, "READ_REG of no register")
            self._answer(command, value=self._registers.get(words[0], 0))
        elif command == 0x09:
            for at in range(0, len(words) - 3, 4):
                self._write_reg(*words[at : at + 3])
            self._answer(command)
        elif command == 0x0D:
            if len(data) not in ((4,) if self._stub else (4, 8)):
                return self._refuse(command, "SPI_ATTACH of another length")
            self._attached = True
            self._answer(command)
        elif command == 0x0B:
            if len(words) != 6 or words[1] > len(self.flash):
                return self._refuse(command, "SPI_SET_PARAMS beyond the flash")
            self._answer(command)
        elif command == 0x0F:
            old = words[1]
            if self._stub and old != self._speed:
                return self._refuse(command, "CHANGE_BAUDRATE from another speed than this")
            self._answer(command)
            self._speed = words[0]
        elif command == 0x14 and self.chip == "esp32s3":
            self._answer(command, struct.pack("<IB7sII", 0, 0, bytes(7), 9, 0))
        elif command in (0x05, 0x07, 0x06):
            self._memory(command, data, words, checksum)
        elif command in (0x02, 0x10):
            self._flash_begin(command, words)
        elif command in (0x03, 0x11):
            self._flash_data(command, data, words, checksum)
        elif command in (0x04, 0x12):
            self._flash_end(command)
        elif command == 0x13:
            self._md5(command, words)
        elif command == 0xD2 and self._stub:
            self._read_begin(command, words)
        elif command == 0xD0 and self._stub:
            self.flash[:] = b"\xff" * len(self.flash)
            self.erased_all = True
            self._answer(command)
        elif command == 0xD1 and self._stub:
            at, size = words
            if at % SECTOR or size % SECTOR or at + size > len(self.flash):
                return self._refuse(command, "an erase of no whole sectors")
            self.flash[at : at + size] = b"\xff" * size
            self._answer(command)
        else:
            self._answer(command, error=_INVALID)

    def _refuse(self, command: int, rule: str, error: int = _INVALID):
        self._breaks(rule)
        self._answer(command, error=error)

    def _write_reg(self, addr: int, value: int, mask: int):
        self._registers[addr] = self._registers.get(addr, 0) & ~mask | value & mask
        if addr == _SPI and value & 1 << 18:  # a user command goes out to the flash
            command = self._registers.get(_USR2, 0) & 0xFF
            reads = self._registers.get(_USR, 0) & 1 << 28 and self._registers.get(_MISO_DLEN, 0) + 1
            if not self._attached:
                self._breaks("a command to a flash that is not attached")
            identity = 0xC8 | 0x40 << 8 | self._registers[-1] << 16 if command == 0x9F and self._attached else 0
            self._registers[_W0] = identity & (1 << reads) - 1 if reads else 0
            self._registers[_SPI] = 0

    def _memory(self, command: int, data: bytes, words, checksum: int):
        if command == 0x05:
            size, blocks, block, at = words
            if blocks * block < size or (blocks - 1) * block >= size or block > 0x1800:
                return self._refuse(command, "MEM_BEGIN whose blocks are not its size")
            self._transfer = {"kind": "memory", "left": size, "next": 0, "block": block}
            self._ram.append((at, at + size))
        elif self._transfer.get("kind") != "memory":
            return self._refuse(command, "memory data without MEM_BEGIN")
        elif command == 0x07:
            body, t = data[16:], self._transfer
            if words[0] != len(body) or len(body) > t["block"] or len(body) > t["left"]:
                return self._refuse(command, "MEM_DATA of another size than announced")
            if words[1] != t["next"]:
                return self._refuse(command, "MEM_DATA out of order")
            if checksum != _xor(body):
                return self._refuse(command, "MEM_DATA with a wrong checksum", _CHECKSUM)
            t["left"] -= len(body)
            t["next"] += 1
        elif self._transfer["left"]:
            return self._refuse(command, "MEM_END before all of it was there")
        else:
            self._answer(command)
            if not words[0]:
                if not any(low <= words[1] < high for low, high in self._ram):
                    return self._breaks("a start outside of what was uploaded")
                self._stub = self._attached = True
                self._transfer = {}
                self._frame(b"OHAI")
            return
        self._answer(command)

    def _flash_begin(self, command: int, words):
        if len(words) != (5 if self._stub or self.chip != "esp32" else 4):
            return self._refuse(command, "FLASH_BEGIN with another number of words")
        size, blocks, block, at = words[:4]
        if not self._attached:
            return self._refuse(command, "a flash that is not attached", _FAILED)
        if at + size > len(self.flash) or block > 0x4000:
            return self._refuse(command, "FLASH_BEGIN beyond the flash", _FAILED)
        if at % SECTOR and size:
            return self._refuse(command, "FLASH_BEGIN not at a sector", _FAILED)
        low, high = at // SECTOR * SECTOR, -(-(at + size) // SECTOR) * SECTOR
        self.flash[low:high] = b"\xff" * (high - low)
        self._transfer = {"kind": command, "at": at, "left": size, "next": 0, "blocks": blocks, "block": block,
                          "inflate": zlib.decompressobj()}  # fmt: skip
        self._answer(command)

    def _flash_data(self, command: int, data: bytes, words, checksum: int):
        body, t = data[16:], self._transfer
        if t.get("kind") != command - 1:
            return self._refuse(command, "flash data without its FLASH_BEGIN")
        if words[0] != len(body) or len(body) > t["block"]:
            return self._refuse(command, "flash data of another size than announced")
        if words[1] != t["next"] or t["next"] >= t["blocks"]:
            return self._refuse(command, "flash data out of order")
        if checksum != _xor(body):
            return self._refuse(command, "flash data with a wrong checksum", _CHECKSUM)
        if command == 0x11:
            try:
                body = t["inflate"].decompress(body)
            except zlib.error:
                return self._refuse(command, "flash data that does not inflate", _INFLATE)
        t["next"] += 1
        if len(body) > t["left"]:
            if command == 0x11 or body[t["left"] :].strip(b"\xff"):
                return self._refuse(command, "more flash data than announced", _FAILED)
            body = body[: t["left"]]
        self._program(t["at"], body)
        t["at"] += len(body)
        t["left"] -= len(body)
        if 0 <= self.dies_after <= self._written:
            if self.pulled:
                self._pull()
            else:
                self.silent = True
            return
        self._answer(command)

    def _program(self, at: int, body: bytes):
        old = int.from_bytes(self.flash[at : at + len(body)], "big")
        self.flash[at : at + len(body)] = (old & int.from_bytes(body, "big")).to_bytes(len(body), "big")
        if at <= self.flips < at + len(body):
            self.flash[self.flips] ^= 0x10
        self._written += len(body)

    def _flash_end(self, command: int):
        t = self._transfer
        if t.get("kind") != command - 2 or t.get("left"):
            return self._refuse(command, "FLASH_END before all of it was there", _FAILED)
        self._transfer = {}
        self._answer(command)

    def _read_begin(self, command: int, words):
        at, size, block = words[:3]
        if not self._attached:
            return self._refuse(command, "a flash that is not attached", _FAILED)
        if at + size > len(self.flash) or block > SECTOR:
            return self._refuse(command, "a read beyond the flash", _FAILED)
        self._answer(command)
        self._transfer = {"kind": command, "data": bytes(self.flash[at : at + size]), "sent": 0, "block": block}
        self._read_on(struct.pack("<I", 0))

    def _read_on(self, acknowledged: bytes):
        """The next block; after the last, the MD5 of all."""
        t = self._transfer
        if acknowledged != struct.pack("<I", t["sent"]):
            return self._breaks("a read acknowledged with another number of bytes than were sent")
        block = t["data"][t["sent"] : t["sent"] + t["block"]]
        t["sent"] += len(block)
        if not block:
            self._transfer = {}
        self._frame(block or hashlib.md5(t["data"]).digest())

    def _md5(self, command: int, words):
        at, size = words[:2]
        if self._transfer.get("left"):
            self._breaks("an MD5 before all of it was there")
        if at + size > len(self.flash):
            return self._refuse(command, "an MD5 beyond the flash", _FAILED)
        found = hashlib.md5(self.flash[at : at + size])
        self._answer(command, found.digest() if self._stub else found.hexdigest().encode())


def _xor(data: bytes) -> int:
    folded = 0xEF
    for byte in data:
        folded ^= byte
    return folded
