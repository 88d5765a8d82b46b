# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import heap
from meter.cards import supplier


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == supplier.KEYS:
        heap.borrow("keys")
        try:
            from meter.commands import key_change

            return await key_change.work(u)
        finally:
            heap.give_back("keys")
    if u.kind == supplier.TRUST:
        heap.borrow("trust")
        try:
            from meter.commands import trust_change

            return await trust_change.work(u)
        finally:
            heap.give_back("trust")
    if u.kind == supplier.RELAY:
        heap.borrow("relay")
        try:
            from meter.commands import relay_test

            return await relay_test.work(u)
        finally:
            heap.give_back("relay")
    if u.kind == supplier.READ_OUT:
        heap.borrow("read_out")
        try:
            from meter.commands import read_out

            return await read_out.work(u)
        finally:
            heap.give_back("read_out")
    heap.borrow("cover")
    try:
        from meter.commands import cover_reset

        return await cover_reset.work(u)
    finally:
        heap.give_back("cover")
