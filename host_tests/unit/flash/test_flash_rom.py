# SPDX-License-Identifier: Apache-2.0
"""The real esptool against a model of the chip's ROM loader: what lands on the flash, and what is said if not.

Not tested: a chip. Its stub does not run here, a pseudo terminal has no DTR and RTS, and an erase takes no time.
"""

import struct
import time
from dataclasses import replace

import pytest

from host_tests.stands.flash import STOCK, devkit, micropython, needs_tools
from host_tests.stands.rom_loader import Loader
from scripts.board import ports, process
from scripts.board.errors import ChipError, FlashTooSmallError, NoAnswerError, PortBusyError, UnpluggedError, WriteError
from scripts.flash import layout, rom
from scripts.image.boards import load
from scripts.image.partition_table import encode

pytestmark = needs_tools


@pytest.fixture
def loader(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Loader(tmp_path, *args, **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_is_written_is_on_the_flash_byte_for_byte_and_all_else_is_erased(loader):
    image, seen = layout.with_our_table(micropython(size=300_000), devkit()), []
    chip = loader()
    assert rom.probe(chip.port, devkit()) == 4 << 20
    rom.write(chip.port, devkit(), image, 0x1000, progress=lambda done, total: seen.append((done, total)))
    assert chip.flash == b"\xff" * 0x1000 + image + b"\xff" * ((4 << 20) - 0x1000 - len(image))
    assert chip.broken_rules == [] and chip.erased_all
    assert chip.baud_rates == {115200, rom.BAUD}
    assert seen[-1] == (len(image), len(image)) and len(seen) > 2 and seen == sorted(seen)


@pytest.mark.parametrize("size", [1, 7, 10_000], ids=["byte by byte", "in pieces", "all at once"])
def test_progress_counts_every_line_however_its_bytes_arrive(monkeypatch, size):
    line = "Writing at 0x{:08x} {:30} {:5.1f}% {}/4 bytes... \n"
    said = "".join(line.format(0x1000 + i, "\u2501" * i, i * 25, i) for i in range(5)) + "Hash of data verified.\n"

    def run(command, silence_s, watch, alive):
        for at in range(0, len(said), size):
            watch(said[at : at + size])
        return process.Done(0, said, "")

    monkeypatch.setattr(process, "run", run)
    seen = []
    rom.write("/dev/null", devkit(), b"four", 0x1000, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (4, 4)]


def test_an_image_for_8_mib_is_written_as_it_is(loader):
    board = load("esp32_8m")
    chip, image = loader(flash_mib=8), layout.with_our_table(micropython(), board)
    assert rom.probe(chip.port, board) == 8 << 20
    rom.write(chip.port, board, image, 0x1000)
    assert chip.flash[0x1000 : 0x1000 + len(image)] == image
    assert chip.broken_rules == []


def test_a_larger_flash_than_needed_will_do(loader):
    assert rom.probe(loader(flash_mib=16).port, devkit()) == 16 << 20


def test_a_smaller_flash_is_named_with_both_sizes(loader):
    with pytest.raises(FlashTooSmallError, match=r"flash has 2 MiB, and esp32_devkit needs 4\. Say BOARD="):
        rom.probe(loader(flash_mib=2).port, devkit())


def test_another_chip_is_named(loader):
    with pytest.raises(ChipError, match=r"has an ESP32-S3, and esp32_devkit is for an ESP32\. Say BOARD="):
        rom.probe(loader("esp32s3", 8).port, devkit())


def test_an_esp32_is_not_taken_for_an_s3(loader):
    with pytest.raises(ChipError, match="has an ESP32, and esp32s3_devkit is for an ESP32-S3"):
        rom.probe(loader().port, load("esp32s3_devkit"))


@pytest.mark.parametrize("fault", ["silent", "garbage"])
def test_a_chip_that_does_not_answer_gets_the_advice_to_hold_boot(loader, fault):
    chip = loader()
    setattr(chip, fault, True)
    with pytest.raises(NoAnswerError, match="Hold BOOT while you press and release the reset button"):
        rom.probe(chip.port, devkit(), attempts=1)


EDITED = [row._replace(size=0x80000) if row.name == "vfs" else row for row in devkit().table]


BEFORE = "This board was flashed before."
UNREADABLE = "What is on this board's flash cannot be read: it may be a meter, damaged or encrypted."
DAMAGED = encode(list(devkit().table)).replace(b"rings", b"rinks")
ENCRYPTED = bytes(i * 167 & 0xFF for i in range(0xC00))


@pytest.mark.parametrize(
    "table, why",
    [
        (encode(list(load("esp32_8m").table)), BEFORE),
        (encode(list(devkit().table)), BEFORE),
        (encode(EDITED), BEFORE),
        (DAMAGED, UNREADABLE),
        (ENCRYPTED, UNREADABLE),
        (encode(list(STOCK)), ""),
        (b"", ""),
    ],
    ids=["another board's", "this board's", "an edited one", "a damaged one", "encrypted", "MicroPython's", "empty"],
)
def test_what_may_be_a_meter_is_known_by_what_lies_where_its_partition_table_would(loader, table, why):
    chip = loader(flash_mib=8)
    chip.flash[0x8000 : 0x8000 + len(table)] = table
    assert rom.maybe_a_meter(chip.port, devkit()) == why
    assert chip.broken_rules == []


def test_a_table_that_cannot_be_read_is_not_taken_for_somebody_elses(loader):
    chip = loader()
    chip.silent = True
    with pytest.raises(NoAnswerError):
        rom.maybe_a_meter(chip.port, devkit())


def test_a_byte_that_is_wrong_on_the_flash_is_found_by_its_md5(loader):
    chip = loader()
    chip.flips = 0x12345
    with pytest.raises(WriteError, match=r"MD5 differs.*--baud 115200"):
        rom.write(chip.port, devkit(), micropython(), 0x1000)


def test_a_chip_that_dies_in_the_middle_is_no_success(loader):
    chip = loader()
    chip.dies_after = 20_000
    with pytest.raises(WriteError, match="start again from the beginning"):
        rom.write(chip.port, devkit(), micropython(), 0x1000)


def test_a_cable_pulled_in_the_middle_is_called_that(loader):
    chip = loader()
    chip.dies_after, chip.pulled = 20_000, True
    with pytest.raises(UnpluggedError, match=r"went away in the middle\. Plug the cable in again"):
        rom.write(chip.port, devkit(), micropython(), 0x1000)


def test_a_port_that_another_program_has_is_busy(loader):
    chip = loader()
    with ports.opened(chip.port), pytest.raises(PortBusyError, match=r"in use by another program\. Close the serial"):
        rom.probe(chip.port, devkit())


def test_an_image_beyond_the_flash_is_not_begun(loader):
    chip = loader(flash_mib=1)
    before = bytes(chip.flash)
    with pytest.raises(FlashTooSmallError, match="will not fit"):
        rom.write(chip.port, devkit(), bytes(1 << 20), 0x1000)
    assert chip.flash == before


def test_a_table_that_reaches_beyond_its_flash_is_refused_before_a_board_is_touched():
    board = replace(devkit(), flash_size=2 << 20)
    with pytest.raises(Exception, match="ends at 0x400000"):
        layout.check([layout.Region(r.name, r.offset, r.size, b"") for r in board.table], board.flash_size)


# -- the model itself -----------------------------------------------------------------------------


class Host:
    """Sends packets as it likes."""

    def __init__(self, port):
        self.line = ports.opened(port)
        self.line.timeout = 0.3

    def send(self, command, data=b"", checksum=0, size=None):
        packet = struct.pack("<BBHI", 0, command, len(data) if size is None else size, checksum) + data
        self.line.write(b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")
        got = self.line.read_until(b"\xc0") + self.line.read_until(b"\xc0")
        return got[9:-1]

    def sync(self):
        self.send(8, b"\x07\x07\x12\x20" + b"\x55" * 32)
        self.line.read(200)


def words(*values):
    return struct.pack(f"<{len(values)}I", *values)


STUB = [(5, words(4, 1, 6144, 0x40080000)), (7, words(4, 0, 0, 0) + bytes(4), 0xEF), (6, words(0, 0x40080000))]
BEGUN = [(0x0D, words(0, 0)), (2, words(4096, 4, 1024, 0))]


def broken(chip):
    """The rules it has seen broken. It reads what comes at its own pace: wait for it."""
    give_up = time.monotonic() + 10
    while not chip.broken_rules and time.monotonic() < give_up:
        time.sleep(0.01)
    return chip.broken_rules


@pytest.mark.parametrize(
    "rule, packets",
    [
        ("a size that is not that of the data", [(0x0A, words(0), 0, 9)]),
        ("FLASH_BEGIN with another number of words", [(2, words(4096, 4, 1024, 0, 0))]),
        ("a flash that is not attached", [(2, words(4096, 4, 1024, 0))]),
        ("FLASH_BEGIN beyond the flash", [(0x0D, words(0, 0)), (2, words(8 << 20, 4, 1024, 0))]),
        ("flash data without its FLASH_BEGIN", [(3, words(4, 0, 0, 0) + b"abcd", 0xEF)]),
        ("flash data out of order", [*BEGUN, (3, words(4, 1, 0, 0) + bytes(4), 0xEF)]),
        ("flash data with a wrong checksum", [*BEGUN, (3, words(4, 0, 0, 0) + b"\1\0\0\0", 0xEF)]),
        ("MEM_END before all of it was there", [(5, words(8, 1, 6144, 0x40080000)), (6, words(0, 0x40080000))]),
        ("a start outside of what was uploaded",
         [(5, words(4, 1, 6144, 0x40080000)), (7, words(4, 0, 0, 0) + bytes(4), 0xEF), (6, words(0, 0x50000000))]),
        ("a read beyond the flash", [*STUB, (0x0D, words(0)), (0xD2, words(4 << 20, 4, 4096, 64))]),
        ("a read acknowledged with another number of bytes than were sent",
         [*STUB, (0x0D, words(0)), (0xD2, words(0, 8, 4096, 64)), (0xD2, words(4))]),
    ],
)  # fmt: skip
def test_the_model_sees_a_rule_broken(loader, rule, packets):
    chip = loader()
    host = Host(chip.port)
    host.sync()
    for packet in packets:
        host.send(*packet)
    assert broken(chip) == [rule]
    host.line.close()


def test_the_model_takes_nothing_before_sync_and_answers_nothing(loader):
    chip = loader()
    host = Host(chip.port)
    assert host.send(0x0A, words(0x40001000)) == b""
    assert broken(chip) == ["a command before SYNC"]
    host.line.close()


def test_the_model_hears_nothing_at_another_speed(loader):
    chip = loader()
    host = Host(chip.port)
    host.sync()
    host.line.baudrate = 230400
    assert host.send(0x0A, words(0x40001000)) == b""
    assert broken(chip) == ["sent at 230400 baud, and the chip is at 115200"]
    host.line.close()


def test_the_models_flash_programs_ones_to_zeros_only(loader):
    chip = loader()
    before = bytes(chip.flash[:4])
    chip._program(0, b"\xf0\xf0\xf0\xf0")
    assert chip.flash[:4] == bytes(b & 0xF0 for b in before)
