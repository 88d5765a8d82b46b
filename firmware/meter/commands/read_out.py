# SPDX-License-Identifier: Apache-2.0
"""Read-out: what the meter's user card would carry back is wanted now. Loaded with the order."""

from meter.books import visits
from meter.commands import results
from meter.core import codes


def do(books) -> tuple:
    """Return (DONE, the number of the report), which the carrier takes from the books at once. REFUSED without one."""
    number = visits.next_writeback(books)
    return (results.DONE, number) if number else (results.REFUSED, codes.CARD_STORAGE)
