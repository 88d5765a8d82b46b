# SPDX-License-Identifier: Apache-2.0
"""What a household's card changes in the books: a purchase, and what any card of this meter clears and is lent. Part of
books.py, loaded with the card.

Nothing is awaited in here, and nothing is told to anybody before it is committed and read back; what cannot be stored
is undone.
"""

from micropython import const

from meter.books import visits
from meter.core import account, codes, supply
from meter.core.errors import CardError
from meter.heap import room

_KWH = const(1000)  # that credit may hold by default


def purchase(books, amount_micro: int, debt_micro: int):
    """Apply a purchase. Return what it changed, as it was before, for user_card(), which stores both. Raise CardError;
    then nothing has changed."""
    s = books.s
    kept_micro = amount_micro - account.share(s.debt_micro + debt_micro, amount_micro, books.cfg.debt_percent)
    if account.hoards(s.credit_micro, kept_micro, _cap_micro(books)):
        raise CardError(codes.CARD_HOARD, "credit would exceed the limit")
    room()
    cfg = books.cfg
    before = (
        s.claims, s.latches, s.credit_micro, s.purchased_micro, s.purchase_count, s.last_purchase_micro, s.debt_micro,
        s.debt_paid_micro,
    )  # fmt: skip
    account.purchase(s, amount_micro, debt_micro, cfg.debt_percent)
    off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
    supply.after_credit(s, cfg.alarm2_micro, off_micro, books.terms.friendly)
    return before


def _cap_micro(books):
    """The most that credit may come to by a purchase; 0: there is no cap."""
    cfg = books.cfg
    if cfg.hoard_micro >= 0 or not cfg.provisioned:
        return cfg.hoard_micro
    tariff = books.tariff
    price_micro = highest_micro = max(tariff.prices_micro)
    for more_micro in tariff.steps[1::2]:
        price_micro += more_micro
        highest_micro = max(highest_micro, price_micro)
    return highest_micro and max(_KWH * highest_micro, 2 * cfg.alarm1_micro)


def user_card(books, uid: bytes, generation: int, new: bool, bought=None) -> int:
    """A valid user card of this meter is in: the number of its write-back. What it clears is cleared, emergency
    credit lent if credit is used up and there is any left, and a new card (the first, or one that replaces a lost
    one) bound, all in one commit, that of a purchase too. bought: (what purchase() gave, its number, its debt). 0: it
    cannot be stored, and nothing has changed."""
    s, cfg = books.s, books.cfg
    before = s.claims, s.latches, s.lock, s.card_uid, s.card_generation
    s.lock = 0
    supply.step(s, codes.EV_USER_CARD)
    left_micro = s.credit_micro + cfg.overdraft_micro
    lent = -cfg.emergency_micro < left_micro <= 0 and not s.latches & codes.LATCH_EMERGENCY
    if lent:
        supply.step(s, codes.EV_EMERGENCY)
        off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
        supply.after_credit(s, cfg.alarm2_micro, off_micro, books.terms.friendly)
    s.card_uid = uid
    s.card_generation = generation
    number = visits.next_writeback(books)
    if not number:
        s.claims, s.latches, s.lock, s.card_uid, s.card_generation = before
        if bought:
            (
                s.claims, s.latches, s.credit_micro, s.purchased_micro, s.purchase_count, s.last_purchase_micro,
                s.debt_micro, s.debt_paid_micro,
            ) = bought[0]  # fmt: skip
        return 0
    claims = before[0]
    if bought:
        claims = bought[0][0]
        books.log(codes.LOG_PURCHASE, bought[1])
        if bought[2]:
            books.log(codes.LOG_DEBT, bought[1])
    if new:
        books.log(codes.LOG_CARD_BOUND, generation)
    books.note(claims)
    if lent:
        books.log(codes.LOG_EMERGENCY)
    if lent or bought:
        books.assess()
    return number
