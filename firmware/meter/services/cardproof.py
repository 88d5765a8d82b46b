# SPDX-License-Identifier: Apache-2.0
"""Is a new purchase signed by the supplier? Loaded for that, when the code of the visit has gone (carddesk.py).

The card lies there meanwhile and is asked nothing; pulled now, it costs a second insertion and no money: what is proven
is booked, and the write-back then finds no card.
"""

from micropython import const

from meter import unload
from meter.core import codes, keys_doc
from meter.core.errors import CardError

from . import carddesk_states as at
from .cardguest import Guest

_PREFIX = b"PW purchase\0"
_SIGNED = const(44)  # bytes of the record; its CRC follows, and the signature
_SIGNATURE_AT = const(48)


class Proof(Guest):
    def __init__(self, desk, card, uid, bought):
        """bought: of a Visit, the record of the purchase last."""
        super().__init__(desk, card, uid)
        self.bought = bought

    async def do(self, state: int):
        """The event that ends the state. Raises CardError."""
        from . import signature

        record = self.bought[-1]
        public = self.desk.keys[keys_doc.SALE]
        try:
            good = await signature.good(public, record[_SIGNATURE_AT:], _PREFIX + record[:_SIGNED])
        finally:
            signature = None
            unload("services.signature")
        if not good:
            raise CardError(codes.CARD_SIGNATURE, "purchase")
        return at.PROVEN
