# SPDX-License-Identifier: Apache-2.0
"""Which serial of a utility card is taken: not what was overtaken, and nothing from a future that no clock confirms.

A serial is the second since 2000 in which the shop made the card. One far ahead would lock out all that come after
it, so the meter's clock bounds it, or without one the newest the meter knows of.
"""

from micropython import const

from meter.core import codes

_DAY_S = const(86_400)
_AHEAD_S = const(2 * _DAY_S)  # a shop's clock and a meter's may differ by that
_UNSEEN_S = const(400 * _DAY_S)  # without a clock: longer than from one year's tariff to the next
_ORDER_LIVES_S = const(90 * _DAY_S)


def judge(serial: int, newest: int, made: int, utc_s, order: bool) -> int:
    """Return 0 when the card may be served, else the CARD_ code of the refusal.

    newest: of cards that changed something. made: when the meter's keys were. utc_s: None without a valid clock.
    order: of a card that only asks for work and leaves no serial (relay test, read-out, cover reset); one that was lost
    is good for nothing after 90 days.
    """
    if serial < newest:
        return codes.CARD_OUTDATED
    if utc_s is None:
        return codes.CARD_AHEAD if serial > max(newest, made) + _UNSEEN_S else 0
    if serial > utc_s + _AHEAD_S:
        return codes.CARD_AHEAD
    return codes.CARD_OUTDATED if order and serial < utc_s - _ORDER_LIVES_S else 0
