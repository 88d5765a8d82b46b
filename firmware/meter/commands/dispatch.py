# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import unload
from meter.cards import supplier


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == supplier.KEYS:
        from meter.commands import key_change

        try:
            return await key_change.work(u)
        finally:
            unload("commands.key_change", "documents.keystore")
    if u.kind == supplier.TRUST:
        from meter.commands import trust_change

        try:
            return await trust_change.work(u)
        finally:
            unload("commands.trust_change", "documents.keystore")
    if u.kind == supplier.RELAY:
        from meter.commands import relay_test

        try:
            return await relay_test.work(u)
        finally:
            unload("commands.relay_test")
    if u.kind == supplier.READ_OUT:
        from meter.commands import read_out

        try:
            return await read_out.work(u)
        finally:
            unload("commands.read_out")
    from meter.commands import cover_reset

    try:
        return await cover_reset.work(u)
    finally:
        unload("commands.cover_reset")
