# SPDX-License-Identifier: Apache-2.0
"""What a household's card changes in the books: a purchase, and what any card of this meter clears and is lent. Part of
books.py, loaded with the card.

Nothing is awaited in here, and nothing is told to anybody before it is committed and read back; what cannot be stored
is undone.
"""

from meter.core import account, codes, supply
from meter.core.errors import CardError

from .books import room


def purchase(books, count: int, amount_micro: int, debt_micro: int, uid: bytes, generation: int) -> None:
    """Apply purchase number `count` and commit it in one record. Raises CardError; then nothing has changed."""
    s = books.s
    kept_micro = amount_micro - account.share(s.debt_micro + debt_micro, amount_micro, books.cfg.debt_percent)
    if account.hoards(s.credit_micro, kept_micro, books.cfg.hoard_micro):
        raise CardError(codes.CARD_HOARD, "credit would exceed the limit")
    room()
    before = type(s)()
    before.copy_from(s)
    cfg = books.cfg
    account.purchase(s, amount_micro, debt_micro, cfg.debt_percent)
    s.card_uid = uid
    s.card_generation = generation
    off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
    supply.after_credit(s, cfg.alarm2_micro, off_micro, books.friendly)
    if not books.keep():
        s.copy_from(before)
        raise CardError(codes.CARD_STORAGE, "the purchase cannot be stored")
    books.log(codes.LOG_PURCHASE, count)
    if debt_micro:
        books.log(codes.LOG_DEBT, count)
    books.note(before.claims)
    books.assess()


def user_card(books, uid: bytes, generation: int, new: bool) -> int:
    """A valid user card of this meter is in: the number of its write-back. What it clears is cleared, emergency
    credit lent if credit is used up and there is any left, and a new card (the first, or one that replaces a lost
    one) bound, all in one commit. 0: it cannot be stored, and nothing has changed."""
    s, cfg = books.s, books.cfg
    before = s.claims, s.latches, s.lock, s.card_uid, s.card_generation
    s.lock = 0
    supply.step(s, codes.EV_USER_CARD)
    left_micro = s.credit_micro + cfg.overdraft_micro
    lent = -cfg.emergency_micro < left_micro <= 0 and not s.latches & codes.LATCH_EMERGENCY
    if lent:
        supply.step(s, codes.EV_EMERGENCY)
        off_micro = supply.floor_micro(s, cfg.overdraft_micro, cfg.emergency_micro)
        supply.after_credit(s, cfg.alarm2_micro, off_micro, books.friendly)
    s.card_uid = uid
    s.card_generation = generation
    number = books.next_writeback()
    if not number:
        s.claims, s.latches, s.lock, s.card_uid, s.card_generation = before
        return 0
    if new:
        books.log(codes.LOG_CARD_BOUND, generation)
    books.note(before[0])
    if lent:
        books.log(codes.LOG_EMERGENCY)
        books.assess()
    return number
