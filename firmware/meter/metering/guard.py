# SPDX-License-Identifier: Apache-2.0
"""The guard: makes the relay follow the arbiter's decision, and proves that it did.

Owns the relay. After each pulse it senses the load side, over a period of the mains; wrong means another try, three
in all and a second apart, then the relay fault, which is tried again every 10 s. Voltage behind a contact known to be
open (a generator, a contact flipped by shock) inhibits closing. At start it senses before it drives: a power cut
alone moves nothing. A contact seen closed is opened at once, and sensed afterwards. It begins when all parts are
loaded (entry.py): loading holds the loop for long.
"""

import asyncio

from micropython import const

from meter.core import codes

_SETTLE_MS = const(40)  # operate time 20 ms and as much again
_TRIES = const(3)
_BETWEEN_TRIES_MS = const(1000)
_CHECK_MS = const(10_000)
_LATE_MS = const(250)  # a pulse longer by that was not ended by its timer: what may hold that up takes a fifth of it
_DARK_MV = const(50_000)


class Guard:
    def __init__(self, relay, books):
        self._relay = relay
        self._books = books

    async def run(self, beat):
        books = self._books
        closed = 0  # seen so, and not moved since
        while True:
            beat()
            sensed = closed
            closed = 0
            if not sensed or books.wants_closed():
                sensed = await self._relay.sensed()
            wanted = books.wants_closed()
            if wanted and sensed and books.s.relay_closed == 0:
                books.relay_failed(0)
            elif wanted and not sensed and self._dark():
                pass  # nothing to sense, whatever the contact does: a pulse every few seconds would only wear it out
            elif sensed != wanted:
                await self._drive(wanted)
            else:
                books.relay_is(sensed)
                closed = sensed
            try:
                await asyncio.wait_for_ms(books.changed.wait(), _CHECK_MS)
            except asyncio.TimeoutError:
                pass

    def _dark(self):
        """Has phase A, which is sensed, no voltage before the contact? (With one phase the meter would be off.)"""
        sample = self._books.sample
        return self._books.cfg.phases == 3 and sample is not None and sample.urms_mv[0] < _DARK_MV

    async def _drive(self, wanted):
        books = self._books
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep_ms(_BETWEEN_TRIES_MS)
                if books.wants_closed() != wanted:
                    return  # decided otherwise meanwhile
            if wanted:
                books.relay_moves()
            await self._relay.move(wanted)
            if self._relay.late_ms > _LATE_MS:
                books.log(codes.LOG_RELAY_FAULT, self._relay.late_ms)
            await asyncio.sleep_ms(_SETTLE_MS)
            if await self._relay.sensed() == wanted:
                books.relay_is(wanted)
                return
        books.relay_failed(wanted)
