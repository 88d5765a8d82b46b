# SPDX-License-Identifier: Apache-2.0
"""Pennywatt: a prepayment electricity meter."""


def run() -> None:
    """Start the meter; main.py calls this."""
    from meter import entry

    entry.run()
