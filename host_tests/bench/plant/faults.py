# SPDX-License-Identifier: Apache-2.0
"""What can be broken from the bench: part -> modes, and how each is done to the model.

    absent         nobody answers
    wedged         a line is held: transfers time out, MISO stays low. The reader lets go when it is reset;
    jammed         ... and this one does not
    nak            every second transfer, at random, is refused
    garbage        what is read is noise; of the display, what is written
    bits           one bit of one transfer is wrong, each time another one, in turn (wrong_bits.py)
    slow           longer than the data sheet says, or a clock that is stretched in each transfer
    keeps nothing  what is written is acknowledged and not stored
    twin           a second part at the same address: what is read is the AND of both, what is written both take
    twin near      a second clock: what is read of both is a date, two days ago
    impostor       another part in its place, which acknowledges and stores little: the EEPROM of a clock module
    neighbour      that EEPROM at its own address, where nobody asks for it
    strays         it answers at the FRAM's address, and not at its own
"""

import random
from contextlib import suppress
from datetime import timedelta

from host_tests.bench.plant import wrong_bits
from scripts.chips import I2cNak, I2cTimeout
from scripts.chips.at24c32 import At24c32Chip
from scripts.chips.ds3231 import Ds3231Chip
from scripts.chips.latching_relay import OPERATE_US
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack

FAULTS = {
    "atm90e32": ("none", "absent", "noise", "upset", "wedged", "garbage", "bits", "slow", "keeps nothing"),
    "pn532": ("none", "absent", "wedged", "jammed", "nak", "garbage", "bits", "slow", "twin"),
    "lcd": (
        "none", "absent", "wedged", "nak", "garbage", "bits", "slow", "busy", "keeps nothing", "twin", "strays",
    ),
    "rtc": (
        "none", "absent", "stopped", "wedged", "nak", "garbage", "bits", "slow", "keeps nothing", "twin", "twin near",
        "neighbour",
    ),
    "fram": ("none", "absent", "wedged", "nak", "garbage", "bits", "slow", "keeps nothing", "twin", "impostor"),
    "relay": ("none", "welded", "stuck", "slow", "sense low", "sense high", "sense noise"),
}  # fmt: skip
NOISE = 1e-3  # bit error rate on the metering IC's wires
SLOW_US = 20_000  # per transfer; the master waits for 50 ms
SLOW_START_US = 100_000  # of the metering IC: more than twice what its data sheet gives
SLOW_RELAY_US = 45_000, 60_000  # the contact, and the sense line after it
_CLOCK = 0x68
SLOWNESS = 3  # a display is busy this many times as long
TWIN_AHEAD = timedelta(days=40, hours=5, minutes=21)
TWIN_NEAR = timedelta(days=2)  # the 12th and the 14th: 10
_GARBAGE = 0.2


class Both:
    """Two parts at one address."""

    absent = False

    def __init__(self, first, second):
        self.addr = first.addr
        self._parts = first, second

    def i2c_write(self, data, now_us, byte_us):
        refused = 0
        for part in self._parts:
            try:
                part.i2c_write(data, now_us, byte_us)
            except I2cNak:
                refused += 1
        if refused == len(self._parts):
            raise I2cNak(self.addr)

    def i2c_read(self, n, now_us, byte_us):
        read = b"\xff" * n
        for part in self._parts:
            with suppress(I2cNak):  # who refuses lets go of the line: reads as ones
                read = bytes(a & b for a, b in zip(read, part.i2c_read(n, now_us, byte_us), strict=True))
        return read

    def i2c_stop(self, now_us):
        for part in self._parts:
            stop = getattr(part, "i2c_stop", None)
            if stop is not None:
                stop(now_us)


def set_fault(plant, part: str, mode: str) -> None:
    """Put a part into a fault mode; "none" mends it. ValueError for a part or mode that is not there."""
    if mode not in FAULTS.get(part, ()):
        raise ValueError(f"{part} has no fault {mode!r}; there are {', '.join(FAULTS.get(part, FAULTS))}.")
    if part == "relay":
        _relay(plant, mode)
    elif part == "atm90e32":
        _metering_ic(plant.meter_ic, mode)
    else:
        _on_i2c(plant, part, mode)


