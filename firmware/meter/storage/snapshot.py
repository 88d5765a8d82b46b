# SPDX-License-Identifier: Apache-2.0
"""The registers of the ledger at one moment, in the bytes of a frozen reading (FORMAT.md, "Frozen registers"): totals,
import and cost by rate, charges, credit, debt, phases. Taken before a tick that belongs to another rate or day."""

import struct

_STATE = "<5Q8Q8q3q12Q"


def snapshot(s) -> bytes:
    """What a reading holds of a MeterState: totals, import and cost by rate, charges, credit, debt, phases."""
    return struct.pack(
        _STATE, s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts, s.va_counts, *s.rate_counts,
        *s.rate_cost_micro, s.charges_micro, s.credit_micro, s.debt_micro, *(s.phase_counts or [0] * 12),
    )  # fmt: skip


def totals(snapshot) -> tuple:
    """Export, reactive import and export, apparent energy."""
    return struct.unpack_from("<4Q", snapshot, 8)


def costs(snapshot) -> tuple:
    """rate_cost_micro, and charges_micro."""
    return struct.unpack_from("<9q", snapshot, 104)
