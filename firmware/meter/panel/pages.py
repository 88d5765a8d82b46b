# SPDX-License-Identifier: Apache-2.0
"""The pages drawn every second: balance, power and clock. The books in, four rows of exactly 20 characters out.

Pure functions: no page keeps anything, waits or decides. Figures are right-aligned and never cut; where space is short
the label yields. Glyphs by code (drivers/hd44780/lcd.py): 0 bolt, 1 lock, 2 card, 3 warning, 4 import, 5 export, 6 half
bar, 7 bar; the display's own character set has an arrow at ~.
"""

from meter.core import codes
from meter.panel import order
from meter.panel.text import fixed, money, pairs


def live(books, n: int):
    """Page n if it is one that is drawn every second, else None."""
    if n == order.BALANCE:
        return balance(books)
    if n == order.POWER and books.sample is not None and books.cfg.phases == 1:
        return power(books)
    if n == order.CLOCK and books.utc_s is not None:
        return clock(books)


def balance(books) -> tuple:
    """Credit, rate and price now, load and what it costs an hour."""
    s = books.s
    alarm = books.alarm
    decimals = books.cfg.decimals
    local = books.local()
    corner = "\x03"
    if not (alarm or books.faults):
        corner = "%02d:%02d" % local[4:6] if local else ""
    now = books.terms.signal or books.rate_name
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
    load, cost = _load(books)
    return pairs(
        "%s %s\n%s\n%s\n%s" % ("\x00" if s.relay_closed == 1 else "\x01", title, books.cfg.currency, now, load),
        corner,
        money(s.credit_micro, decimals),
        price,
        cost,
    )


def _load(books):
    """What flows now, and what that costs an hour; of large figures without their ends."""
    m = books.sample
    if m is None:
        return "Meter chip fault" if books.faults & codes.FAULT_METER_IC else "Load not measured", ""
    p_mw = m.p_total_mw
    load = fixed(abs(p_mw), 1000, 3)
    micro = max(p_mw, 0) * books.terms.price_micro // 1_000_000
    cost = money(micro, books.cfg.decimals)
    if len(load + cost) > 12:  # what arrow, units and a space leave
        load = fixed(abs(p_mw), 100_000, 1)
        cost = money(micro, 0)
    return "%s %s kW" % ("\x05" if p_mw < 0 else "\x04", load), cost + "/h"


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
        books.terms.signal or books.rate_name,
        _price(books),
    )


def _price(books):
    if not books.tariff.name:
        return ""
    # Prices need finer figures than amounts; of large ones, zeros at the end leave room for the rate.
    micro = books.terms.price_micro
    decimals = min(books.cfg.decimals + 2, 6)
    while micro >= 10_000_000 and decimals > books.cfg.decimals and not micro % 10 ** (7 - decimals):
        decimals -= 1
    return money(micro, decimals) + "/kWh"