def _relay(plant, mode):
    relay = plant.relay
    relay.welded = mode == "welded"
    relay.stuck_open = mode == "stuck"
    relay.operate_us, relay.sense_lag_us = SLOW_RELAY_US if mode == "slow" else (OPERATE_US, 0)
    rng = random.Random(35)
    senses = {"sense low": lambda: 0, "sense high": lambda: 1, "sense noise": lambda: rng.randrange(2)}
    plant.stuck[plant.board.RELAY_SENSE] = senses.get(mode)


def _metering_ic(chip, mode):
    chip.absent = mode in ("absent", "wedged")
    chip.open_miso = 0 if mode == "wedged" else 0xFF
    chip.noise = {"noise": NOISE, "garbage": _GARBAGE}.get(mode, 0)
    chip.keeps_nothing = mode == "keeps nothing"
    chip.start_us = SLOW_START_US if mode == "slow" else type(chip).start_us
    wrong_bits.on_spi(chip, mode == "bits")
    if mode == "upset":
        # A bit of the pulse constant falls over: the configuration CRC must find it.
        chip.corrupt(0x31, random.randrange(1 << 16))


def _on_i2c(plant, part, mode):
    now_us = plant.clock.now_us
    chip = {"pn532": plant.reader, "lcd": plant.lcd, "rtc": plant.rtc, "fram": plant.fram}[part]
    bus = plant.buses[part == "pn532"]
    chip.absent = mode == "absent"
    chip.keeps_nothing = mode == "keeps nothing"
    bus.disturb.pop(chip.addr, None)
    bus.by_addr[chip.addr] = chip
    if part != "pn532":
        bus.by_addr[plant.fram.addr] = plant.fram
        bus.by_addr.pop(At24c32Chip().addr, None)
    if mode in ("jammed", "nak", "garbage", "slow") or (mode == "wedged" and part != "pn532"):
        bus.disturb[chip.addr] = _disturbance(chip.addr, mode, part == "lcd", plant.clock)
    elif mode == "bits":
        bus.disturb[chip.addr] = wrong_bits.OnI2c(part, chip.addr, plant.clock)
    elif mode in ("twin", "twin near"):
        bus.by_addr[chip.addr] = Both(chip, _twin(plant, part, mode))
    elif mode == "impostor":
        bus.by_addr[chip.addr] = At24c32Chip(chip.addr)
    elif mode == "neighbour":
        neighbour = At24c32Chip()
        bus.by_addr[neighbour.addr] = neighbour
    elif mode == "strays":
        del bus.by_addr[chip.addr]
        bus.by_addr[plant.fram.addr] = Both(plant.fram, chip)
    if part == "pn532":
        chip.wedged = mode == "wedged"
    elif part == "lcd":
        chip.slowness = SLOWNESS if mode == "busy" else 1
    elif part == "rtc" and mode == "stopped":
        chip.stop_oscillator(now_us)


def _twin(plant, part, mode):
    """The second part at a part's address."""
    now_us = plant.clock.now_us
    if part == "rtc":
        other = Ds3231Chip()
        other.set_time(plant.rtc.time(now_us) + (TWIN_AHEAD if mode == "twin" else TWIN_NEAR), now_us)
        other.power_on(now_us)
        return other
    if part == "fram":
        return At24c32Chip(plant.fram.addr)
    other = Hd44780Backpack(plant.lcd.addr if part == "lcd" else plant.reader.addr)
    other.power_on(now_us)
    if part == "pn532":
        other.i2c_write(b"\0", now_us, 0)  # an expander that holds its lines low
        other.keeps_nothing = True
    return other


def _disturbance(addr, mode, written, clock):
    """What happens to the transfers of one address."""
    rng = random.Random(addr)

    def disturb(data, read):
        if mode in ("wedged", "jammed"):
            raise I2cTimeout(addr)
        if mode == "slow" and not read:
            clock.spend(SLOW_US)
        # A clock is read seldom, and again when it fails: with fewer no read would fail for a minute.
        if mode == "nak" and not read and rng.random() < (0.8 if addr == _CLOCK else 0.5):
            raise I2cNak(addr)
        if mode == "garbage" and (read or written):
            return rng.randbytes(len(data))
        return data

    return disturb
