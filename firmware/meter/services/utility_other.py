# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import heap

from . import utility


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == utility.KEYS:
        heap.borrow("keys")
        try:
            from . import utility_keys

            return await utility_keys.work(u)
        finally:
            heap.give_back("keys")
    if u.kind == utility.TRUST:
        heap.borrow("trust")
        try:
            from . import utility_trust

            return await utility_trust.work(u)
        finally:
            heap.give_back("trust")
    if u.kind == utility.RELAY:
        heap.borrow("relay")
        try:
            from . import utility_relay

            return await utility_relay.work(u)
        finally:
            heap.give_back("relay")
    if u.kind == utility.READ_OUT:
        heap.borrow("read_out")
        try:
            from . import utility_readout

            return await utility_readout.work(u)
        finally:
            heap.give_back("read_out")
    heap.borrow("cover")
    try:
        from . import utility_cover

        return await utility_cover.work(u)
    finally:
        heap.give_back("cover")
