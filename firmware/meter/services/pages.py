# SPDX-License-Identifier: Apache-2.0
"""What each page of the display says: the books in, four rows of exactly 20 characters out.

Pure functions: no page keeps anything, waits or decides. Rotation and keys are the panel's.
Figures are right-aligned and never cut; where space is short the label yields.
"""

from micropython import const

from meter.core import codes, supply
from meter.drivers.hd44780 import BAR_FULL, BAR_HALF, BOLT, CARD, EXPORT, IMPORT, LOCK, WARN

from .texts import VERSION, bits, fault, fit, fixed, kwh, money, pair, reason, weekday

_BLANK = " " * 20
_NOW = "\x7e"  # an arrow in the display's own character set
_CREDIT = ("Credit", "Low credit", "Very low credit", "Credit used up")
_METER_IC = const(0)  # numbers of fault bits
_RELAY = const(5)


def count(books) -> int:
    """How many pages there are to turn now; faults and rates add theirs."""
    return 5 + _energy_pages(books) + len(bits(books.faults))


def page(books, n: int) -> tuple:
    """Page n of count(); 0 is the balance."""
    if n == 0:
        return balance(books)
    faults = bits(books.faults)
    n -= 1
    if n < len(faults):
        return fault_page(books, n)
    n -= len(faults)
    if n < _energy_pages(books):
        return energy(books, n)
    return (purchases, power, clock, status)[min(n - _energy_pages(books), 3)](books)


def starting(books) -> tuple:
    """Before the ledger has been read: no figure is known yet."""
    if books.faults:
        return fault_page(books, 0)
    return fit("     Pennywatt"), _BLANK, fit("   Starting ..."), pair("Meter", books.cfg.meter_number)


def balance(books) -> tuple:
    """Credit, rate and price now, load and what it costs an hour."""
    cfg = books.cfg
    alarm = books.alarm
    local = books.local()
    corner = "%02d:%02d" % (local[4], local[5]) if local else ""
    if alarm or books.faults:
        corner = WARN
    if local is None:
        now = "Set clock"  # the price is then that of the fallback rate
    elif alarm:
        now = "Top up"
    else:
        now = books.rate_name
    return (
        pair((BOLT if books.s.relay_closed == 1 else LOCK) + " " + _CREDIT[alarm], corner),
        pair(cfg.currency, money(books.s.credit_micro, cfg.decimals)),
        pair(now, _price(books)),
        _load(books),
    )


def off(books, turn: int) -> tuple:
    """Why supply is off and what to do. With several reasons, turn chooses one."""
    s = books.s
    first = bits(supply.reason(s))
    claims = first + [number for number in bits(s.claims) if number not in first]
    turn %= len(claims)
    number = claims[turn]
    words, remedy = reason(number, bool(s.latches & codes.LATCH_REMOTE_READY))
    claim = 1 << number
    if claim == codes.CLAIM_OVERLOAD and books.cfg.overload_wait_s and not s.latches & codes.LATCH_CARD_ONLY:
        remedy = "Reduce load and wait"
    elif claim == codes.CLAIM_FAULT and books.faults & codes.FAULT_RELAY:
        words, remedy = fault(_RELAY)
    return (
        pair(LOCK + " Supply is off", "%d/%d" % (turn + 1, len(claims)) if len(claims) > 1 else ""),
        words,
        remedy,
        pair("Credit " + books.cfg.currency, _credit(books)),
    )


def fault_page(books, turn: int) -> tuple:
    """A fault by its name, and the remedy."""
    faults = bits(books.faults)
    turn %= len(faults)
    name, remedy = fault(faults[turn])
    return pair(WARN + " Attention", "%d/%d" % (turn + 1, len(faults))), name, remedy, _BLANK


def energy(books, n: int) -> tuple:
    """Registers, four a page: import, export, each rate of the tariff with an arrow at the one now, and what
    flowed while supply should have been off, if that ever happened."""
    s = books.s
    names = books.tariff.rate_names
    rows = []
    for i in range(4 * n - 2, 4 * n + 2):
        if i == -2:
            rows.append(_register(IMPORT + " Used", s.import_counts))
        elif i == -1:
            rows.append(_register(EXPORT + " Fed in", s.export_counts))
        elif i < len(names):
            rows.append(_register((_NOW if i == books.rate else " ") + " " + names[i], s.rate_counts[i]))
        elif i == len(names) and s.open_counts:
            rows.append(_register(WARN + " While off", s.open_counts))
        else:
            rows.append(_BLANK)
    return tuple(rows)


