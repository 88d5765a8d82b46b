# SPDX-License-Identifier: Apache-2.0
"""A MeterState as it was, for tests that put it back."""

from meter.core.state import FIELDS


def copy(into, state) -> None:
    """Make one state equal to another; the two share nothing."""
    for name in FIELDS:
        setattr(into, name, getattr(state, name))
    into.card_uid, into.jump = state.card_uid, state.jump
    into.tampers[:] = state.tampers
    into.phase_counts[:] = state.phase_counts
    into.rate_counts[:] = state.rate_counts
    into.rate_cost_micro[:] = state.rate_cost_micro
