# SPDX-License-Identifier: Apache-2.0
"""The pages that are loaded from flash to be drawn: all but the live ones (pages.py).

Loading a module takes some 10 ms, so those that turn are drawn together when the first of them turns up, or every few
seconds: panel.py sees to that.
"""

from meter import heap
from meter.panel import order, pages


def page(books, n: int, turn: int = 0) -> tuple:
    """Return number and rows of page n, or of the next there is. turn chooses among several reasons. Without the heap
    to load a page, the balance."""
    if n > 0 and not books.faults >> n - order.FAULTS:
        n = max(n, order.ENERGY)
    heap.borrow("troubles")
    heap.borrow("figures")
    try:
        if n < order.ENERGY:
            from meter.panel import troubles

            return troubles.page(books, n, turn)
        from meter.panel import figures

        return figures.page(books, n)
    except MemoryError:
        books.ran_short()
        return n, pages.balance(books) if books.ready else (" " * 20,) * 4
    finally:
        heap.give_back("troubles")
        heap.give_back("figures")


def ahead(books, n: int) -> list:
    """Return numbers and texts of the pages from n on, in one list: they are loaded once. A live page, and the table of
    three phases, has no text."""
    out = []
    heap.borrow("figures")
    try:
        from meter.panel import figures

        while n <= order.STATUS:
            n, rows = figures.page(books, n)
            out.append(n)
            out.append("" if n == order.POWER or pages.live(books, n) else "".join(rows))
            n += 1
    except MemoryError:
        books.ran_short()
        out = [n, "".join(pages.balance(books))]
    finally:
        heap.give_back("figures")
    return out
