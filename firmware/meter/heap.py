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
    "wiring": ("wiring", "drivers.buses", "storage.scratch", "storage.seal"),
    "made": (
        "documents.load", "documents.aside", "documents.files", "documents.parse", "core.settings", "documents.checks",
        "documents.keys_doc",
    ),
    "calibration": ("documents.calibration_doc", "documents.checks"),
    "flash_ledger": ("storage.flash_ledger", "storage.ring"),
    "selftest": ("upkeep.selftest", "upkeep.status"),
    "status": ("upkeep.status",),
    "starts": ("upkeep.starts", "upkeep.memory"),
    "metered": ("upkeep.metered", "upkeep.starts", "upkeep.memory"),
    "aside": ("documents.aside", "documents.files"),
    "crash": ("upkeep.crash", "upkeep.memory", "storage.crashes"),
    # Parts.
    "atm90e32_start": ("drivers.atm90e32.start", "drivers.atm90e32.regs", "drivers.metering_ic.checked_write"),
    "atm90e32_audit": ("drivers.atm90e32.audit",),
    "atm90e32_phases": ("drivers.atm90e32.phases",),
    "atm90e26_start": ("drivers.atm90e26.start", "drivers.metering_ic.checked_write"),
    "atm90e26_audit": ("drivers.atm90e26.audit",),
    "hd44780_start": ("drivers.hd44780.start",),
    # What comes with time.
    "look": ("metering.clock_look", "core.timekeeping", "drivers.ds3231"),
    "dst": ("core.dst",),
    "minute": ("books.minute", "core.demand", "core.friendly", "core.rates", "storage.snapshot"),
    "billing": ("books.billing", "storage.registers", "storage.freezes", "storage.ring", "storage.twin"),
    "day": ("books.day", "core.days", "storage.readings", "storage.twin"),
    "readings": ("storage.readings", "storage.twin"),
    "slots": ("metering.profile_rows", "storage.profile", "storage.ring"),
    "incidents": ("books.findings", "storage.incidents", "storage.ring"),
    # The display.
    "figures": ("panel.figures",),
    "troubles": ("panel.troubles",),
    # Documents.
    "settings": ("core.settings", "documents.parse", "documents.checks"),
    "settings_doc": ("documents.settings_doc", "core.settings", "documents.checks"),
    "watch_doc": ("documents.watch_doc", "documents.checks"),
    "tariff_doc": ("documents.tariff_doc", "documents.checks"),
    "in_force": ("commands.in_force",),
    # Cards.
    "household": ("cards.household", "cards.records", "cards.visitor", "drivers.desfire.card", "core.cmac"),
    "supplier": ("cards.supplier", "cards.visitor", "drivers.desfire.card", "core.cmac"),
    "proof": ("cards.proof",),
    "dialogue": ("cards.dialogue", "cards.pages"),
    "refusals": ("cards.refusals",),
    "ev2": ("drivers.desfire.ev2",),
    "months": ("storage.twin",),
    "cardbooks": ("books.purchases",),
    "signature": ("commands.signature",),
    "sha512": ("loader.sha512",),
    "ed25519": ("loader.ed25519",),
    # A Guest and the driver are of one file with cmac.
    "keystore": ("documents.keystore", "cards.visitor", "drivers.desfire.card", "core.cmac"),
    "keys_file": ("documents.keys_doc", "documents.files"),
    # Orders, and the cards that bring them.
    "order": ("cards.order", "commands.envelope", "core.serials"),
    "staged": ("documents.files",),
    "dispatch": ("commands.dispatch",),
    "document": ("commands.change", "documents.files", "documents.parse"),
    "keys": ("commands.key_change", "documents.keystore"),
    "trust": ("commands.trust_change", "documents.keystore"),
    "relay": ("commands.relay_test",),
    "read_out": ("commands.read_out",),
    "cover": ("commands.cover_reset",),
    "answer": ("cards.answer",),
    "report": ("cards.household", "cards.records"),
    "answers": ("cards.answers",),
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
