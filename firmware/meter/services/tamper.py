# SPDX-License-Identifier: Apache-2.0
"""Cover and magnet: owns the two inputs, writes each change that lasts into the event log.

Sensors: cover switch 1 = off, Hall switch 1 = magnet near. A change counts when two looks a second apart see it.
"""

import asyncio

from micropython import const

from meter.core import codes

_LOOK_MS = const(1000)


class Tamper:
    def __init__(self, books, cover_pin, magnet_pin):
        self._books = books
        self._cover = cover_pin
        self._magnet = magnet_pin
        self._seen = [0, 0]
        self._was = [0, 0]  # closed and no magnet; anything else at the start is news

    async def run(self, beat):
        while True:
            beat()
            self._look(0, self._cover(), codes.LOG_COVER_OPEN, codes.LOG_COVER_CLOSED)
            self._look(1, self._magnet(), codes.LOG_MAGNET_ON, codes.LOG_MAGNET_OFF)
            await asyncio.sleep_ms(_LOOK_MS)

    def _look(self, n, now, on, off):
        if now != self._seen[n]:
            self._seen[n] = now
        elif now != self._was[n]:
            self._was[n] = now
            self._books.log(on if now else off)
            if now:
                self._books.tampered(n)
