# SPDX-License-Identifier: Apache-2.0
"""Why a card is refused, and what to do: four rows of exactly 20 characters. Loaded for that moment only."""

from meter.core import codes
from meter.drivers.hd44780.lcd import CARD
from meter.panel.text import fit

# Three cells each, in the order of the CARD_ codes: the reason and the remedy.
_CARDS = (
    "Not a card for      electricity credit. Use your meter card "
    "This card belongs toanother meter.      Use your own card   "
    "This purchase was   used already.       Buy new credit      "
    "A purchase before   this one is missing.Go back to the shop "
    "The card's data is  damaged.            Go back to the shop "
    "Card taken out too  soon. Nothing lost. Insert it again     "
    "The card's key is   not right.          Call your supplier  "
    "This card has been  replaced.           Use the newer card  "
    "The meter would holdtoo much credit.    Use some, try again "
    "The card cannot be  read.               Insert it once more "
    "Memory fault. Creditstays on the card.  Call your supplier  "
    "Too many cards that were not genuine.   Wait, then try again"
    "This card is older  than one used here. Ask for a new one   "
    "Two cards at once:  none was read.      Insert one card only"
    "This card is for    another currency.   Go back to the shop "
    "Not signed by your  supplier.           Go back to the shop "
    "Signed with a key   that was replaced.  Go back to the shop "
    "Made later than the meter's clock says. Call your supplier  "
)


def refused(code: int) -> tuple:
    """Four rows for a card error code (codes.CARD_*)."""
    at = 60 * (code - 1)
    return CARD + " Card not accepted ", _CARDS[at : at + 20], _CARDS[at + 20 : at + 40], _CARDS[at + 40 : at + 60]


def not_for(code: int, other: str, cfg) -> tuple:
    """Four rows for a card of another meter or currency, which is named."""
    if code == codes.CARD_CURRENCY:
        rows = "The card is for " + other + ",", "this meter has " + cfg.currency + "."
    else:
        rows = "Card of " + other, "This is " + cfg.meter_number
    first, _, _, remedy = refused(code)
    return first, fit(rows[0]), fit(rows[1]), remedy


def no_keys() -> tuple:
    """As the fault is called on its page."""
    return CARD + " Card not read     ", "Card keys missing   ", "Provision this meter", " " * 20
