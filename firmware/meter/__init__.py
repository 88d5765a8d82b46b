# SPDX-License-Identifier: Apache-2.0
"""Pennywatt: a prepayment electricity meter."""

import sys


def unload(*names: str) -> None:
    """Let modules go that are needed for a moment only ("documents.settings_doc"), so that their heap is free again."""
    for name in names:
        # Linked, one that is needed often lies outside the package.
        if not sys.modules.pop(name, None):
            name = __name__ + "." + name
            if sys.modules.pop(name, None):
                package, _, leaf = name.rpartition(".")
                delattr(sys.modules[package], leaf)


def run() -> None:
    """Start the meter; main.py calls this."""
    from meter import entry

    entry.run()
