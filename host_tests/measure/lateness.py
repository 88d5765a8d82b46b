# SPDX-License-Identifier: Apache-2.0
"""How late the meter is with what its computing takes (costs.py): ticks, overload, card, watchdog.

Modelled, not measured on a board. The instants are the plant's: when the metering IC was read, when a coil pulled.
"""

from datetime import datetime

from host_tests.bench.cards.largest import as_bytes, largest
from host_tests.bench.cards.utility_cards import utility_card
from host_tests.bench.plant.costs import ESP32
from host_tests.bench.plant.flash import Profile
from host_tests.bench.run.session import Bench
from scripts.supplier.utility_formats import TARIFF

SECOND_US = 1_000_000
START_MAX_US = 10 * SECOND_US
ON_THE_MINUTE = 28  # 32 seconds after power on the hold has expired
CARD_MOMENTS = 10  # of a second: what a card meets there differs
CARD_MAX_US = 5 * SECOND_US
_EVENING = datetime(2026, 1, 12, 22, 15)  # local midnight is 45 minutes away


def start(costs=ESP32, profile=Profile.STOCK) -> dict[str, int]:
    """Power on to the first measurement booked, and to the relay's decision, in µs; the longest hold until then."""
    with Bench(initial_credit="50.00", costs=costs, profile=profile) as b:
        b.plant.held_us = 0
        relay_us = 0
        while not relay_us or len(b.tick_reads_us) < 2:  # the first read is the IC's start, the second is booked
            b.run_s(0.01)
            assert b.plant.clock.now_us < START_MAX_US, "no tick, or the relay is not where it should be"
            if not relay_us and b.state().relay_closed == 1:
                relay_us = b.plant.clock.now_us
        b.run_s(0.5)
        return {"tick": b.tick_reads_us[1], "relay": relay_us, "held": b.plant.held_us}


def overload(costs=ESP32, utc_s: int = 0) -> tuple[int, int]:
    """(µs from the reading that made the hold expire until the coil pulled, length of that pulse). utc_s: the second of
    a minute at which the power comes: with ON_THE_MINUTE the minute's work is due at that reading, too."""
    with Bench(initial_credit="50.00", utc=datetime(2026, 1, 12, 7, 0, utc_s), costs=costs) as b:
        b.load(9600)
        while not b.plant.relay.pulses:
            b.run_s(0.1)
        _, began_us, length_us = b.plant.relay.pulses[0]
        return began_us - max(t for t in b.tick_reads_us if t <= began_us), length_us


def card(costs=ESP32, card_id: str = "good") -> list[int]:
    """µs from a card's coming to the answer on the display, at moments all over a second: "good" brings a new purchase,
    "empty" nothing."""
    times = []
    for n in range(CARD_MOMENTS):
        with Bench(initial_credit="50.00", costs=costs) as b:
            b.run_s(8)
            b.run_s((SECOND_US - b.plant.clock.now_us % SECOND_US + n * SECOND_US // CARD_MOMENTS) / SECOND_US)
            b.insert(card_id)
            began_us = b.plant.clock.now_us
            answer = "Credit added" if card_id == "good" else "Card accepted"
            while answer not in b.lcd()[0]:
                b.run_s(0.005)
                assert b.plant.clock.now_us < began_us + CARD_MAX_US, b.screen()
            times.append(b.plant.clock.now_us - began_us)
    return times


def hour(costs=ESP32) -> dict:
    """An hour of ticks, with minutes' work, a midnight, a household's card and a supplier's largest tariff in it.

    late: µs that each tick read the metering IC later in its second than the earliest of them all; missed: seconds
    without a tick; held: the longest that one task kept the others waiting; unfed: the longest between two feedings.
    """
    reads_us = []
    with Bench(initial_credit="50.00", utc=_EVENING, costs=costs) as b:
        b.run_s(8)  # its ticks begin with the seconds by then
        b.plant.meter_ic.on_energy_read = lambda addr, counts, us: reads_us.append(us) if addr == 0x80 else None
        b.plant.held_us = b.plant.unfed_us = 0
        b.run_s(600)
        b.insert("good")
        b.run_s(30)
        b.insert(None)
        b.run_s(570)
        offer = utility_card(TARIFF, as_bytes(largest()))
        b.plant.reader.insert(offer, b.plant.clock.now_us)
        b.run_s(30)
        b.plant.reader.remove(b.plant.clock.now_us)
        b.run_s(2370)
        held_us, unfed_us = b.plant.held_us, b.plant.unfed_us
    phase_us = min(us % SECOND_US for us in reads_us)
    late = sorted(us % SECOND_US - phase_us for us in reads_us)
    seconds = {us // SECOND_US for us in reads_us}
    return {"late": late, "missed": max(seconds) - min(seconds) + 1 - len(seconds), "held": held_us, "unfed": unfed_us}


def main() -> None:
    print("start", start())
    print("overload", overload(), overload(utc_s=ON_THE_MINUTE))
    print("card", card(), card(card_id="empty"))
    found = hour()
    late = found.pop("late")
    print("hour", found, "late p50, p99, max:", late[len(late) // 2], late[len(late) * 99 // 100], late[-1])


if __name__ == "__main__":
    main()
