# SPDX-License-Identifier: Apache-2.0
"""The settings of a meter. The document they come from is described in documents/settings_doc.py."""

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
        self.dst: tuple | None = None  # a rule of calendar.py
        self.alarm1_micro = 10_000_000
        self.alarm2_micro = 5_000_000
        self.overdraft_micro = 0
        self.hoard_micro = -1  # 0 = no cap; -1: by the tariff (books/purchases.py)
        self.initial_credit_micro = 0
        self.emergency_micro = 0  # 0 = none
        self.debt_day_micro = 0  # recovered each day
        self.debt_percent = 0  # recovered from each purchase
        self.friendly: tuple | None = None  # of friendly.py
        self.overload_w = 0  # 0 = off
        self.overload_hold_s = 30
        self.overload_wait_s = 0  # 0 = no automatic close
        self.relay_pulse_ms = 60
        self.three_wire = False  # 3P3W: voltages A-B and C-B
        self.base_a = 5
        self.u_nominal_v = 230  # phase to neutral
        self.u_input_v = 230  # what that is at the metering IC: with three wires, phase to phase
        self.hz = 50
        self.i_max_ma = 60_000
        self.current_scale = 1  # mA per count of the metering IC
        self.exports = False  # may this household feed in?
        self.demand_min = 15
        self.billing_day = 1
        self.profile_min = 15  # of a slot of the load profile
        self.profile_channels = 0x1EF  # bit mask, see storage/profile.py
        self.watch = None  # rows of watch.py; None: the default ones
        self.tamper_trips = 0  # bit per codes.TAMPER_*
        self.calibrated: tuple = ()  # (addresses, words): see documents/calibration_doc.py
        self.calibrations: list | None = None  # from documents/load.py until wiring.py has looked at the seal

    @property
    def calibration(self):
        """[(address, word), ...] for the driver, which asks at a start only: kept, the pairs would take 500 bytes."""
        return list(zip(*self.calibrated))
