# SPDX-License-Identifier: Apache-2.0
"""What is on loan: code that is loaded when it is wanted and let go again, for the heap is small.

    heap.borrow("minute")
    try:
        from . import minute

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
    "wiring": ("app", "drivers.buses", "storage.scratch", "storage.seal"),
    "made": ("made", "storage.aside", "storage.documents", "core.config", "core.checks", "core.keys_doc"),
    "calibration": ("core.calibration", "core.checks"),
    "flash_ledger": ("storage.flash_ledger", "storage.ring"),
    "selftest": ("services.selftest", "services.status"),
    "status": ("services.status",),
    "starts": ("services.starts", "services.memory"),
    "metered": ("metered", "services.starts", "services.memory"),
    "aside": ("storage.aside", "storage.documents"),
    "crash": ("services.crash", "services.memory", "storage.crashes"),
    # Parts.
    "atm90e32_start": ("drivers.atm90e32_start", "drivers.atm90e32_regs", "drivers.checked_start"),
    "atm90e32_audit": ("drivers.atm90e32_audit",),
    "atm90e32_phases": ("drivers.atm90e32_phases",),
    "atm90e26_start": ("drivers.atm90e26_start", "drivers.checked_start"),
    "atm90e26_audit": ("drivers.atm90e26_audit",),
    "hd44780_start": ("drivers.hd44780_start",),
    # What comes with time.
    "look": ("services.look", "core.timekeeping", "drivers.ds3231"),
    "dst": ("core.dst",),
    "minute": ("services.minute", "core.demand", "core.friendly", "core.rates", "storage.snapshot"),
    "billing": ("services.billing", "storage.registers", "storage.freezes", "storage.ring", "storage.twin"),
    "day": ("services.daily", "core.days", "storage.readings", "storage.twin"),
    "readings": ("storage.readings", "storage.twin"),
    "slots": ("services.slots", "storage.profile", "storage.ring"),
    "incidents": ("services.incidents", "storage.incidents", "storage.ring"),
    # The display.
    "figures": ("services.figures",),
    "troubles": ("services.troubles",),
    # Documents.
    "settings": ("core.config", "core.checks"),
    "config_doc": ("core.config_doc", "core.checks"),
    "watch_doc": ("core.watch_doc", "core.checks"),
    "tariff_doc": ("core.tariff_doc", "core.checks"),
    "in_force": ("services.inforce",),
    # Cards.
    "household": ("services.cardvisit", "services.cardfile", "services.cardguest", "drivers.desfire"),
    "supplier": ("services.utility", "services.cardguest", "drivers.desfire"),
    "dialogue": ("services.carddialogue", "services.cardpages"),
    "refusals": ("services.cardrefusals",),
    "ev2": ("drivers.desfire_ev2",),
    "months": ("storage.twin",),
    "cardbooks": ("services.cardbooks",),
    "signature": ("services.signature", "services.cardproof"),
    "sha512": ("loader.sha512",),
    "ed25519": ("loader.ed25519",),
    "keystore": ("services.keystore", "services.cardguest", "drivers.desfire"),  # a Guest: of one file with the driver
    "keys_file": ("core.keys_doc", "storage.documents"),
    # The supplier's cards.
    "head": ("services.utility_head", "core.serials"),
    "document": ("services.utility_document", "services.change", "storage.documents"),
    "other": (
        "services.utility_other",
        "services.utility_relay",
        "services.utility_readout",
        "services.utility_cover",
        "services.utility_answer",
    ),
    "keys": ("services.utility_keys", "services.utility_trust", "services.keystore"),
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
