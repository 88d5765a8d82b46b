# SPDX-License-Identifier: Apache-2.0
"""A raw flash partition for unit tests of storage: NOR rules, and power that fails at any byte."""

from host_tests.bench.plant.flash import SECTOR, NorFlash


class PowerCut(Exception):
    """Power fails here. Code under test that catches this is wrong: it is no OSError."""


class CutFlash:
    """Block protocol of esp32.Partition over NOR flash. cut_at: the operation, in bytes programmed and erases,
    that is not finished; None: never. torn: how an unfinished byte or erase is left, as a seed."""

    def __init__(self, blocks: int, first: int = 0, flash: NorFlash | None = None):
        self.flash = flash or NorFlash(size=blocks * SECTOR)
        self.first = first
        self.cut_at = None
        self.torn = 0
        self.done = 0
        self.reads = 0
        self.broken_reads = False

    def readblocks(self, block, buf, offset=0):
        self.reads += 1
        if self.broken_reads:
            raise OSError(5)
        buf[:] = self.flash.read((self.first + block) * SECTOR + offset, len(buf))

    def writeblocks(self, block, buf, offset=None):
        assert offset is not None, "this erases the block"
        data = bytes(buf)
        at = (self.first + block) * SECTOR + offset
        assert offset + len(data) <= SECTOR
        if self.cut_at is not None and self.done + len(data) > self.cut_at:
            self.flash.cut_program(at, data, self.cut_at - self.done, self.torn)
            raise PowerCut
        self.done += len(data)
        if not self.flash.program(at, data):
            raise OSError(-1)

    def ioctl(self, op, arg):
        assert op == 6
        if self.cut_at is not None and self.done + 1 > self.cut_at:
            if self.torn % 5 == 4:
                self.flash.erase(self.first + arg)  # done, but nobody was told
            elif self.torn % 5:
                self.flash.cut_erase(self.first + arg, self.torn)
            raise PowerCut
        self.done += 1
        if not self.flash.erase(self.first + arg):
            raise OSError(-1)
        return 0
