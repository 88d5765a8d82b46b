# SPDX-License-Identifier: Apache-2.0
"""How fast the meter reads its load profile: python -m host_tests.years.profile_rate prints one JSON object.

The firmware's reader runs on the real interpreter with a meter's heap, over the stand-in flash, whose ring holds
111 days of quarter hours with the eight default channels. What is timed is all of it: opening the ring, finding the
range, each row with its differences. Wall time of this machine; what it would be on an ESP32 it does not say.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from meter.core.settings import Settings
from meter.storage import profile

from host_tests.bench.plant.clock import VirtualTime
from host_tests.bench.plant.flash import RINGS_AT, SECTOR, NorFlash
from host_tests.bench.plant.plant import Plant
from host_tests.bench.run.board import load_board
from host_tests.bench.run.process import HEAP, ROOT, MeterProcess
from host_tests.bench.views.rings import Rings
from scripts.image.image import build_image

BAR = 500  # rows a second
DAYS = 111
SLOT_S = 900
BEGIN_S = 820_540_800
# What is asked for: name, days, how often the clock had been set back by a day in a ring of that kind.
RANGES = (("a day", 1, 0), ("7 days", 7, 0), ("90 days", 90, 0), ("90 days, clock set back 3 times", 90, 3))

_PARTS = (
    "meter/__init__.py", "meter/core/__init__.py", "meter/core/errors.py", "meter/storage/__init__.py",
    "meter/storage/map.py", "meter/storage/ring.py", "meter/storage/profile.py", "meter/storage/profile_reader.py",
)  # fmt: skip
_MAIN = """
import gc
import time
import utime
from meter import heap
from esp32 import Partition

def read(after_s, until_s):
    heap.borrow("reader")
    from meter.storage import profile_reader
    gc.collect()
    free = gc.mem_free()
    began = utime.ticks_us()
    n = counts = 0
    first_us = -1
    for row in profile_reader.Reader(Partition.find(1, label="rings")[0]).rows(after_s, until_s):
        if first_us < 0:
            first_us = utime.ticks_diff(utime.ticks_us(), began)
        n += 1
        counts += row[7] or 0
    us = utime.ticks_diff(utime.ticks_us(), began)
    gc.collect()
    row = None
    reader = profile_reader.Reader(Partition.find(1, label="rings")[0])
    rows = reader.rows(after_s, until_s)
    next(rows)
    gc.collect()
    print("RATE %d %d %d %d %d" % (n, us, first_us, counts, free - gc.mem_free()))
    heap.give_back("reader")

for _ in range(3):
    read(%(after_s)d, %(until_s)d)
while True:
    time.sleep(60)
"""


class _Partition(Rings):
    """A partition to be written, too."""

    def writeblocks(self, block, data, offset):
        self.flash.program(RINGS_AT + block * SECTOR + offset, bytes(data))

    def ioctl(self, op, block):
        self.flash.erase(RINGS_AT // SECTOR + block)
        return 0


def fill(flash: NorFlash, days: int, set_back: int) -> int:
    """Rows of that many days, written by the firmware's own writer. Return the end of the newest."""
    rows = profile.Rows(_Partition(flash))
    mask = Settings().profile_channels
    end_s = BEGIN_S
    for n in range(days * 96):
        end_s += SLOT_S
        if set_back and n % (days * 96 // (set_back + 1)) == 96 * 4:
            end_s -= 86_400
        values = (n * 71, n // 9, n * 8, n // 7, n * 72, 23_000 + n % 97, n % 900, 900 + n % 100, n % 400, *[0] * 6)
        rows.append(profile.pack(end_s, mask, SLOT_S, 0, 15, values))
    return end_s


def _image(main: str) -> bytes:
    """What of the firmware reads the profile, with a main.py of its own."""
    with tempfile.TemporaryDirectory() as folder:
        firmware = Path(folder) / "firmware"
        for name in _PARTS:
            (firmware / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "firmware" / name, firmware / name)
        (firmware / "main.py").write_text(main)
        (firmware / "meter/heap.py").write_text('LOANS = {"reader": ("storage.profile_reader",)}\n')
        (firmware / "meter/entry.py").write_text("def run():\n    return\n")
        shutil.copytree(ROOT / "firmware/loader", firmware / "loader")
        (firmware / "boot.py").write_text("import sys\nsys.path[:] = ['.frozen', '/a']\n")
        return build_image(None, {}, firmware=firmware)


def measure(days: int, set_back: int) -> dict:
    """One range, read three times: the best of them."""
    flash = NorFlash()
    end_s = fill(flash, DAYS, set_back)
    image = _image(_MAIN.replace("%(after_s)d", str(end_s - days * 86_400)).replace("%(until_s)d", str(end_s)))
    flash.data[0x300000 : 0x300000 + len(image)] = image
    reads = 0
    read = flash.read

    def count(offset, n):
        nonlocal reads
        reads += RINGS_AT <= offset < 0x300000
        return read(offset, n)

    flash.read = count
    with MeterProcess(Plant(VirtualTime(), load_board("esp32_devkit"), flash)) as meter:
        meter.plug_in()
        meter.run_s(30)
        told = [tuple(map(int, line.split()[1:])) for line in meter.console if line.startswith("RATE")]
        if len(told) != 3:
            raise RuntimeError("the interpreter did not read the profile:\n" + "\n".join(meter.console))
    n, us, first_us, counts, heap = min(told, key=lambda row: row[1])
    return {
        "rows": n,
        "ms": us // 1000,
        "first_row_ms": first_us // 1000,
        "rows_per_s": n * 1_000_000 // us,
        "import_counts": counts,
        "heap_bytes": heap,
        "flash_reads": reads // 3,
    }


def main() -> int:
    found = {name: measure(days, set_back) for name, days, set_back in RANGES}
    met = all(row["rows_per_s"] >= BAR for row in found.values())
    print(json.dumps({"interpreter": "i386", "heap": HEAP["i386"], "days_kept": DAYS, "bar": BAR, "met": met, **found}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
