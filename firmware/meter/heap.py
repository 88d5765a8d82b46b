# SPDX-License-Identifier: Apache-2.0
"""What is on loan: code that is loaded when it is wanted and let go again, for the heap is small.

    heap.borrow("minute")
    try:
        from meter.books import minute

        minute.work(self)
    finally:
        heap.give_back("minute")

Borrowers are counted. A module that several loans name stays while one of them is out, so it is never loaded twice, and
never let go while somebody needs it. What a name in a function has hold of stays loaded until that function is done:
what is imported between two loans of one function belongs into a function of its own. An exception on its way holds
all functions it came through.

The linker (scripts/linker) reads this table and makes one file of all modules that the same loans name. Nothing else in
the firmware lets modules go. Which loan is given back elsewhere than in a `finally`, the layout test has.
"""

import sys

LOANS = {
    # The start.
    "start": ("begin",),
    "wiring": ("wiring", "books.opening", "drivers.buses", "storage.scratch", "storage.seal"),
    "made": (
        "documents.load", "documents.aside", "documents.files", "documents.parse", "core.settings", "documents.checks",
    ),
    "calibration": ("documents.calibration_doc", "documents.checks"),
    "flash_ledger": ("storage.flash_ledger", "storage.ring"),
    "selftest": ("upkeep.selftest", "upkeep.parts", "drivers.probe", "upkeep.status"),
    "status": ("upkeep.status",),
    "starts": ("upkeep.starts",),
    "metered": ("upkeep.metered", "upkeep.starts"),
    "aside": ("documents.aside", "documents.files"),
    "crash": ("upkeep.crash", "storage.crashes"),
    # Parts.
    "atm90e32_start": ("drivers.atm90e32.start", "drivers.atm90e32.table", "drivers.metering_ic.checked_write"),
    "atm90e32_audit": ("drivers.atm90e32.audit",),
    "atm90e32_phases": ("drivers.atm90e32.phases",),
    "atm90e26_start": ("drivers.atm90e26.start", "drivers.atm90e26.table", "drivers.metering_ic.checked_write"),
    "atm90e26_audit": ("drivers.atm90e26.audit",),
    "hd44780_start": ("drivers.hd44780.start",),
    # What comes with time.
    "look": ("metering.clock_look", "core.timekeeping", "drivers.ds3231"),
    "dst": ("core.dst",),
    "minute": ("books.minute", "core.demand", "core.friendly", "core.rates", "storage.snapshot"),
    "billing": ("books.billing", "storage.registers", "storage.freezes", "storage.ring", "storage.twin"),
    "day": ("books.day", "core.days", "storage.readings", "storage.twin"),
    "readings": ("storage.readings", "storage.twin"),
    "profile_rows": ("metering.profile_rows", "storage.profile", "storage.ring"),
    "watching": ("watch.begin", "books.findings", "core.tamper", "storage.incidents", "storage.ring"),
    "incidents": ("books.findings", "core.tamper", "storage.incidents", "storage.ring"),
    # The display.
    "figures": ("panel.figures",),
    "troubles": ("panel.troubles",),
    # Documents.
    "settings": ("core.settings", "documents.parse", "documents.checks"),
    "settings_doc": ("documents.settings_doc", "documents.parse", "core.settings", "documents.checks"),
    "watch_doc": ("documents.watch_doc", "documents.checks"),
    "tariff_doc": ("documents.tariff_doc", "documents.checks"),
    "in_force": ("commands.in_force",),
    # Cards.
    "household": (
        "cards.household", "cards.records", "cards.visitor", "books.visits", "drivers.desfire.card",
        "drivers.desfire.status", "core.cmac",
    ),
    "supplier": (
        "cards.supplier", "cards.visitor", "books.visits", "drivers.desfire.card", "drivers.desfire.status",
        "core.cmac",
    ),
    "dialogue": ("cards.dialogue", "cards.pages"),
    "refusals": ("cards.refusals",),
    "ev2": ("drivers.desfire.ev2",),
    "months": ("storage.twin",),
    "cardbooks": ("books.purchases",),
    "signature": ("commands.signature", "cards.proof"),
    "sha512": ("loader.sha512",),
    "ed25519": ("loader.ed25519",),
    "keystore": (  # of one file with the driver: what proves a card proves a key
        "documents.keystore", "cards.visitor", "books.visits", "drivers.desfire.card", "drivers.desfire.status",
        "core.cmac",
    ),
    "keys_file": ("documents.files",),
    # Orders, and the cards that bring them.
    "order": ("cards.order", "commands.envelope", "core.serials"),
    "staged": ("documents.files",),
    "dispatch": ("commands.dispatch",),
    "document": ("commands.change", "documents.members", "documents.files", "documents.parse", "core.settings"),
    "work": ("commands.relay_test", "commands.read_out", "commands.cover_reset"),
    "answer": ("cards.answer", "cards.answers"),
    "keys": ("commands.key_change", "commands.trust_change", "documents.keystore"),
}

_out = {}  # module -> how often it is borrowed


def borrow(name: str) -> str:
    """Before anything of this loan is imported. Return what give_back() takes. Takes no memory on the meter."""
    for module in LOANS[name]:
        _out[module] = _out.get(module, 0) + 1
    return name


def give_back(name: str) -> None:
    """Let go of the modules that no other borrower has. Raise KeyError for a loan that is not out (linked, on the
    meter, that is harmless)."""
    for module in LOANS[name]:
        _out[module] -= 1
        if not _out[module]:
            del _out[module]
            _let_go(module)


def _let_go(module):
    # loader.*: the slot's own, which linking makes part of the package.
    full = module if module.startswith("loader.") else __name__.rpartition(".")[0] + "." + module
    if sys.modules.pop(full, None):
        package, _, leaf = full.rpartition(".")
        delattr(sys.modules[package], leaf)


def room() -> None:
    """MemoryError now, and not half-way through a change of the state: a KiB of heap, in pieces as large as the
    largest a change asks for (the fields of a ledger record). In one piece it is missing long before heap is."""
    _ = bytearray(256), bytearray(256), bytearray(256), bytearray(256)
