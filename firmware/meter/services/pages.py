# SPDX-License-Identifier: Apache-2.0
"""What each page of the display says: the books in, four rows of exactly 20 characters out.

Pure functions: no page keeps anything, waits or decides. Rotation and keys are the panel's.
Figures are right-aligned and never cut; where space is short the label yields.
Glyphs by code (drivers/hd44780.py): 0 bolt, 1 lock, 2 card, 3 warning, 4 import, 5 export, 6 half bar, 7 bar;
the display's own character set has an arrow at ~.
"""

from micropython import const

from meter.core import codes, supply

from .texts import VERSION, bits, cells, fault, fit, fixed, kwh, money, pair, reason, weekday

_BLANK = const("                    ")
_METER_IC = const(0)  # numbers of fault bits
_RELAY = const(5)
_PROGRAM = const(9)
_SAFE_MODE = const(10)


def count(books) -> int:
    """How many pages there are to turn now; faults and rates add theirs."""
    return 6 + _energy_pages(books) + len(bits(books.faults))


def page(books, n: int) -> tuple:
    """Page n of count(); 0 is the balance."""
    if n == 0:
        return balance(books)
    faults = len(bits(books.faults))
    if n <= faults:
        return fault_page(books, n - 1)
    n -= 1 + faults
    if n < _energy_pages(books):
        return energy(books, n)
    return (purchases, outlook, power, clock, status)[min(n - _energy_pages(books), 4)](books)


def starting(books) -> tuple:
    """Before the ledger has been read: no figure is known yet."""
    if books.faults:
        return fault_page(books, 0)
    return cells("     Pennywatt      " + _BLANK + "   Starting ...     ", 0, 3) + (
        pair("Meter", books.cfg.meter_number),
    )


def balance(books) -> tuple:
    """Credit, rate and price now, load and what it costs an hour."""
    s = books.s
    alarm = books.alarm
    local = books.local()
    corner = "\x03"
    if not (alarm or books.faults):
        corner = "%02d:%02d" % (local[4], local[5]) if local else ""
    if local is None:
        now = "Set clock"  # the price is then that of the fallback rate
    else:
        now = "Top up" if alarm else books.rate_name
    title = ("Credit", "Low credit", "Very low credit", "Credit used up")[alarm]
    if s.latches & codes.LATCH_EMERGENCY and alarm < 3:
        title = "Emergency credit"
    return _rows(
        ("\x00 " if s.relay_closed == 1 else "\x01 ") + title + "\n" + books.cfg.currency + "\n" + now,
        corner,
        _money(books, s.credit_micro),
        _price(books),
    ) + (_load(books),)


def off(books, turn: int) -> tuple:
    """Why supply is off and what to do. With several reasons, turn chooses one."""
    s = books.s
    first = bits(supply.reason(s))
    claims = first + [number for number in bits(s.claims) if number not in first]
    number = claims[turn % len(claims)]
    claim = 1 << number
    words, remedy = reason(number, s.latches & codes.LATCH_REMOTE_READY)
    if claim == codes.CLAIM_OVERLOAD and books.cfg.overload_wait_s and not s.latches & codes.LATCH_CARD_ONLY:
        remedy = "Reduce load and wait"
    elif claim == codes.CLAIM_FAULT and books.faults & codes.FAULT_RELAY:
        words, remedy = fault(_RELAY)
    balance = pair("Credit " + books.cfg.currency, _money(books, s.credit_micro))
    return _head("\x01 Supply is off", turn, len(claims)), words, remedy, balance


def fault_page(books, turn: int) -> tuple:
    """A fault by its name, and the remedy."""
    faults = bits(books.faults)
    number = faults[turn % len(faults)]
    # What fell, where that is the fault.
    last = fit(books.trouble) if number in (_PROGRAM, _SAFE_MODE) else _BLANK
    return (_head("\x03 Attention", turn, len(faults)),) + fault(number) + (last,)


def energy(books, n: int) -> tuple:
    """Registers, four a page: import, export, each rate of the tariff with an arrow at the one now, and what
    flowed while supply should have been off, if that ever happened."""
    s = books.s
    labels = ["\x04 Used", "\x05 Fed in"]
    counts = [s.import_counts, s.export_counts] + s.rate_counts[: len(books.tariff.rate_names)]
    for name in books.tariff.rate_names:
        labels.append(("~ " if len(labels) - 2 == books.rate else "  ") + name)
    if s.open_counts:
        labels.append("\x03 While off")
        counts.append(s.open_counts)
    rows = [pair(labels[i], _kwh(counts[i])) for i in range(4 * n, min(4 * n + 4, len(labels)))]
    return tuple(rows + [_BLANK] * (4 - len(rows)))


