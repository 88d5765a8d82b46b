# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import heap

from . import utility, utility_cover, utility_readout, utility_relay


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == utility.RELAY:
        return await utility_relay.work(u)
    if u.kind == utility.READ_OUT:
        return await utility_readout.work(u)
    if u.kind not in (utility.KEYS, utility.TRUST):
        return await utility_cover.work(u)
    heap.borrow("keys")
    try:
        if u.kind == utility.KEYS:
            from . import utility_keys

            return await utility_keys.work(u)
        from . import utility_trust

        return await utility_trust.work(u)
    finally:
        heap.give_back("keys")
