# SPDX-License-Identifier: Apache-2.0
"""Signatures of the supplier's, verified in steps of 20 ms at most: the meter meters meanwhile. Loaded for the moment.

SHA-512 first, then the curve: their code and tables are never in the heap together.
"""

import asyncio

from meter import heap


async def good(public, signature, message) -> bool:
    """Is it a signature of message by this key?"""
    heap.borrow("sha512")
    try:
        digest = await _last(_hashing(public, signature, message))
    finally:
        heap.give_back("sha512")
    heap.borrow("ed25519")
    try:
        return await _last(_checking(public, signature, digest))  # pyright: ignore[reportReturnType]
    finally:
        heap.give_back("ed25519")


async def usable(public) -> bool:
    """Can signatures by this key be good, and not such as anybody can make?"""
    heap.borrow("ed25519")
    try:
        return await _last(_looking(public))  # pyright: ignore[reportReturnType]
    finally:
        heap.give_back("ed25519")


# What a name in a function has hold of stays loaded until the function is done.


def _hashing(public, signature, message):
    from loader.sha512 import hashed

    return hashed(bytes(signature[:32]) + public + message)


def _checking(public, signature, digest):
    from loader.ed25519 import checked

    return checked(public, signature, digest)


def _looking(public):
    from loader.ed25519 import usable

    return usable(public)


async def _last(steps):
    answer = None
    for answer in steps:  # noqa: B007
        await asyncio.sleep_ms(0)
    return answer
