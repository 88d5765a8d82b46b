# SPDX-License-Identifier: Apache-2.0
"""Do an order (orders.py) that its carrier has proved to be the supplier's, and say what came of it (results.py).

The carrier reads it (a card: cards/supplier.py), looks at its head and signature (envelope.py), keeps to its own rule
against repetition, and has the words. What changes the meter must not be brought back by an older order: the ledger
keeps the serial of the newest one, committed after the change, which a repetition finds done.
"""

from meter import unload
from meter.commands import orders, results
from meter.core.errors import ConfigError, StorageError


async def do(books, keeper, order) -> tuple:
    """Return (result, value). Raise nothing that a carrier has to know.

    keeper: who has the meter's keys and the root of its documents, as `keys` and `root`; other keys come in their
    place there.
    """
    kind = order[orders.KIND]
    if kind == orders.TRUST:
        done = await _trust_change(books, keeper, order)
    elif kind == orders.RELAY:
        done = await _relay_test(books)
    else:
        done = _at_once(books, keeper, order)
    if (kind <= orders.KEYS or kind == orders.TRUST) and done[0] & results.OUTCOME <= results.WITH_START:
        books.utility_card(order[orders.SERIAL])
    return done


def _at_once(books, keeper, order):
    kind = order[orders.KIND]
    if kind <= orders.TARIFF:
        return _change(books, keeper, order)
    if kind == orders.KEYS:
        from meter.commands import key_change

        try:
            return key_change.do(books, keeper, order)
        finally:
            unload("commands.key_change", "documents.keystore")
    if kind == orders.READ_OUT:
        from meter.commands import read_out

        try:
            return read_out.do(books)
        finally:
            unload("commands.read_out")
    from meter.commands import cover_reset

    try:
        return cover_reset.do(books)
    finally:
        unload("commands.cover_reset")


def _change(books, keeper, order):
    from meter.commands import change
    from meter.documents import files

    name = files.SETTINGS if order[orders.KIND] == orders.SETTINGS else files.TARIFF
    try:
        return change.change(books, name, order[orders.DOCUMENT], order[orders.BY], keeper.root), 0
    except ConfigError as e:
        return results.DOCUMENT, e.args
    except (OSError, StorageError):
        return results.UNSTORED, 0
    finally:
        unload("commands.change", "documents.files", "core.settings")


async def _trust_change(books, keeper, order):
    from meter.commands import trust_change

    try:
        return await trust_change.do(books, keeper, order)
    finally:
        unload("commands.trust_change", "documents.keystore")


async def _relay_test(books):
    from meter.commands import relay_test

    try:
        return await relay_test.do(books)
    finally:
        unload("commands.relay_test")
