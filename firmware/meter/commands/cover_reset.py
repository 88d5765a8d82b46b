# SPDX-License-Identifier: Apache-2.0
"""Cover reset: an inspector has seen the meter, what tampering has blocked is released. Loaded with the order."""

from meter.commands import results
from meter.core import codes


def inspected(books) -> None:
    """The supplier's inspector was here: what tampering has blocked is released."""
    books.log(codes.LOG_INSPECTED, books.s.claims)
    books.step(codes.EV_UTILITY_CARD)
    books.keep()


def do(books) -> tuple:
    """Return (DONE, 0), or ALREADY when nothing was blocked."""
    blocked = books.s.claims & codes.CLAIM_TAMPER
    inspected(books)
    return results.DONE if blocked else results.ALREADY, 0
