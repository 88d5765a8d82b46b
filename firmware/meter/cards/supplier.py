# SPDX-License-Identifier: Apache-2.0
"""Utility cards: orders of the supplier's, which its people carry from meter to meter. Loaded with the card.

A DESFire application of its own, so no user card is ever taken for one; its meter key comes of the fleet's utility
key. What is on it:

    file 1  head       which order, signed by the supplier: order.py
    file 2  document   what the order brings: a list of meters, settings, a tariff, keys
    file 3  answers    a record of each meter that has been here: answer.py

The order is done by commands/dispatch.py, and answers.py has the words for what came of it. Each is loaded for its
part and let go: a document needs all the room there is. A card without room for the answer has still done its work.
Files, byte by byte: storage/FORMAT.md.
"""

from micropython import const

from meter import heap
from meter.cards import states
from meter.cards.visitor import Guest
from meter.commands import orders, results
from meter.core.errors import CardError
from meter.drivers.hd44780.lcd import CARD

_SERVING_MS = const(15_000)


class Utility(Guest):
    """One utility card being served."""

    def do(self, state: int):
        """To await: do what the card asks for; return the event. CardError, BusError and ChipError go to the desk."""
        return _serve(self)

    def say(self, rows) -> None:
        """Shown while the card is served."""
        self.desk.panel.say(rows, _SERVING_MS)


async def _serve(u):
    order = await _order(u)
    kind = order[orders.KIND]
    if kind == orders.RELAY:
        u.say((CARD + " Relay test", "Supply goes off for", "two seconds.", ""))
    result, value = await _done(u, order)
    if result == results.REFUSED:
        raise CardError(value, "order")
    if not await _answer(u, order, result, value) and kind == orders.READ_OUT:
        result = results.NO_ROOM
    u.rows = _words(u, kind, result, value)
    return states.SERVED


async def _order(u):
    heap.borrow("order")
    try:
        from meter.cards import order

        return await order.read(u)
    finally:
        heap.give_back("order")


async def _done(u, order):
    if order[orders.DOCUMENT] is None:
        return results.UNSTORED, 0
    heap.borrow("dispatch")
    try:
        from meter.commands import dispatch

        return await dispatch.do(u.books, u.desk, order)
    finally:
        heap.give_back("dispatch")


async def _answer(u, order, result, value):
    heap.borrow("answer")
    try:
        from meter.cards import answer

        return await answer.write(u, order, result, value)
    finally:
        heap.give_back("answer")


def _words(u, kind, result, value):
    heap.borrow("answer")
    try:
        from meter.cards import answers

        return answers.rows(kind, result, value, u.books)
    finally:
        heap.give_back("answer")
