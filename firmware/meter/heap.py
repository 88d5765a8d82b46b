# SPDX-License-Identifier: Apache-2.0
"""The heap: is there enough of it for what is about to begin?"""


def room() -> None:
    """MemoryError now, and not half-way through a change of the state: a KiB of heap, in pieces as large as the
    largest a change asks for (the fields of a ledger record). In one piece it is missing long before heap is."""
    _ = bytearray(256), bytearray(256), bytearray(256), bytearray(256)
