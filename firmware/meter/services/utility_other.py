# SPDX-License-Identifier: Apache-2.0
"""What a utility card asks for that brings no large document: each a workflow of its own. Loaded with the card."""

from meter import unload

from . import utility


async def work(u) -> tuple:
    """(four rows, result)."""
    if u.kind == utility.KEYS:
        from . import utility_keys

        try:
            return await utility_keys.work(u)
        finally:
            unload("services.utility_keys", "services.keystore")
    if u.kind == utility.TRUST:
        from . import utility_trust

        try:
            return await utility_trust.work(u)
        finally:
            unload("services.utility_trust", "services.keystore")
    if u.kind == utility.RELAY:
        from . import utility_relay

        try:
            return await utility_relay.work(u)
        finally:
            unload("services.utility_relay")
    if u.kind == utility.READ_OUT:
        from . import utility_readout

        try:
            return await utility_readout.work(u)
        finally:
            unload("services.utility_readout")
    from . import utility_cover

    try:
        return await utility_cover.work(u)
    finally:
        unload("services.utility_cover")
