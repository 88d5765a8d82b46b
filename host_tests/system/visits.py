# SPDX-License-Identifier: Apache-2.0
"""A card is put into the meter and taken out."""


def show(b, card, seconds=6.0):
    """Put a card in; what the display said meanwhile, each screen once."""
    b.plant.reader.insert(card, b.plant.clock.now_us)
    seen = []
    for _ in range(int(seconds / 0.1)):
        b.run_s(0.1)
        if b.screen() not in seen:
            seen.append(b.screen())
    b.plant.reader.remove(b.plant.clock.now_us)
    b.run_s(2)
    return " | ".join(seen)
