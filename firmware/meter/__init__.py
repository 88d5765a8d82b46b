# SPDX-License-Identifier: Apache-2.0
"""Pennywatt: a prepayment electricity meter."""

import gc
import sys


def unload(*names: str) -> None:
    """Let modules go that are needed for a moment only ("core.config_doc"), so that their heap is free again."""
    for name in names:
        # Linked, one that is needed often lies outside the package.
        if not sys.modules.pop(name, None):
            name = __name__ + "." + name
            if sys.modules.pop(name, None):
                package, _, leaf = name.rpartition(".")
                delattr(sys.modules[package], leaf)


def own_free() -> tuple:
    """Return (bytes free in MicroPython's own heap, bytes ESP-IDF has free, its largest free piece).

    gc.mem_free() alone is no measure: on the ESP32 it counts as free what ESP-IDF could still give, too."""
    import esp32

    own = gc.mem_free()
    idf = largest = 0
    for _, free, piece, _ in esp32.idf_heap_info(esp32.HEAP_DATA):
        idf += free
        largest = max(largest, piece)
    return own - largest, idf, largest


def run() -> None:
    """Start the meter; main.py calls this."""
    from meter import entry

    entry.run()
