# SPDX-License-Identifier: Apache-2.0
"""Pages of figures that move slowly: registers, purchases, costs, and which meter this is. Loaded for the moment one
is drawn.

Four rows of exactly 20 characters. Pure functions. What is not known yet is a dash.
"""

from micropython import const

from meter.core import codes
from meter.core.energy import COUNTS_PER_KWH
from meter.panel import order, pages
from meter.panel.text import fit, fixed, money, pair, pairs

VERSION = "0.1.0"
_BLANK = const("                    ")
_MOST_DAYS = const(9999)


def page(books, n: int) -> tuple:
    """Return number and rows of page n, or of the next there is."""
    if n < order.PURCHASES:
        rows = _four(energy(books), n - order.ENERGY)
        if rows:
            return n, rows
        n = order.PURCHASES
    if n == order.PURCHASES:
        return n, purchases(books)
    if n == order.COSTS:
        return n, costs(books)
    if n < order.POWER:
        rows = _four(month(books), n - order.MONTH)
        if rows:
            return n, rows
        n = order.POWER
    if n == order.POWER:
        return n, pages.live(books, n) or three_phases(books)
    return n, no_time(books) if n == order.CLOCK else status(books)


def energy(books) -> list:
    """Registers: all and this month's, each rate of the tariff with an arrow at the one now; and what was fed in,
    flowed while supply should have been off, or was used with no credit, if that ever happened."""
    s = books.s
    labels = "\x04 Used\n  Month\n\x05 Fed in\n\x03 While off\n\x03 Past zero".split("\n")
    month = _kwh(s.import_counts - s.month_counts) if s.month else "-"
    rows = [pair(labels[0], _kwh(s.import_counts)), pair(labels[1], month)]
    for i in range(_rates(books)):
        rows.append(pair(_name(books, i), _kwh(s.rate_counts[i])))
    for label, counts in zip(labels[2:], (s.export_counts, s.open_counts, s.overdraft_counts)):
        if counts:
            rows.append(pair(label, _kwh(counts)))
    return rows


def purchases(books) -> tuple:
    """What has been bought, and what is still owed."""
    s = books.s
    currency = books.cfg.currency
    return (
        pair("\x02 Purchases", "%d" % s.purchase_count),
        _yields("Total " + currency, "Total", _money(books, s.purchased_micro)),
        _yields("Last  " + currency, "Last", _money(books, s.last_purchase_micro)),
        pair("Debt", _money(books, s.debt_micro)) if s.debt_micro else fit("No debt"),
    )


def costs(books) -> tuple:
    """What is being spent, and how long credit lasts as things go."""
    spent_micro = books.spent_micro()
    spending = books.spending
    today = month = days = "-"
    if spending.day_spent_micro is not None:
        today = _money(books, spent_micro - spending.day_spent_micro)
    if spending.month_cost_micro is not None:
        month = _money(books, spent_micro - sum(spending.month_cost_micro))
    if spending.daily_micro > 0:
        n = max(books.s.credit_micro, 0) // spending.daily_micro
        days = "%d days" % n if n <= _MOST_DAYS else "over %d days" % _MOST_DAYS
    yesterday = "-" if spending.yesterday_micro is None else _money(books, spending.yesterday_micro)
    return (
        _yields("Today " + books.cfg.currency, "Today", today),
        _yields("Yesterday", "Yest.", yesterday),
        _yields("This month", "Month", month),
        pair("Lasts", days),
    )


def month(books) -> list:
    """What this month has cost at each rate, under a title; nothing while that is not known."""
    before = books.spending.month_cost_micro
    n = _rates(books)
    if before is None or not n:
        return []
    rows = [fit("This month in " + books.cfg.currency)]
    for i in range(n):
        rows.append(pair(_name(books, i), _money(books, books.s.rate_cost_micro[i] - before[i])))
    return rows


def three_phases(books) -> tuple:
    """What flows now, as a table."""
    m = books.sample
    if m is None:
        measured = "Meter chip fault    " if books.faults & codes.FAULT_METER_IC else "Load not measured   "
        return _BLANK, measured, _BLANK, _BLANK
    rows = ["    V    A    kW  PF"]
    for i in range(3):
        if i == 1 and books.cfg.three_wire:
            continue  # B is what the other two are measured against
        pf = abs(m.pf_milli[i])
        rows.append(
            "%d%4s%5s%6s%4s"
            % (
                i + 1,
                fixed(m.urms_mv[i], 1000, 0),
                fixed(m.irms_ma[i], 100, 1),
                fixed(m.p_mw[i], 10_000, 2),
                # Only without its zero does the column keep off its neighbour.
                "1.0" if pf >= 1000 else fixed(pf, 10, 2)[1:],
            )
        )
    return _four(rows, 0)


def no_time(books) -> tuple:
    """In the clock's place."""
    words = "\x03 Set clock\nThe time is lost:\nuntil it is set the\nrate is"
    return pairs(words, "", "", "", books.terms.signal or books.rate_name)


def status(books) -> tuple:
    """Which meter this is, and whether all is well."""
    s = books.s
    health = "All parts work" if books.cfg.provisioned else "Not provisioned"
    if books.faults:
        health = "\x03 Faults: %d" % bin(books.faults).count("1")
    return pairs(
        "Meter\nPennywatt\n%s\n%s" % ("\x00 Supply on" if s.relay_closed == 1 else "\x01 Supply off", health),
        books.cfg.meter_number,
        VERSION,
        "card" if any(s.card_uid) else "no card",
        "",
    )


def _rates(books):
    # A single one has the figures of the whole.
    n = len(books.tariff.rate_names)
    return n if n > 1 else 0


def _name(books, rate):
    return ("~ " if rate == books.terms.rate else "  ") + books.tariff.rate_names[rate]


def _four(rows, n):
    """Page n of rows; empty if there is none."""
    rows = rows[4 * n : 4 * n + 4]
    return tuple(rows + [_BLANK] * (4 - len(rows))) if rows else ()


def _yields(label, short, figure):
    """pair(), with a shorter label where a figure leaves no room for the whole one."""
    return pair(label if len(label) + len(figure) < len(_BLANK) else short, figure)


def _kwh(counts):
    return fixed(counts * 100, COUNTS_PER_KWH, 2) + " kWh"


def _money(books, micro):
    return money(micro, books.cfg.decimals)
