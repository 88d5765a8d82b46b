# SPDX-License-Identifier: Apache-2.0
"""Pages that say what is wrong and what to do: starting, supply off, a fault. Loaded for the moment one is drawn.

Four rows of exactly 20 characters. Pure functions.
"""

from micropython import const

from meter.core import codes, supply
from meter.panel import order
from meter.panel.text import fit, money, pair, pairs

# Two cells each, in the order of the CLAIM_ bits: the reason, the remedy.
_REASONS = (
    "Disconnected by     supplier. Call them."
    "Credit used up      Buy and insert card "
    "Low credit          Insert card to go on"
    "Load too high       Reduce, insert card "
    "Meter is blocked    Call your supplier  "
    "Supply not safe     Call your supplier  "
    "Nothing is metered  Call your supplier  "
)
_REMOTE_READY = ("Ready to reconnect: ", "press button or card")

# Two cells each, in the order of the FAULT_ bits: the name, the remedy.
_FAULTS = (
    "Meter chip fault    Call your supplier  "
    "Memory fault        Call your supplier  "
    "Clock fault         Set or check clock  "
    "Card reader fault   Call your supplier  "
    "Display fault       Check its cable     "
    "Relay fault         Call your supplier  "
    "Tariff refused      Load a valid tariff "
    "Settings refused    Load valid settings "
    "Card keys missing   Provision this meter"
    "Program fault       It was restarted    "
    "Safe mode: no cards Take card out, wait "
    "Flash memory fault  Call your supplier  "
    "Calibration in doubtCall your supplier  "
    "Memory keeps nothingCall your supplier  "
    "Low working memory  Fallback price holds"
)
_RELAY = const(5)  # numbers of fault bits
_PROGRAM = const(9)
_SAFE_MODE = const(10)
_DOCUMENTS = (6, 7, 12)
_ASIDE = "Aside: "  # documents/aside.py
_BLANK = const("                    ")


def page(books, n: int, turn: int) -> tuple:
    """Return number and rows of page n, or of the next fault."""
    if n == order.OFF:
        return n, off(books, turn)
    if n == order.STARTING:
        return n, starting(books)
    while not books.faults >> n - order.FAULTS & 1:
        n += 1
    return n, fault_page(books, n - order.FAULTS)


def starting(books) -> tuple:
    """Before the ledger has been read: no figure is known yet."""
    if books.faults:
        return fault_page(books, bits(books.faults)[0])
    return pairs("     Pennywatt\n\n   Starting ...\nMeter", "", "", "", books.cfg.meter_number)


def off(books, turn: int) -> tuple:
    """Why supply is off and what to do. With several reasons, turn chooses one."""
    s = books.s
    cfg = books.cfg
    first = bits(supply.reason(s))
    claims = first + [number for number in bits(s.claims) if number not in first]
    number = claims[turn % len(claims)]
    claim = 1 << number
    words, remedy = reason(number, s.latches & codes.LATCH_REMOTE_READY)
    if claim == codes.CLAIM_OVERLOAD and cfg.overload_wait_s and not s.latches & codes.LATCH_CARD_ONLY:
        remedy = "Reduce load and wait"
    elif claim == codes.CLAIM_FAULT and books.faults & codes.FAULT_RELAY:
        words, remedy = fault(_RELAY)
    credit = money(s.credit_micro, cfg.decimals)
    balance = pair("Credit " + cfg.currency if len(credit) < 10 else "Credit", credit)
    return _head("\x01 Supply is off", turn, len(claims)), words, remedy, balance


def fault_page(books, number: int) -> tuple:
    """A fault by its name, and the remedy."""
    faults = bits(books.faults)
    # What fell, where that is the fault.
    aside = books.trouble.startswith(_ASIDE)
    last = fit(books.trouble) if number in (_DOCUMENTS if aside else (_PROGRAM, _SAFE_MODE)) else _BLANK
    return (_head("\x03 Attention", faults.index(number), len(faults)),) + fault(number) + (last,)


def reason(claim_number: int, remote_ready: int = 0) -> tuple:
    """(reason, remedy) for a claim, by its bit number."""
    if claim_number == 0 and remote_ready:
        return _REMOTE_READY
    return _two(_REASONS, claim_number)


def fault(number: int) -> tuple:
    """(name, remedy) of a fault, by its bit number."""
    return _two(_FAULTS, number)


def _two(table, index):
    at = 40 * index
    return table[at : at + 20], table[at + 20 : at + 40]


def bits(mask: int) -> list:
    """The numbers of the bits that are set, lowest first."""
    return [number for number in range(16) if mask >> number & 1]


def _head(text, turn, n):
    return pair(text, "%d/%d" % (turn % n + 1, n) if n > 1 else "")
