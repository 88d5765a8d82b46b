# SPDX-License-Identifier: Apache-2.0
"""What the display says of an order that a card has brought: four rows of 20 characters. Loaded for that moment."""

from meter.commands import orders, results
from meter.core import codes
from meter.core.state import others, times
from meter.drivers.hd44780.lcd import CARD

_KINDS = "Settings\nTariff\nKeys\nRelay test\nMeter\nInspection\nSupplier's keys"

# Kind (0: any), result, first row (-: the kind), the others (%: the tariff). A remedy comes after what is refused.
_ROWS = (
    (orders.SETTINGS, results.DONE, "Settings changed", "They are in force.\n\n"),
    (orders.SETTINGS, results.WITH_START, "Settings changed", "Some need a restart:\nswitch off and on.\n"),
    (orders.TARIFF, results.DONE, "Tariff changed", "%\nis in force.\n"),
    (orders.TARIFF, results.LATER, "Tariff stored", "%\ncomes in force\nat its time."),
    (orders.KEYS, results.DONE, "Keys changed", "\n\n"),
    (orders.KEYS, results.WELL_KNOWN, "Keys refused:", "They are well known."),
    (orders.RELAY, results.DONE, "-", "Passed.\n\n"),
    (orders.RELAY, results.STUCK_CLOSED, "-", "Failed: the relay\ndoes not open\nCall your supplier"),
    (orders.RELAY, results.STUCK_OPEN, "-", "Failed: the relay\ndoes not close\nCall your supplier"),
    (orders.READ_OUT, results.DONE, "Meter read", "The card has it.\n\n"),
    (orders.READ_OUT, results.NO_ROOM, "Meter not read", "The card is full:\nempty it at the\noffice."),
    (orders.COVER, results.DONE, "-", "Supply released."),
    (orders.COVER, results.ALREADY, "-", "Nothing was blocked."),
    (orders.TRUST, results.DONE, "-", "changed.\nCards signed before\nare not valid now."),
    (0, results.WELL_KNOWN, "-", "They are well known."),
    (0, results.SAME_KEYS, "-", "Both are the same."),
    (0, results.MISNUMBERED, "-", "Number does not fit."),
    (0, results.NO_KEY, "-", "Sale key is no key."),
    (0, results.UNPROVEN, "-", "Order key unproven."),
    (0, results.ALREADY, "-", "Nothing to change:\nin force already.\n"),
    (0, results.UNSTORED, "-", "Memory fault:\nnothing was changed.\nCall your supplier"),
)


def rows(kind: int, result: int, value, books) -> tuple:
    """Return the four rows. value: of results.DOCUMENT (path, reason)."""
    called = _KINDS.split("\n")[kind - 1]
    if result == results.DOCUMENT:
        path, reason = value
        return (CARD + " " + called + " refused", path[:20]) + _two(reason)
    title, text = _row(kind, result)
    said = text.split("\n")
    if said[0] == "%":
        said[0] = (books.later if result == results.LATER else books.tariff).name
    if result & results.OUTCOME == results.REFUSED:
        said += ["Nothing was changed.", "Make the card again."]
    if kind == orders.COVER:
        s = books.s
        said.append("Cover %5d Magnet %d" % (times(s, codes.TAMPER_COVER), times(s, codes.TAMPER_MAGNET)))
        said.append("Other signs %8d" % others(s))
    return CARD + " " + (called if title == "-" else title), said[0], said[1], said[2]


def _row(kind, result):
    for row in _ROWS:
        if row[0] in (0, kind) and row[1] == result:
            return row[2:]
    raise ValueError("no words for kind %d, result %d" % (kind, result))


def _two(text):
    """The beginning of a sentence, in two rows, broken between words."""
    rows = ["", ""]
    i = 0
    for word in text.split(" "):
        if len(rows[i]) + len(word) + 1 > 20 and rows[i]:
            i += 1
            if i == 2:
                break
        rows[i] += (" " if rows[i] else "") + word
    return rows[0], rows[1]
