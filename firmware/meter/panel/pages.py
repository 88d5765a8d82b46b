# SPDX-License-Identifier: Apache-2.0
"""The pages of the display, in their order: the books in, four rows of exactly 20 characters out.

The balance, power and clock are live: drawn every second, and what that takes is here. Loading a module takes some
10 ms, so all others are drawn together when the first of them turns up, or every few seconds: the panel sees to that.
A page has a number; not every number has a page. Pure functions: no page keeps anything, waits or decides.
Figures are right-aligned and never cut; where space is short the label yields.
Glyphs by code (drivers/hd44780/lcd.py): 0 bolt, 1 lock, 2 card, 3 warning, 4 import, 5 export, 6 half bar, 7 bar;
the display's own character set has an arrow at ~.
"""

from micropython import const

from meter import heap
from meter.core import codes
from meter.panel.text import fixed, money, pairs

STARTING = const(-2)  # the first two are not among those that turn
OFF = const(-1)  # why supply is off
BALANCE = const(0)  # live
FAULTS = const(1)  # one for each bit
ENERGY = const(17)
PURCHASES = const(21)
COSTS = const(22)
MONTH = const(23)
POWER = const(26)  # live with one phase, while it is measured
CLOCK = const(27)  # live while the time is known
STATUS = const(28)


def live(books, n: int):
    """Page n if it is one that is drawn every second, else None."""
    if n == BALANCE:
        return balance(books)
    if n == POWER and books.sample is not None and books.cfg.phases == 1:
        return power(books)
    if n == CLOCK and books.utc_s is not None:
        return clock(books)


def seldom(books, n: int, turn: int = 0) -> tuple:
    """(its number, its rows) of page n, or of the next there is. turn chooses among several reasons. Without the heap
    to load a page, the balance."""
    if n > 0 and not books.faults >> n - FAULTS:
        n = max(n, ENERGY)
    heap.borrow("troubles")
    heap.borrow("figures")
    try:
        if n < ENERGY:
            from meter.panel import troubles

            return troubles.page(books, n, turn)
        from meter.panel import figures

        return figures.page(books, n)
    except MemoryError:
        books.starved += 1
        return n, balance(books) if books.ready else (" " * 20,) * 4
    finally:
        heap.give_back("troubles")
        heap.give_back("figures")


def ahead(books, n: int) -> list:
    """Numbers and texts of the pages from n on, in one: they are loaded once. A live page, and the table of three
    phases, has no text."""
    out = []
    heap.borrow("figures")
    try:
        from meter.panel import figures

        while n <= STATUS:
            n, rows = figures.page(books, n)
            out.append(n)
            out.append("" if n == POWER or live(books, n) else "".join(rows))
            n += 1
    except MemoryError:
        books.starved += 1
        out = [n, "".join(balance(books))]
    finally:
        heap.give_back("figures")
    return out


def balance(books) -> tuple:
    """Credit, rate and price now, load and what it costs an hour."""
    s = books.s
    m = books.sample
    alarm = books.alarm
    decimals = books.cfg.decimals
    local = books.local()
    corner = "\x03"
    if not (alarm or books.faults):
        corner = "%02d:%02d" % local[4:6] if local else ""
    now = books.signal or books.rate_name
    if not books.tariff.name:
        pass  # there is none (documents/load.py), whatever else there is to say
    elif local is None:
        now = "Set clock"  # the price is then that of the fallback rate
    elif books.faults & codes.FAULT_HEAP:
        now = "Low heap"  # so it is here
    elif alarm:
        now = "Top up"
    price = _price(books)
    if len(now + price) >= 20:
        price = price[:-4]  # rather without its unit than half a word
    title = "Credit         Low credit     Very low creditCredit used up "[15 * alarm : 15 * alarm + 15]
    if s.latches & codes.LATCH_EMERGENCY and alarm < 3:
        title = "Emergency credit"
    if m is None:
        load = "Meter chip fault" if books.faults & codes.FAULT_METER_IC else "Load not measured"
        cost = ""
    else:
        p_mw = m.p_total_mw
        load = fixed(abs(p_mw), 1000, 3)
        micro = max(p_mw, 0) * books.price_micro // 1_000_000
        cost = money(micro, decimals)
        if len(load + cost) > 12:  # what arrow, units and a space leave
            load = fixed(abs(p_mw), 100_000, 1)
            cost = money(micro, 0)
        load = "%s %s kW" % ("\x05" if p_mw < 0 else "\x04", load)
        cost += "/h"
    return pairs(
        "%s %s\n%s\n%s\n%s" % ("\x00" if s.relay_closed == 1 else "\x01", title, books.cfg.currency, now, load),
        corner,
        money(s.credit_micro, decimals),
        price,
        cost,
    )


def power(books) -> tuple:
    """What flows now by one phase, and as a bar in half cells how near the limit that is."""
    m = books.sample
    limit_w = books.cfg.overload_w
    bar = ""
    if limit_w:
        halves = max(0, min(12, 12 * m.p_total_mw // (limit_w * 1000)))
        bar = "\x07" * (halves // 2) + "\x06" * (halves % 2) + "-" * (6 - (halves + 1) // 2)
    return pairs(
        "Power %s\nVoltage\nCurrent\nPF %s" % (bar, fixed(m.pf_milli[0], 10, 2)),
        fixed(m.p_total_mw, 1000, 0) + " W",
        fixed(m.urms_mv[0], 100, 1) + " V",
        fixed(m.irms_ma[0], 10, 2) + " A",
        fixed(m.freq_chz, 1, 2) + " Hz",
    )


def clock(books) -> tuple:
    """Date and time by the household's clock, and the rate it gives."""
    local = books.local()
    day = 3 * local[3]
    return pairs(
        "MonTueWedThuFriSatSun"[day : day + 3] + "\nTime\nRate\nPrice",
        "%04d-%02d-%02d" % local[:3],
        "%02d:%02d:%02d" % local[4:],
        books.signal or books.rate_name,
        _price(books),
    )


def _price(books):
    if not books.tariff.name:
        return ""
    # Prices need finer figures than amounts; of large ones, zeros at the end leave room for the rate.
    micro = books.price_micro
    decimals = min(books.cfg.decimals + 2, 6)
    while micro >= 10_000_000 and decimals > books.cfg.decimals and not micro % 10 ** (7 - decimals):
        decimals -= 1
    return money(micro, decimals) + "/kWh"
