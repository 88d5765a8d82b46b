# SPDX-License-Identifier: Apache-2.0
"""What an order is, however it comes: a tuple (kind, serial, by, document). Constants only.

| kind | what it changes or does | document |
|---|---|---|
| 1 settings, 2 tariff | other terms for this meter | CRC-32 of the bytes that documents/files.stage() has taken |
| 3 key change | card and utility key | the bytes of key_change.py |
| 4 relay test | off, sensed, on | |
| 5 read-out | a number for the meter's report | |
| 6 cover reset | what tampering has blocked | |
| 7 supplier's keys | whose signature is good | the bytes of trust_change.py |

serial: the second since 2000 in which the supplier made the order. by: codes.BY_*, who brought it. The kinds are on
cards, too, and never renumbered.
"""

from micropython import const

# Kinds.
SETTINGS = const(1)
TARIFF = const(2)
KEYS = const(3)
RELAY = const(4)
READ_OUT = const(5)
COVER = const(6)
TRUST = const(7)

# Positions.
KIND = const(0)
SERIAL = const(1)
BY = const(2)
DOCUMENT = const(3)
