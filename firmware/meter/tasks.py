# SPDX-License-Identifier: Apache-2.0
"""The tasks: what each owns and nobody else touches, how long it may be silent before it is started again, and whether
the meter is none without it (the watchdog bites, upkeep/supervisor.py). Loaded for the start.
"""

from micropython import const

_NAME = const(0)
_SILENCE_MS = const(2)
_CRITICAL = const(3)

TASKS = (
    # name, what it owns, silent for at most (ms), critical
    ("metering", "the metering IC", 10_000, True),
    ("guard", "the relay", 25_000, True),
    ("clock", "the real-time clock", 90_000, False),
    ("panel", "display, button, LED, buzzer", 30_000, False),
    ("profile", "the load profile's rows", 90_000, False),
    ("watch", "cover, magnet, pulse counter", 90_000, False),
    ("carddesk", "the card reader", 90_000, False),
)


def start(supervisor, name: str, run) -> None:
    """Start a task of the table. run(beat) must call beat() more often than it may be silent."""
    for task in TASKS:
        if task[_NAME] == name:
            return supervisor.start(name, run, task[_SILENCE_MS], task[_CRITICAL])
    raise ValueError(name)
