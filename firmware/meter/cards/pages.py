# SPDX-License-Identifier: Apache-2.0
"""What the display says while a card is in: the books in, four rows of exactly 20 characters out.

Nothing here waits or decides.
"""

from micropython import const

from meter.core.energy import COUNTS_PER_KWH
from meter.drivers.hd44780.lcd import CARD
from meter.panel import loaded, order
from meter.panel.text import fit, fixed, money, pair

FIGURES = const(5)
_NAMES = "Total purchased     Purchases made      Last purchase       Total used          Credit now          "
_BLANK = " " * 20


def result(books, added_micro: int) -> tuple:
    """The answer to a card: what was added (0: the purchase was booked before), and the credit now."""
    return (
        fit(CARD + (" Credit added" if added_micro else " Card accepted")),
        _amount(books, added_micro) if added_micro else fit("No new purchase"),
        fit("Credit now"),
        _amount(books, books.s.credit_micro),
    )


def figure(books, n: int) -> tuple:
    """Inquiry figure n of FIGURES: purchased, number of purchases, last amount, consumption, credit."""
    s = books.s
    if n == 1:
        value = pair("", "%d" % s.purchase_count)
    elif n == 3:
        value = pair("", fixed(s.import_counts * 100, COUNTS_PER_KWH, 2) + " kWh")
    else:
        value = _amount(books, (s.purchased_micro, 0, s.last_purchase_micro, 0, s.credit_micro)[n])
    title = pair(CARD + " Your account", "%d/%d" % (n + 1, FIGURES))
    return title, _NAMES[20 * n : 20 * n + 20], value, _BLANK


def unfinished(books, added_micro: int) -> tuple:
    """The purchase is booked, the card does not know it yet."""
    return (
        _amount(books, added_micro, "Added") if added_micro else fit(CARD + " Card accepted"),
        fit("Card removed too"),
        fit("soon: insert again"),
        fit("to finish."),
    )


def remove(books) -> tuple:
    """A card may be left in for days: why supply is off, or the balance, must not hide behind the request."""
    rows = (_BLANK,) * 3 + (_amount(books, books.s.credit_micro, "Credit"),)
    if books.s.claims:
        rows = loaded.page(books, order.OFF)[1]
    return (fit(CARD + " Remove card"),) + rows[1:]


def _amount(books, micro, label=""):
    """A row with an amount; of a large one beside a label, or all too large, the currency yields."""
    text = money(micro, books.cfg.decimals)
    with_currency = text + " " + books.cfg.currency
    fits = len(label) + bool(label) + len(with_currency) <= len(_BLANK)
    return pair(label, with_currency if fits else text)