def purchases(books) -> tuple:
    """What has been bought, and what was used beyond it."""
    s = books.s
    decimals = books.cfg.decimals
    return (
        pair(CARD + " Purchases", "%d" % s.purchase_count),
        pair("Total " + books.cfg.currency, money(s.purchased_micro, decimals)),
        pair("Last  " + books.cfg.currency, money(s.last_purchase_micro, decimals)),
        _register("Past zero", s.overdraft_counts),
    )


def power(books) -> tuple:
    """What flows now: one phase with its units, three as a table."""
    m = books.sample
    if m is None:
        if books.faults & codes.FAULT_METER_IC:
            return (pair(WARN + " Attention", ""),) + fault(_METER_IC) + (_BLANK,)  # noqa: RUF005
        return _BLANK, fit("Load not measured"), _BLANK, _BLANK
    if books.cfg.phases == 1:
        limit_w = books.cfg.overload_w
        watts = "%s W" % fixed(m.p_total_mw, 1000, 0)
        return (
            pair("Power " + bar(m.p_total_mw, limit_w * 1000, 6) if limit_w else "Power", watts),
            pair("Voltage", "%s V" % fixed(m.urms_mv[0], 100, 1)),
            pair("Current", "%s A" % fixed(m.irms_ma[0], 10, 2)),
            pair("PF %s" % fixed(m.pf_milli[0], 10, 2), "%s Hz" % fixed(m.freq_chz, 1, 2)),
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
        rate = pair("rate is", books.rate_name)
        return fit(WARN + " Set clock"), fit("The time is lost:"), fit("until it is set the"), rate
    year, month, day, weekday_number, hour, minute, second = local
    return (
        pair(weekday(weekday_number), "%04d-%02d-%02d" % (year, month, day)),
        pair("Time", "%02d:%02d:%02d" % (hour, minute, second)),
        pair("Rate", books.rate_name),
        pair("Price", _price(books)),
    )


def status(books) -> tuple:
    """Which meter this is, and whether all is well."""
    s = books.s
    faults = len(bits(books.faults))
    if faults:
        health = "%s Faults: %d" % (WARN, faults)
    elif books.cfg.provisioned:
        health = "All parts work"
    else:
        health = "Not provisioned"
    return (
        pair("Meter", books.cfg.meter_number),
        pair("Pennywatt", VERSION),
        pair(
            BOLT + " Supply on" if s.relay_closed == 1 else LOCK + " Supply off",
            "card" if any(s.card_uid) else "no card",
        ),
        fit(health),
    )


def bar(value: int, full: int, cells: int) -> str:
    """value of full as a bar in half cells."""
    halves = max(0, min(2 * cells, 2 * cells * value // full))
    return BAR_FULL * (halves // 2) + BAR_HALF * (halves % 2) + "-" * (cells - (halves + 1) // 2)


def _energy_pages(books):
    return (2 + len(books.tariff.rate_names) + (1 if books.s.open_counts else 0) + 3) // 4


def _register(label, counts):
    return pair(label, kwh(counts) + " kWh")


def _credit(books):
    return money(books.s.credit_micro, books.cfg.decimals)


def _price(books):
    # Prices need finer figures than amounts.
    return money(books.price_micro, min(books.cfg.decimals + 2, 6)) + "/kWh"


def _load(books):
    m = books.sample
    if m is None:
        return fault(_METER_IC)[0] if books.faults & codes.FAULT_METER_IC else fit("Load not measured")
    p_mw = m.p_total_mw
    left = "%s %s kW" % (EXPORT if p_mw < 0 else IMPORT, fixed(abs(p_mw), 1000, 3))
    hourly_micro = max(p_mw, 0) * books.price_micro // 1_000_000
    return pair(left, money(hourly_micro, books.cfg.decimals) + "/h")
