# SPDX-License-Identifier: Apache-2.0
"""Cover reset: an inspector has seen the meter, what tampering has blocked is released. Loaded with the card."""

from meter.cards import supplier
from meter.core import codes
from meter.core.state import others, times
from meter.drivers.hd44780.lcd import CARD


def inspected(books) -> None:
    """The supplier's inspector was here: what tampering has blocked is released."""
    books.log(codes.LOG_INSPECTED, books.s.claims)
    books.step(codes.EV_UTILITY_CARD)
    books.keep()


async def work(u) -> tuple:
    """(four rows, result)."""
    s = u.books.s
    blocked = s.claims & codes.CLAIM_TAMPER
    inspected(u.books)
    rows = (
        CARD + " Inspection",
        "Supply released." if blocked else "Nothing was blocked.",
        "Cover %5d Magnet %d" % (times(s, codes.TAMPER_COVER), times(s, codes.TAMPER_MAGNET)),
        "Other signs %8d" % others(s),
    )
    return rows, supplier.DONE if blocked else supplier.ALREADY
