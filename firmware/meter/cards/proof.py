# SPDX-License-Identifier: Apache-2.0
"""Is a new purchase signed by the supplier? Loaded for that, when all other code for cards has gone (desk.py).

The card lies there meanwhile and is asked nothing. Then a visit (household.py) returns to it: pulled until then,
nothing is booked.
"""

from micropython import const

from meter.cards import states
from meter.commands.signature import good
from meter.documents import keys_doc

_PREFIX = b"PW purchase\0"
_SIGNED = const(44)  # bytes of the record; its CRC follows, and the signature
_SIGNATURE_AT = const(48)


class Proof:
    def __init__(self, desk, uid, bought):
        """bought: of a Visit, the record of the purchase last. In place of that: is it proven?"""
        self._uid = uid
        self._bought = bought
        self._public = desk.keys[keys_doc.SALE]

    async def do(self, state: int):
        """The event that ends the state."""
        self._bought = self._bought[:-1] + (await self._good(self._bought[-1]),)
        return states.LOOKED

    def about(self, event: int) -> tuple:
        """What the Visit that returns to the card needs to know."""
        return self._uid, 0, 1, self._bought

    def _good(self, record):
        return good(self._public, record[_SIGNATURE_AT:], _PREFIX + record[:_SIGNED])
