# SPDX-License-Identifier: Apache-2.0
"""What can be broken from the bench: part -> modes, and how each is done to the model.

    absent    nobody answers
    wedged    a line is held: transfers time out, MISO stays low. The reader lets go when it is reset;
    jammed    ... and this one does not
    nak       every second transfer, at random, is refused
    garbage   what is read is noise; of the display, what is written
"""

import random

from .chips import I2cNak, I2cTimeout

FAULTS = {
    "atm90e32": ("none", "absent", "noise", "upset", "wedged", "garbage"),
    "pn532": ("none", "absent", "wedged", "jammed", "nak", "garbage"),
    "lcd": ("none", "absent", "wedged", "nak", "garbage"),
    "rtc": ("none", "absent", "stopped", "wedged", "nak", "garbage"),
    "fram": ("none", "absent", "wedged", "nak", "garbage"),
    "relay": ("none", "welded", "stuck", "sense low", "sense high", "sense noise"),
}
NOISE = 1e-3  # bit error rate on the metering IC's wires
_GARBAGE = 0.2


def set_fault(plant, part: str, mode: str) -> None:
    """Put a part into a fault mode; "none" mends it. ValueError for a part or mode that is not there."""
    if mode not in FAULTS.get(part, ()):
        raise ValueError(f"{part} has no fault {mode!r}; there are {', '.join(FAULTS.get(part, FAULTS))}.")
    now_us = plant.clock.now_us
    if part == "relay":
        plant.relay.welded = mode == "welded"
        plant.relay.stuck_open = mode == "stuck"
        rng = random.Random(35)
        senses = {"sense low": lambda: 0, "sense high": lambda: 1, "sense noise": lambda: rng.randrange(2)}
        plant.stuck[plant.board.RELAY_SENSE] = senses.get(mode)
        return
    if part == "atm90e32":
        chip = plant.meter_ic
        chip.absent = mode in ("absent", "wedged")
        chip.open_miso = 0 if mode == "wedged" else 0xFF
        chip.noise = {"noise": NOISE, "garbage": _GARBAGE}.get(mode, 0)
        if mode == "upset":
            # A bit of the pulse constant falls over: the configuration CRC must find it.
            chip.corrupt(0x31, random.randrange(1 << 16))
        return
    chip = {"pn532": plant.reader, "lcd": plant.lcd, "rtc": plant.rtc, "fram": plant.fram}[part]
    bus = plant.buses[part == "pn532"]
    chip.absent = mode == "absent"
    bus.disturb.pop(chip.addr, None)
    if mode in ("jammed", "nak", "garbage") or (mode == "wedged" and part != "pn532"):
        bus.disturb[chip.addr] = _disturbance(chip.addr, mode, part == "lcd")
    if part == "pn532":
        chip.wedged = mode == "wedged"
    elif part == "rtc" and mode == "stopped":
        chip.stop_oscillator(now_us)


def _disturbance(addr, mode, written):
    """What happens to the transfers of one address."""
    rng = random.Random(addr)

    def disturb(data, read):
        if mode in ("wedged", "jammed"):
            raise I2cTimeout(addr)
        if mode == "nak" and not read and rng.random() < 0.5:
            raise I2cNak(addr)
        if mode == "garbage" and (read or written):
            return rng.randbytes(len(data))
        return data

    return disturb
