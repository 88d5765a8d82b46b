# SPDX-License-Identifier: Apache-2.0
"""The settings of a meter. The document they come from is described in config_doc.py."""

from meter import unload


class Settings:
    """Settings as the rules use them; without a document, the defaults. Amounts in millionths (*_micro)."""

    def __init__(self):
        self.meter_number = ""
        self.provisioned = False
        self.phases = 1
        self.pulse_constant = 3200
        self.currency = "EUR"
        self.decimals = 2
        self.utc_offset_min = 0
        self.dst: tuple | None = None  # a rule of civil.py
        self.alarm1_micro = 10_000_000
        self.alarm2_micro = 5_000_000
        self.overdraft_micro = 0
        self.hoard_micro = 0  # 0 = no cap
        self.initial_credit_micro = 0
        self.emergency_micro = 0  # 0 = none
        self.debt_day_micro = 0  # recovered each day
        self.debt_percent = 0  # recovered from each purchase
        self.friendly: tuple | None = None  # of friendly.py
        self.overload_w = 0  # 0 = off
        self.overload_hold_s = 30
        self.overload_wait_s = 0  # 0 = no automatic close
        self.relay_pulse_ms = 60


def parse(doc) -> Settings:
    """Settings from a document (json.loads). ConfigError(path, reason) if anything in it is wrong."""
    from meter.core import config_doc

    try:
        return config_doc.read(doc)
    finally:
        unload("core.config_doc", "core.checks")
