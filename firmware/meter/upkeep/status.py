# SPDX-License-Identifier: Apache-2.0
"""The heaps in figures, for the self-test and the STATUS line of each hour. Loaded for that only.

    STATUS heap_free=41632 heap_free_min=41024 idf_free=82016 idf_largest=53248 starved=0

heap_free, heap_free_min: bytes free in MicroPython's own heap right after a collection, now and the least since the
start; idf_free, idf_largest: what ESP-IDF has beside it, and its largest piece; starved: how often heap was missing.
"""

import gc

from meter.core import codes


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


def say(books, used: int, used_max: int, told: int) -> int:
    """Print the line, and log it when heap was missing since the last one.

    used, used_max: gc.mem_alloc() after a collection. told: what this returned an hour ago. Return books.starved."""
    alloc = gc.mem_alloc()
    own, idf, largest = own_free()
    total = own + alloc
    starved = books.starved
    print(
        "STATUS heap_free=%d heap_free_min=%d idf_free=%d idf_largest=%d starved=%d"
        % (total - used, total - used_max, idf, largest, starved)
    )
    if starved != told:
        books.log(codes.LOG_HEAP, starved)
    return starved
