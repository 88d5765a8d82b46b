# SPDX-License-Identifier: Apache-2.0
"""What can be broken from the bench: part -> modes, and how each is done to the model."""

import random

FAULTS = {
    "atm90e32": ("none", "absent", "noise", "upset"),
    "pn532": ("none", "absent", "wedged"),
    "lcd": ("none", "absent"),
    "rtc": ("none", "absent", "stopped"),
    "fram": ("none", "absent"),
    "relay": ("none", "welded", "stuck"),
}
NOISE = 1e-3  # bit error rate on the metering IC's wires


def set_fault(plant, part: str, mode: str) -> None:
    """Put a part into a fault mode; "none" mends it. ValueError for a part or mode that is not there."""
    if mode not in FAULTS.get(part, ()):
        raise ValueError(f"{part} has no fault {mode!r}; there are {', '.join(FAULTS.get(part, FAULTS))}.")
    now_us = plant.clock.now_us
    if part == "relay":
        plant.relay.welded = mode == "welded"
        plant.relay.stuck_open = mode == "stuck"
        return
    chips = {"atm90e32": plant.meter_ic, "pn532": plant.reader, "lcd": plant.lcd, "rtc": plant.rtc}
    chip = chips.get(part, plant.fram)
    chip.absent = mode == "absent"
    if part == "atm90e32":
        chip.noise = NOISE if mode == "noise" else 0
        if mode == "upset":
            # A bit of the pulse constant falls over: the configuration CRC must find it.
            chip.corrupt(0x31, random.randrange(1 << 16))
    elif part == "pn532":
        chip.wedged = mode == "wedged"
    elif part == "rtc" and mode == "stopped":
        chip.stop_oscillator(now_us)
