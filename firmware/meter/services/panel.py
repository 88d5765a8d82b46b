# SPDX-License-Identifier: Apache-2.0
"""The panel: owns display, button, alarm LED and buzzer.

Wakes once a second with the books' tick, twice while the LED blinks slowly, and at once for a key or say().
What is shown, first match wins:
    say() running                    what the card desk says
    ledger not read, nothing ticked  starting, or the fault
    key within the last 20 s         the page the key chose
    a claim holds the supply off     the reason and the remedy; LED fast
    alarm 1 or worse                 the balance; LED slow, buzzer once when it begins
    otherwise                        the pages in turn, 6 s each; from the faults on when there is a new one
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

_PAGE_MS = const(5700)  # 6 s, for ticks that come a little early
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
        self._edge = self._down = False
        self._said = None
        self._said_until = 0
        self._drawn = 0
        self._start_at = None  # when the display is to be started anew; None: now
        self._relay = None
        self._claims = self._faults = 0
        self._alarm = None
        self._phase = self._lit = 0
        self._front()

    def say(self, lines, hold_ms: int) -> None:
        """Show 4 lines instead of the pages for hold_ms or until unsay()."""
        self._said = tuple([fit(line) for line in lines])
        self._said_until = time.ticks_add(time.ticks_ms(), hold_ms)
        self._wake.set()

    def unsay(self) -> None:
        """Back to the pages, the balance first."""
        self._said = None
        self._front()
        self._wake.set()

    async def run(self, beat) -> None:
        """The panel's task. Leaves LED and buzzer off when it ends."""
        button = self._button
        button.irq(self._on_edge, button.IRQ_FALLING | button.IRQ_RISING)
        ticked = True
        try:
            while True:
                beat()
                if self._edge:
                    await self._debounce()
                if ticked or self._said or not 0 <= -_left_ms(self._drawn) < _IDLE_MS:
                    await self._refresh()
                timeout_ms = self._blink(ticked)
                if self._said:
                    timeout_ms = max(1, min(timeout_ms, _left_ms(self._said_until)))
                try:
                    await asyncio.wait_for_ms(self._wake.wait(), timeout_ms)
                    ticked = True
                except asyncio.TimeoutError:
                    ticked = False
        finally:
            button.irq(None)
            self._led(0)
            self._buzzer(0)

    # -- button -----------------------------------------------------------------------------------

    def _on_edge(self, _pin):
        self._edge = True
        self._wake.set()

    async def _debounce(self):
        await asyncio.sleep_ms(_DEBOUNCE_MS)
        self._edge = False
        down = not self._button()
        if down == self._down:
            return
        self._down = down
        books = self._books
        if down and books.ready and not self._said:
            if books.s.claims:
                books.button()
            self._turn(self._page + 1, _KEY_HOLD_MS)
            self._key = True

    # -- pages ------------------------------------------------------------------------------------

    def _front(self):
        self._key = False
        self._turn(0, _PAGE_MS)

    def _turn(self, page, for_ms):
        self._page = page
        self._page_until = time.ticks_add(time.ticks_ms(), for_ms)

    def _rows(self):
        books = self._books
        if self._said:
            if _left_ms(self._said_until) > 0:
                return self._said
            self._said = None
            self._front()
        claims = books.s.claims
        if not books.ready or not (claims or books.faults or books.sample or books.utc_s):
            self._front()
            return pages.starting(books)
        over = _left_ms(self._page_until) <= 0
        # A changed reason is news, and a key that has grown old is over: both go back to the front.
        if claims != self._claims or (over if self._key else claims or books.alarm):
            self._claims = claims
            self._front()
        elif books.faults & ~self._faults:
            self._turn(1, _PAGE_MS)  # the first of the faults
        elif over:
            self._turn(self._page + 1, _PAGE_MS)
        self._faults = books.faults
        if self._page >= pages.count(books):
            self._page = 0
        if claims and not self._key:
            return pages.off(books, time.ticks_diff(time.ticks_ms(), 0) // _TURN_MS)
        return pages.page(books, self._page)

    async def _refresh(self):
        books = self._books
        self._drawn = time.ticks_ms()
        rows = self._rows()
        if await self._display_ready():
            try:
                self._lcd.show(rows)
            except BusError:
                self._start_at = None  # one disturbed transfer is no fault: started anew, or named, at the next wake
        if books.ready and books.alarm != self._alarm:
            begins = self._alarm == 0
            self._alarm = books.alarm
            if begins:
                self._buzzer(1)
                await asyncio.sleep_ms(_BEEP_MS)
                self._buzzer(0)

    async def _display_ready(self):
        books = self._books
        lcd = self._lcd
        relay = books.s.relay_closed
        if self._start_at is not None and (relay == self._relay or not lcd.ready) and _left_ms(self._start_at) > 0:
            return lcd.ready
        self._relay = relay
        try:
            await lcd.start()
        except BusError:
            pass
        self._start_at = time.ticks_add(time.ticks_ms(), _RESTART_MS if lcd.ready else _RETRY_MS)
        # There is no event log before the ledger has been read; a display still missing is named then.
        if books.ready:
            books.fault(FAULT_DISPLAY, not lcd.ready)
        return lcd.ready

    # -- LED --------------------------------------------------------------------------------------

    def _blink(self, ticked):
        """Next LED phase; gives how long it lasts in ms."""
        books = self._books
        phases = 0
        if books.ready:
            phases = _FAST if books.s.claims else _SLOW if books.alarm else 0
        # Every tick begins with the LED on, and ends the last phase: blinking needs no wake for that edge.
        self._phase = 0 if ticked or self._phase >= phases - 1 else self._phase + 1
        lit = 1 if phases and not self._phase & 1 else 0
        if lit != self._lit:
            self._lit = lit
            self._led(lit)
        return 1000 // phases if self._phase < phases - 1 else _IDLE_MS


def _left_ms(deadline):
    return time.ticks_diff(deadline, time.ticks_ms())