def purchases(books) -> tuple:
    """What has been bought, and what was used beyond it."""
    s = books.s
    currency = books.cfg.currency
    return _rows(
        "\x02 Purchases\nTotal %s\nLast  %s\nPast zero" % (currency, currency),
        "%d" % s.purchase_count,
        _money(books, s.purchased_micro),
        _money(books, s.last_purchase_micro),
        _kwh(s.overdraft_counts),
    )


def outlook(books) -> tuple:
    """How long credit lasts as things go, and what this month and the debt have come to."""
    s = books.s
    daily_micro = books.daily_micro
    days = "not known yet"
    if daily_micro > 0:
        days = "%d days" % (max(s.credit_micro, 0) // daily_micro)
    return _rows(
        "Lasts\nA day %s\nThis month\n%s" % (books.cfg.currency, "Debt" if s.debt_micro else "No debt"),
        days,
        _money(books, daily_micro) if daily_micro else "-",
        _kwh(s.import_counts - s.month_counts),
        _money(books, s.debt_micro) if s.debt_micro else "",
    )


def power(books) -> tuple:
    """What flows now: one phase with its units, three as a table."""
    m = books.sample
    if m is None:
        if books.faults & codes.FAULT_METER_IC:
            return ("\x03 Attention         ",) + fault(_METER_IC) + (_BLANK,)
        return _BLANK, _load(books), _BLANK, _BLANK
    if books.cfg.phases == 1:
        limit_w = books.cfg.overload_w
        return _rows(
            "Power %s\nVoltage\nCurrent\nPF %s"
            % (bar(m.p_total_mw, limit_w * 1000, 6) if limit_w else "", fixed(m.pf_milli[0], 10, 2)),
            fixed(m.p_total_mw, 1000, 0) + " W",
            fixed(m.urms_mv[0], 100, 1) + " V",
            fixed(m.irms_ma[0], 10, 2) + " A",
            fixed(m.freq_chz, 1, 2) + " Hz",
        )
    rows = ["    V    A    kW  PF"]
    for i in range(3):
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
    return tuple(rows)


def clock(books) -> tuple:
    """Date and time by the household's clock, and the rate it gives."""
    local = books.local()
    if local is None:
        rows = cells("\x03 Set clock         The time is lost:   until it is set the ", 0, 3)
        return rows + (pair("rate is", books.rate_name),)
    return _rows(
        weekday(local[3]) + "\nTime\nRate\nPrice",
        "%04d-%02d-%02d" % local[:3],
        "%02d:%02d:%02d" % local[4:],
        books.rate_name,
        _price(books),
    )


def status(books) -> tuple:
    """Which meter this is, and whether all is well."""
    s = books.s
    health = "All parts work" if books.cfg.provisioned else "Not provisioned"
    if books.faults:
        health = "\x03 Faults: %d" % len(bits(books.faults))
    return _rows(
        "Meter\nPennywatt\n%s\n%s" % ("\x00 Supply on" if s.relay_closed == 1 else "\x01 Supply off", health),
        books.cfg.meter_number,
        VERSION,
        "card" if any(s.card_uid) else "no card",
        "",
    )


def bar(value: int, full: int, width: int) -> str:
    """value of full as a bar in half cells."""
    halves = max(0, min(2 * width, 2 * width * value // full))
    return "\x07" * (halves // 2) + "\x06" * (halves % 2) + "-" * (width - (halves + 1) // 2)


def _rows(labels, *figures):
    """One row per line of labels, with a figure at the right of each."""
    return tuple([pair(label, figure) for label, figure in zip(labels.split("\n"), figures)])


def _head(text, turn, n):
    return pair(text, "%d/%d" % (turn % n + 1, n) if n > 1 else "")


def _energy_pages(books):
    return (2 + len(books.tariff.rate_names) + (1 if books.s.open_counts else 0) + 3) // 4


def _kwh(counts):
    return kwh(counts) + " kWh"


def _money(books, micro):
    return money(micro, books.cfg.decimals)


def _price(books):
    # Prices need finer figures than amounts.
    return money(books.price_micro, min(books.cfg.decimals + 2, 6)) + "/kWh"


def _load(books):
    m = books.sample
    if m is None:
        return fault(_METER_IC)[0] if books.faults & codes.FAULT_METER_IC else "Load not measured   "
    p_mw = m.p_total_mw
    left = "%s %s kW" % ("\x05" if p_mw < 0 else "\x04", fixed(abs(p_mw), 1000, 3))
    return pair(left, _money(books, max(p_mw, 0) * books.price_micro // 1_000_000) + "/h")
