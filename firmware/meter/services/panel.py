# SPDX-License-Identifier: Apache-2.0
"""The panel: owns display, button, alarm LED and buzzer.

Wakes once a second with the books' tick, twice while the LED blinks slowly, and at once for a key or say().
What is shown, first match wins:
    say() running                    what the card desk says
    ledger not read, nothing ticked  starting, or the fault
    key within the last 20 s         the page the key chose
    a claim holds the supply off     the reason and the remedy; LED fast
    alarm 1 or worse                 the balance; LED slow, buzzer once when it begins
    otherwise                        the pages in turn, 6 s each
The display cannot be read back, so it is started anew after the relay has switched (the dip can cost it its
4-bit sync) and every ten minutes.
"""

import asyncio
import time

from micropython import const

from meter.core.codes import FAULT_DISPLAY
from meter.core.errors import BusError

from . import pages
from .texts import fit

_PAGE_MS = const(6000)
_EARLY_MS = const(300)  # ticks come a little early or late; a page counts whole seconds
_KEY_HOLD_MS = const(20_000)
_TURN_MS = const(4000)  # reasons, when there are several
_DEBOUNCE_MS = const(30)
_BEEP_MS = const(200)
_IDLE_MS = const(1500)  # longer than a tick: ends a wait only when metering stands still
_RETRY_MS = const(10_000)
_RESTART_MS = const(600_000)
_SLOW = const(2)  # LED phases a second
_FAST = const(4)


class Panel:
    def __init__(self, lcd, books, button_pin, led_pin, buzzer_pin):
        """button_pin reads 0 while pressed; LED and buzzer are on at 1."""
        self._lcd = lcd
        self._books = books
        self._button = button_pin
        self._led = led_pin
        self._buzzer = buzzer_pin
        self._wake = books.ticked  # ours alone to wait on; keys and say() set it too
        self._edge = False
        self._down = False
        self._said = None
        self._said_at = self._said_ms = 0
        self._page = 0
        self._page_at = 0
        self._key = False  # the page was chosen by a key
        self._claims = 0
        self._alarm = None
        self._relay = None
        self._tried_at = self._started_at = 0
        self._waiting = False  # for the next try at a missing display
        self._drawn_at = 0
        self._phase = 0
        self._lit = 0

    def say(self, lines, hold_ms: int) -> None:
        """Show 4 lines instead of the pages for hold_ms or until unsay()."""
        self._said = tuple([fit(line) for line in lines])
        self._said_at = time.ticks_ms()
        self._said_ms = hold_ms
        self._wake.set()

    def unsay(self) -> None:
        """Back to the pages, the balance first."""
        self._said = None
        self._front(time.ticks_ms())
        self._wake.set()

    async def run(self, beat) -> None:
        """The panel's task. Leaves LED and buzzer off when it ends."""
        self._button.irq(self._on_edge, self._button.IRQ_FALLING | self._button.IRQ_RISING)
        flagged = True
        try:
            while True:
                beat()
                if self._edge:
                    await self._debounce()
                if flagged or self._said is not None or self._age_ms(self._drawn_at) >= _IDLE_MS:
                    await self._refresh()
                self._blink(flagged)
                flagged = await self._wait(self._timeout_ms())
        finally:
            self._button.irq(None)
            self._led(0)
            self._buzzer(0)

    async def _wait(self, timeout_ms):
        try:
            await asyncio.wait_for_ms(self._wake.wait(), timeout_ms)
        except asyncio.TimeoutError:
            return False
        return True

    def _timeout_ms(self):
        phases = self._phases()
        # The last phase before a tick is ended by that tick.
        timeout_ms = 1000 // phases if phases and self._phase < phases - 1 else _IDLE_MS
        if self._said is not None:
            timeout_ms = max(1, min(timeout_ms, self._said_ms - self._age_ms(self._said_at)))
        return timeout_ms

    # -- button -----------------------------------------------------------------------------------

    def _on_edge(self, _pin):
        self._edge = True
        self._wake.set()

    async def _debounce(self):
        await asyncio.sleep_ms(_DEBOUNCE_MS)
        self._edge = False
        down = not self._button()
        if down != self._down:
            self._down = down
            if down and self._said is None and self._books.ready:
                self._pressed()

    def _pressed(self):
        books = self._books
        if books.s.claims:
            books.button()
        self._page = (self._page + 1) % pages.count(books)
        self._page_at = time.ticks_ms()
        self._key = True

    # -- display ----------------------------------------------------------------------------------

    async def _refresh(self):
        books = self._books
        self._drawn_at = time.ticks_ms()
        rows = self._rows(self._drawn_at)
        if await self._display_ready():
            try:
                self._lcd.show(rows)
            except BusError:
                pass  # one disturbed transfer is no fault: the next wake starts the display anew, or names it
        if books.ready and books.alarm != self._alarm:
            if self._alarm == 0:
                await self._beep()
            self._alarm = books.alarm

    def _rows(self, now):
        books = self._books
        if self._said is not None:
            if self._age_ms(self._said_at) < self._said_ms:
                return self._said
            self._said = None
            self._front(now)
        claims = books.s.claims
        if not books.ready or not (claims or books.faults or books.sample or books.utc_s):
            return pages.starting(books)
        age_ms = self._age_ms(self._page_at)
        # A changed reason is news, so is a key that has grown old: both begin at the front.
        if claims != self._claims or (self._key and age_ms >= _KEY_HOLD_MS):
            self._claims = claims
            self._front(now)
        elif not self._key and (claims or books.alarm):
            self._front(now)
        elif not self._key and age_ms >= _PAGE_MS - _EARLY_MS:
            self._page += 1
            self._page_at = now
        if self._page >= pages.count(books):
            self._page = 0
        if claims and not self._key:
            return pages.off(books, now // _TURN_MS)
        return pages.page(books, self._page)

    @staticmethod
    def _age_ms(since):
        # Past six days the difference turns negative: very old, not of the future.
        age_ms = time.ticks_diff(time.ticks_ms(), since)
        return age_ms if age_ms >= 0 else _RESTART_MS

    def _front(self, now):
        self._page = 0
        self._page_at = now
        self._key = False

    async def _display_ready(self):
        lcd = self._lcd
        books = self._books
        if self._waiting and self._age_ms(self._tried_at) < _RETRY_MS:
            return False
        relay = books.s.relay_closed
        if lcd.ready and relay == self._relay and self._age_ms(self._started_at) < _RESTART_MS:
            return True
        now = self._tried_at = time.ticks_ms()
        try:
            await lcd.start()
        except BusError:
            self._waiting = True
            self._report(True)
            return False
        self._waiting = False
        self._relay = relay
        self._started_at = now
        self._report(False)
        return True

    def _report(self, missing):
        # There is no event log before the ledger has been read; a display still missing is named then.
        if self._books.ready:
            self._books.fault(FAULT_DISPLAY, missing)

    # -- LED and buzzer ---------------------------------------------------------------------------

    def _phases(self):
        books = self._books
        if not books.ready:
            return 0
        if books.s.claims:
            return _FAST
        return _SLOW if books.alarm else 0

    def _blink(self, flagged):
        phases = self._phases()
        # Every tick begins with the LED on, so blinking needs no wake of its own for that edge.
        self._phase = 0 if flagged or self._phase >= phases - 1 else self._phase + 1
        lit = 1 if phases and not self._phase & 1 else 0
        if lit != self._lit:
            self._lit = lit
            self._led(lit)

    async def _beep(self):
        try:
            self._buzzer(1)
            await asyncio.sleep_ms(_BEEP_MS)
        finally:
            self._buzzer(0)
