# SPDX-License-Identifier: Apache-2.0
"""What a metering IC's driver hands over: the same object whatever the IC."""


class Sample:
    """What was read last. Lists are per phase A, B, C; filled in place. Counts are 0.01 pulse."""

    # What few parts measure takes no room in the others' sample.
    neutral_ma = -1  # -1: not measured
    phase_counts = bytes(12)  # since the last tick: import A, B, C, export A, B, C, the same reactive; one phase: all 0

    def __init__(self):
        self.urms_mv = [0, 0, 0]
        self.irms_ma = [0, 0, 0]
        self.p_mw = [0, 0, 0]
        self.q_mvar = [0, 0, 0]
        self.s_mva = [0, 0, 0]
        self.pf_milli = [0, 0, 0]
        self.p_total_mw = 0
        self.freq_chz = 0
        # State bits, in the places the ATM90E32AS has them (EMMState0, EMMState1).
        self.state0 = 0
        self.state1 = 0
        # Energy since the last tick.
        self.import_counts = 0
        self.export_counts = 0
        self.q_import_counts = 0
        self.q_export_counts = 0
        self.booked = True  # False: it has counts that are nowhere else
        self.va_counts = 0  # apparent, since the last slow read; 0 in between
