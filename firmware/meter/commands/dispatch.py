# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import heap
from meter.cards import supplier
from meter.commands import cover_reset, read_out, relay_test


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == supplier.RELAY:
        return await relay_test.work(u)
    if u.kind == supplier.READ_OUT:
        return await read_out.work(u)
    if u.kind not in (supplier.KEYS, supplier.TRUST):
        return await cover_reset.work(u)
    heap.borrow("keys")
    try:
        if u.kind == supplier.KEYS:
            from meter.commands import key_change

            return await key_change.work(u)
        from meter.commands import trust_change

        return await trust_change.work(u)
    finally:
        heap.give_back("keys")
