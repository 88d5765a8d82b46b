# SPDX-License-Identifier: Apache-2.0
"""How a start begins, and what becomes of one that fails: what boot.py and main.py need of services/starts.py."""

from meter.services import starts


def count() -> None:
    starts.begin()


def mode() -> tuple:
    return starts.mode()


def failed(e) -> None:
    starts.failed(e)
