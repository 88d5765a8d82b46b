# SPDX-License-Identifier: Apache-2.0
"""Everything that must agree with everything else: one object, one ledger record.

Written by books/ only, itself or through account.py, days.py, supply.py and tamper.py; storage/ledger.py fills it in
when the books read the ledger (host_tests/unit/house/test_one_writer.py). All fields are integers but card_uid (7
bytes, zeros = no card bound), tampers (see times()), jump (days.py) and the lists.
Counts are those of energy.py, *_micro are millionths of the currency unit, utc_s is seconds of calendar.py.
"""

from micropython import const

RATES = const(8)
KINDS = const(16)
_MOST = const(0x1FFF)

RELAY_OPEN = const(0)
RELAY_CLOSED = const(1)
RELAY_UNKNOWN = const(2)

NO_CARD = bytes(7)

# The single-valued integer fields; card_uid, tampers, jump and the lists complete the record. (What a FIELDS tuple
# names are attributes, and the linker gives both new names.)
FIELDS = (
    "utc_s", "import_counts", "export_counts", "q_import_counts", "q_export_counts", "open_counts",
    "cost_acc", "credit_micro", "purchased_micro", "purchase_count", "last_purchase_micro",
    "overdraft_counts", "overdraft_micro", "claims", "latches", "relay_closed",
    "card_generation", "refused_cards", "writeback_seq", "event_seq", "boots",
    "debt_micro", "debt_paid_micro", "charges_micro", "month_counts", "month", "day", "utility_serial",
    "failed_logins", "lock", "va_counts",
)  # fmt: skip


class MeterState:
    """A meter that has never run: nothing counted, no credit, no card, relay position not known."""

    def __init__(self):
        self.utc_s = 0
        self.import_counts = 0
        self.export_counts = 0
        self.q_import_counts = 0
        self.q_export_counts = 0
        self.va_counts = 0  # apparent energy
        self.phase_counts = []  # three phases: import of each, export, reactive import, reactive export; else empty
        self.rate_counts = [0] * RATES
        self.rate_cost_micro = [0] * RATES
        self.cost_acc = 0  # remainder of account.book(), below COUNTS_PER_KWH
        self.credit_micro = 0  # signed
        self.purchased_micro = 0
        self.purchase_count = 0
        self.last_purchase_micro = 0
        self.overdraft_counts = 0
        self.overdraft_micro = 0
        self.open_counts = 0  # consumed while the relay should have been open
        self.claims = 0
        self.latches = 0
        self.relay_closed = RELAY_UNKNOWN
        self.card_uid = NO_CARD
        self.card_generation = 0
        self.refused_cards = 0
        self.writeback_seq = 0
        self.event_seq = 0
        self.boots = 0
        self.debt_micro = 0  # what is still to be recovered
        self.debt_paid_micro = 0
        self.charges_micro = 0  # standing charges, all
        self.month_counts = 0  # import_counts when this month began
        self.month = 0  # (year - 2000) * 12 + month - 1 of local time; 0: not known yet
        self.day = 0  # days since 2000-01-01 of local time that were charged last; 0: none
        self.utility_serial = 0  # of the newest utility card that changed something
        self.failed_logins = 0
        self.lock = 0  # failed logins in a row
        self.tampers = bytearray(2 * KINDS)
        self.jump = bytes(32)  # the last time the date moved by more than a day (days.py)


def times(s, kind: int) -> int:
    """How often there was tampering of this kind (codes.TAMPER_*): bits 0 to 12 of its u16 in tampers. Bits 13 to 15:
    it lasts on phase A (or in all), B, C."""
    return (s.tampers[2 * kind] | s.tampers[2 * kind + 1] << 8) & _MOST


def others(s) -> int:
    """How often there was tampering, but for the cover that was open and the magnet, which are counted apart."""
    return sum([times(s, kind) for kind in range(2, KINDS)])
