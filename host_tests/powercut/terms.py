# SPDX-License-Identifier: Apache-2.0
"""What is agreed with the household: tariff and settings, as far as money and supply hang on them."""

from datetime import timedelta

from host_tests.bench.plant.plant import EPOCH
from host_tests.years.year_oracle import COUNTS_PER_KWH, Prices, micro


class Terms:
    def __init__(self, settings: dict, tariff: dict):
        self.alarm1, self.alarm2 = micro(settings["alarm1"]), micro(settings["alarm2"])
        self.floor = -micro(settings["overdraft"])
        self.overload_w, self.hold_s = settings["overload_w"], settings["overload_hold_s"]
        self.offset_s = settings["utc_offset_min"] * 60
        self.debt_day, self.debt_percent = micro(settings["debt_per_day"]), settings["debt_percent"]
        self.standing = micro(tariff["standing"])
        self._tariff = Prices(tariff)
        self._prices = self._tariff.prices

    def rate(self, utc_s: int) -> int:
        """Which rate is in force, by its place in the tariff."""
        return self._tariff.rate(EPOCH + timedelta(seconds=utc_s + self.offset_s))

    def check_costs(self, old, new):
        """Is what came between two records booked to the right rate, and at its price to the last millionth?"""
        delta = [n - before for n, before in zip(new.rate_counts, old.rate_counts, strict=True)]
        cost = sum(new.rate_cost_micro) - sum(old.rate_cost_micro)
        exact = sum(n * price for n, price in zip(delta, self._prices, strict=False))
        if cost * COUNTS_PER_KWH + new.cost_acc - old.cost_acc != exact or not 0 <= new.cost_acc < COUNTS_PER_KWH:
            yield f"cost of {delta} counts is {cost}, remainder {old.cost_acc} to {new.cost_acc}"
        if any(delta) and delta[self.rate(new.utc_s)] != sum(delta):
            local = EPOCH + timedelta(seconds=new.utc_s + self.offset_s)
            yield f"booked to another rate than that of {local:%H:%M:%S}"
