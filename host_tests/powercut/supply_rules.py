# SPDX-License-Identifier: Apache-2.0
"""The supply rules, from what a household is told about them: which claims may come and go between two records."""

from meter.core import codes

from scripts.supplier.keys import METER

_OTHERS = codes.CLAIM_NO_CREDIT | codes.CLAIM_OVERLOAD


def check_claims(old, new, terms, seen):
    """Sentences about what is wrong. seen: the Auditor, which knows load and card."""
    served, was_served = new.latches & codes.LATCH_REMINDER_SERVED, old.latches & codes.LATCH_REMINDER_SERVED
    below = new.credit_micro <= terms.alarm2
    used_up = new.credit_micro <= terms.floor
    came, went = new.claims & ~old.claims, old.claims & ~new.claims
    if new.claims & ~(_OTHERS | codes.CLAIM_REMINDER):
        yield f"claims are {new.claims}"
    if bool(new.claims & codes.CLAIM_NO_CREDIT) != used_up:
        yield f"claims are {new.claims} with a credit of {new.credit_micro}"
    if bool(served) != below:
        yield f"latches are {new.latches} with a credit of {new.credit_micro}"
    owed = below and not was_served and not old.claims and not new.claims & _OTHERS
    if bool(came & codes.CLAIM_REMINDER) != owed:
        yield "a reminder that was not owed" if not owed else "the reminder did not come"
    if came & codes.CLAIM_OVERLOAD and seen.ticks_over < terms.hold_s:
        yield f"overload after {seen.ticks_over} ticks"
    # A tick more than the hold, and one that may come before the metering IC has measured anything since a start.
    if seen.ticks_over > terms.hold_s + 2 and not new.claims & codes.CLAIM_OVERLOAD:
        yield f"no overload claim after {seen.ticks_over} ticks"
    card = seen.plant.reader.card
    accepted = card is seen.card and card._key_no == METER
    if went & (codes.CLAIM_REMINDER | codes.CLAIM_OVERLOAD) and not accepted:
        yield f"claims {went} were cleared without a card"
