# SPDX-License-Identifier: Apache-2.0
"""What a counter has: keys, journal, clock and randomness. Everything done to a card is given one."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from .desfire import Carrier, Desfire
from .journal import Journal
from .keys import KeySet
from .units import now_utc_s


@dataclass(frozen=True)
class Shop:
    keys: KeySet
    journal: Journal
    clock: Callable[[], int] = now_utc_s  # seconds since 2000
    random_bytes: Callable[[int], bytes] = field(default=secrets.token_bytes)

    def card(self, carrier: Carrier) -> Desfire:
        return Desfire(carrier, self.random_bytes)

    def version_for(self, meter_number: str) -> int:
        """Newest key version a meter is known to have; of a meter that never reported, the newest there is.

        A new meter is provisioned with the newest. One that had an older version when the masters were rolled,
        and whose cards never came back, needs the version said by hand.
        """
        back = self.journal.last_write_back(meter_number)
        return (back.key_version if back else 0) or self.keys.newest
