# SPDX-License-Identifier: Apache-2.0
"""What runs before the firmware, and chooses which: two slots, one boot state. It imports nothing of meter/."""


def run() -> None:
    """Set sys.path to the slot that is to be started (start.py)."""
    from loader import start

    start.run()


def confirm() -> bool:
    """The version on trial is in force from now on (state.py)."""
    from loader import state

    return state.confirm()
