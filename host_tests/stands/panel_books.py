# SPDX-License-Identifier: Apache-2.0
"""A hand-set stand-in for the books, for tests of what the panel makes of them."""

from types import SimpleNamespace

from meter.core.settings import Settings
from meter.core.state import MeterState


class Tariff:
    def __init__(self, *rate_names, name="Home"):
        self.name = name
        self.rate_names = rate_names


class Sample:
    def __init__(self):
        self.p_total_mw = 1_234_000
        self.urms_mv = [230_100, 229_900, 231_000]
        self.irms_ma = [5_365, 12_040, 63]
        self.p_mw = [1_234_000, 2_700_500, -14_000]
        self.pf_milli = [998, 975, -560]
        self.freq_chz = 5000


class PanelBooks:
    def __init__(self, ticked=None, **settings):
        self.s = MeterState()
        self.s.relay_closed = 1
        self.starved = 0
        self.s.credit_micro = 123_456_789
        self.cfg = Settings()
        self.cfg.meter_number, self.cfg.provisioned = "PW-000042", True
        for name, value in settings.items():
            assert hasattr(self.cfg, name)
            setattr(self.cfg, name, value)
        self.tariff = Tariff("Day", "Night")
        self.utc_s = 845_649_000
        self.time = (2026, 10, 18, 6, 14, 30, 5)
        self.sample = Sample()
        self.alarm = 0
        self.spending = SimpleNamespace(
            daily_micro=0, day_spent_micro=None, yesterday_micro=None, month_cost_micro=None
        )
        self.terms = SimpleNamespace(rate=0, price_micro=250_100, signal="")
        self.faults = 0
        self.trouble = ""
        self.ready = True
        self.ticked = ticked
        self.fault_edges = []
        self.buttons = 0

    @property
    def rate_name(self):
        return self.tariff.rate_names[self.terms.rate]

    def spent_micro(self):
        return sum(self.s.rate_cost_micro) + self.s.charges_micro

    def local(self):
        return None if self.utc_s is None else self.time

    def fault(self, bit, on):
        if bool(self.faults & bit) != bool(on):
            self.faults ^= bit
            self.fault_edges.append((bit, bool(on)))

    def ran_short(self):
        self.starved += 1

    def button(self):
        self.buttons += 1
