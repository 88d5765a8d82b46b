# SPDX-License-Identifier: Apache-2.0
"""Signatures on cards, looked at in steps: the meter meters meanwhile. Loaded for the moment, and let go."""

import asyncio

from loader import ed25519


async def good(public, signature, message) -> bool:
    """Is it a signature of message by this key?"""
    return await _last(ed25519.steps(public, signature, message))


async def usable(public) -> bool:
    """Can signatures by this key be good, and not such as anybody can make?"""
    return await _last(ed25519.usable(public))


async def _last(steps):
    answer = None
    for answer in steps:  # noqa: B007
        await asyncio.sleep_ms(0)
    return bool(answer)
