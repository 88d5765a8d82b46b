# SPDX-License-Identifier: Apache-2.0
"""What an ESP32 spends on computing. The plant puts it on the virtual clock by counts of operations: each run the same.

    python -m host_tests.bench.plant.costs    prints the table

Nothing here was measured on a board. "here" is the 32-bit interpreter on an x86 at about 3 GHz: attribute, call, small
allocation, dict, str.format and json were each 77 to 190 times as slow on an emulated ESP32, so a time seen here counts
a hundredfold. Money and counts must not depend on any of these figures: a replay is the same with other ones.
"""

from dataclasses import dataclass

from host_tests.bench.port import ops

_TABLE = (  # name, value, what, where it comes from
    ("boot_us", 900_000, "reset to the mounting of the file system",
     "emulated chip: REPL after 1.1 s, less mount and boot.py, which are counted by their reads"),
    ("load_us", 2_000, "a module: looking for it, its own objects", "estimated: modules of 300 to 1,000 B, here"),
    ("load_byte_ns", 4_000, "a byte of its .mpy: names, code, objects", "measured here (37 ns for 32,525 B)"),
    ("place_byte_ns", 500, "the same of one in place (profile place): names and objects, its code stays in flash",
     "measured here (4.4 ns for 121,539 B in 57 modules)"),
    ("hash_byte_ns", 1_150, "a byte of a slot in place, hashed before it is mounted: SHA-256 in software at 240 MHz",
     "others' measurement on an ESP32-S3 (0.88 MB/s); the chip's engine does 8 MB/s at least, says ESP-IDF's own test"),
    ("read_us", 40, "a read of flash: driver, cache off on both cores", "estimated"),
    ("read_byte_ns", 200, "a byte of it: 40 MHz, two lines, and LittleFS's checksum", "estimated from clock and code"),
    ("program_us", 60, "a program or erase of flash, on top of the part's own 0.7 ms a page, 45 ms a sector",
     "estimated"),
    ("field_us", 110, "a multiplication modulo 2**255-19; a signature needs 3,300 at most, 500 of them in a row",
     "measured here (0.9 us in a row, 1.1 us with the additions and byte code between)"),
    ("point_us", 1_490, "a doubling of a point, 258 to a signature: 11 multiplications, of sums, too, and its share of "
     "SHA-512 (two blocks, 70 ms); with its collections a signature takes 0.6 s", "measured here (4.3 ms a signature)"),
    ("point_garbage", 3_100, "bytes it allocates", "measured here (790 KB a signature)"),
    ("collect_us", 3_000, "a collection of 112 KiB, 70 in use", "measured here (28 us); near empty, 0.4 to 0.7 ms"),
    ("garbage_bytes", 16_384, "allocated until MicroPython collects by itself", "gc.threshold() of the firmware"),
    ("turn_us", 400, "asyncio: choose a task, poll, go on with it", "estimated: 20 calls and 50 attributes"),
    ("turn_garbage", 150, "bytes it allocates", "estimated"),
    ("pin_us", 10, "a pin read or written", "emulated chip: a call is 9.4 us"),
    ("spi_us", 100, "a transfer on SPI: the port's driver, ours", "estimated: six calls, 35 us of driver"),
    ("book_us", 450, "a register read at a tick (17 of them): booking, deciding, packing the ledger's record",
     "measured here (a tick takes 80 us besides its transfers)"),
    ("book_garbage", 250, "bytes it allocates: 16 KiB are three or four ticks", "the firmware's own count"),
    ("i2c_us", 150, "a transfer on I2C: the port's driver, ours", "estimated: command list, wait for the task"),
    ("draw_us", 3_000, "a transfer to the display: choosing the page, its words",
     "measured here (43 us a transfer, metering)"),
    ("draw_byte_us", 15, "a byte of it: four make a half character", "estimated: a few calls"),
    ("card_us", 2_000, "a frame to or from the card reader: APDU, cipher, checksums",
     "measured here (23 us a frame at a visit)"),
)  # fmt: skip


POINT_FIELDS = 11  # multiplications in point_us


@dataclass(frozen=True)
class Costs:
    """The table as attributes; 0 wherever nothing is to be spent."""

    boot_us: int = 0
    load_us: int = 0
    load_byte_ns: int = 0
    place_byte_ns: int = 0
    hash_byte_ns: int = 0
    read_us: int = 0
    read_byte_ns: int = 0
    program_us: int = 0
    field_us: int = 0
    point_us: int = 0
    point_garbage: int = 0
    collect_us: int = 0
    garbage_bytes: int = 1 << 62
    turn_us: int = 0
    turn_garbage: int = 0
    pin_us: int = 0
    spi_us: int = 0
    book_us: int = 0
    book_garbage: int = 0
    i2c_us: int = 0
    draw_us: int = 0
    draw_byte_us: int = 0
    card_us: int = 0

    def by_operation(self) -> list[int]:
        """What each operation of the link costs whatever it is about, in µs; by its number."""
        us = [0] * (ops.SPEND + 1)
        us[ops.PIN_SET] = us[ops.PIN_GET] = us[ops.WATCHDOG] = us[ops.COUNT_GET] = self.pin_us
        us[ops.SPI_XFER] = self.spi_us
        us[ops.I2C_XFER] = self.i2c_us
        us[ops.FLASH_PROG] = us[ops.FLASH_ERASE] = self.program_us
        return us


ESP32 = Costs(**{name: value for name, value, _, _ in _TABLE})
NONE = Costs()


def table() -> str:
    """The table for people, in Markdown."""
    lines = ["| what | spent | source |", "|---|---|---|"]
    for name, value, what, source in _TABLE:
        if name.endswith("_ns"):
            spent = f"{value / 1000:g} µs"
        else:
            spent = f"{value:,} {'µs' if name.endswith('_us') else 'B'}"
        lines.append(f"| {what} | {spent} | {source} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
