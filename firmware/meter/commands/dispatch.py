# SPDX-License-Identifier: Apache-2.0
"""Do an order (orders.py) that its carrier has proved to be the supplier's, and say what came of it (results.py).

The carrier reads it (a card: cards/supplier.py), looks at its head and signature (envelope.py), keeps to its own rule
against repetition, and has the words. What changes the meter must not be brought back by an older order: the ledger
keeps the serial of the newest one, committed after the change, which a repetition finds done.
"""

from meter import heap
from meter.books import visits
from meter.commands import orders, results
from meter.core.errors import ConfigError, StorageError


async def do(books, keeper, order) -> tuple:
    """Return (result, value). Raise nothing that a carrier has to know.

    keeper: who has the meter's keys and the root of its documents, as `keys` and `root`; other keys come in their
    place there.
    """
    kind = order[orders.KIND]
    changes = True
    if kind <= orders.TARIFF:
        done = _change(books, keeper, order)
    elif kind in (orders.KEYS, orders.TRUST):
        done = await _keys(books, keeper, order)
    else:
        changes = False
        done = await _work(books, kind)
    if changes and done[0] & results.OUTCOME <= results.WITH_START:
        visits.served(books, order[orders.SERIAL])
    return done


def _change(books, keeper, order):
    heap.borrow("document")
    try:
        from meter.commands import change
        from meter.documents import files

        name = files.SETTINGS if order[orders.KIND] == orders.SETTINGS else files.TARIFF
        return change.change(books, name, order[orders.DOCUMENT], order[orders.BY], keeper.root), 0
    except ConfigError as e:
        return results.DOCUMENT, e.args
    except (OSError, StorageError):
        return results.UNSTORED, 0
    finally:
        heap.give_back("document")


async def _keys(books, keeper, order):
    heap.borrow("keys")
    try:
        if order[orders.KIND] == orders.KEYS:
            from meter.commands import key_change

            return key_change.do(books, keeper, order)
        from meter.commands import trust_change

        return await trust_change.do(books, keeper, order)
    finally:
        heap.give_back("keys")


async def _work(books, kind):
    heap.borrow("work")
    try:
        if kind == orders.RELAY:
            from meter.commands import relay_test

            return await relay_test.do(books)
        if kind == orders.READ_OUT:
            from meter.commands import read_out

            return read_out.do(books)
        from meter.commands import cover_reset

        return cover_reset.do(books)
    finally:
        heap.give_back("work")
