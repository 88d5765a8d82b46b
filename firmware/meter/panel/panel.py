# SPDX-License-Identifier: Apache-2.0
"""The panel: owns display, button, alarm LED and buzzer.

Wakes once a second with the books' tick, twice while the LED blinks slowly, and at once for a key or say().
What is shown: turns.py. A page stays for 6 s, one that a key chose for 20 s. The LED blinks fast while supply is off,
slowly in alarm 1 or worse, and then the buzzer sounds once when it begins.
The balance, power and clock are drawn at every tick. The other pages are loaded from flash for it. Those that turn are
drawn together when the first of them turns up, and at the tick after claims, latches, faults, alarm or purchases have
changed. A reason, and what a key has chosen, is drawn again every 4 s while it stays.
The display cannot be read back, so all of it is written again after the relay has switched (the dip can cost it its
4-bit sync) and every 45 s, from its first nibble on: what a wrong bit on its wires or a dip of its supply has done is
seen for less than a minute.
"""

import asyncio
import time

from micropython import const

from meter.core.codes import FAULT_DISPLAY
from meter.core.errors import BusError
from meter.panel import loaded, order, pages, turns
from meter.panel.text import fit

_PAGE_MS = const(5700)  # 6 s, for ticks that come a little early
_KEY_HOLD_MS = const(20_000)
_STALE_MS = const(3700)  # 4 s: a page that is loaded, and the next of several reasons
_DEBOUNCE_MS = const(30)
_BEEP_MS = const(200)
_IDLE_MS = const(1500)  # longer than a tick: ends a wait only when metering stands still
_RETRY_MS = const(10_000)
_RESTART_MS = const(45_000)
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
        self._wake = books.ticked  # ours alone to wait on; keys, say() and the supervisor set it, too
        self._edge = self._down = False
        self.said = None  # the rows of say(), as long as they stand
        self._drawn = 0
        self._start_at = None  # when the display is to be started again; None: now
        self._relay = None
        self._claims = self._faults = 0
        self._alarm = None
        self._news = None  # what the page shown was drawn for, if it was loaded
        self._stale_at = self._reason = 0
        self._ahead: list = []  # what the pages ahead were drawn for, then their numbers and texts
        self._phase = self._lit = 0
        self._turn(0)

    def say(self, lines, hold_ms: int) -> None:
        """Show 4 lines instead of the pages for hold_ms or until unsay()."""
        self._turn(0, hold_ms)
        self.said = tuple(map(fit, lines))
        self._wake.set()

    def unsay(self) -> None:
        """Back to the pages, the balance first."""
        self.said = None
        self._turn(0)
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
                if ticked or self.said or not 0 <= -_left_ms(self._drawn) < _IDLE_MS:
                    await self._refresh()
                timeout_ms = self._blink(ticked)
                if self.said:
                    timeout_ms = max(1, min(timeout_ms, _left_ms(self._until)))
                ticked = True
                if timeout_ms == _IDLE_MS:
                    # A timeout would be a twentieth of a tick's work. Without ticks, the supervisor sets the flag.
                    await self._wake.wait()
                    for _ in range(3):
                        await asyncio.sleep_ms(0)  # the same tick may have woken the guard: the relay goes first
                else:
                    try:
                        await asyncio.wait_for_ms(self._wake.wait(), timeout_ms)
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
        if down and books.ready and not self.said:
            if books.s.claims:
                books.button()
            self._turn(self._page + 1, _KEY_HOLD_MS)

    # -- pages ------------------------------------------------------------------------------------

    def _turn(self, page, for_ms=_PAGE_MS):
        self._page = page
        self._key = for_ms == _KEY_HOLD_MS
        self._until = time.ticks_add(time.ticks_ms(), for_ms)

    def _choose(self):
        """Turn to the page that turns.py says; return its number."""
        books = self._books
        claims = books.s.claims
        if self.said and _left_ms(self._until) <= 0:
            self.said = None
            self._turn(0)
        turn = turns.turn(
            bool(self.said) * turns.SAID
            | (not (books.ready and (claims or books.faults or books.sample or books.utc_s))) * turns.UNKNOWN
            | (claims != self._claims) * turns.CHANGED
            | self._key * turns.KEY
            | (_left_ms(self._until) <= 0) * turns.OVER
            | bool(claims or books.alarm) * turns.PINNED
            | bool(books.faults & ~self._faults) * turns.WORSE
        )
        if turn == turns.SAY:
            return order.SAYING
        if turn > turns.STAY:
            self._turn(0 if turn <= turns.FRONT else self._page + 1 if turn == turns.NEXT else order.FAULTS)
        if turn == turns.START:
            return order.STARTING
        self._claims = claims
        self._faults = books.faults
        if self._page > order.STATUS:
            self._page = 0
        return order.OFF if claims and not self._key else self._page

    def _rows(self):
        """What is to be shown; None: what is shown already."""
        books = self._books
        s = books.s
        page = self._choose()
        news = [0, s.claims, s.latches, s.purchase_count, books.faults, books.alarm]
        ahead = self._ahead
        text = ""
        if page == 0:
            ahead.clear()
        elif page > 0 and not self._key and not books.faults >> page - order.FAULTS:
            page = max(page, order.ENERGY)
            while len(ahead) > 1 and ahead[1] < page:
                del ahead[1:3]
            if len(ahead) < 3 or ahead[0] != news:
                ahead: list = [news]
                self._ahead = ahead
                ahead.extend(loaded.ahead(books, page))
            self._page = page = ahead[1]
            text = ahead[2]
        rows = self.said if page == order.SAYING else pages.live(books, page)
        if rows:
            self._news = None
            return rows
        news = [page] + news[1:]
        if text:
            if news == self._news:
                return None
            self._news = news
            return [text[i : i + 20] for i in range(0, 80, 20)]
        if news != self._news:
            self._reason = 0
        elif _left_ms(self._stale_at) > 0:
            return None
        else:
            self._reason += 1
        news[0], rows = loaded.page(books, page, self._reason)
        self._news = news
        if page > 0:
            self._page = news[0]
        self._stale_at = time.ticks_add(time.ticks_ms(), _STALE_MS)
        return rows

    async def _refresh(self):
        books = self._books
        lcd = self._lcd
        self._drawn = time.ticks_ms()
        relay = books.s.relay_closed
        if self._start_at is None or (relay != self._relay and lcd.ready) or _left_ms(self._start_at) <= 0:
            self._relay = relay
            kept = lcd.ready
            try:
                await lcd.start(kept)
            except BusError:
                pass
            if not kept:
                self._news = None
            self._start_at = time.ticks_add(time.ticks_ms(), _RESTART_MS if lcd.ready else _RETRY_MS)
            # There is no event log before the ledger has been read; a display still missing is named then.
            if books.ready:
                books.fault(FAULT_DISPLAY, not lcd.ready)
        rows = self._rows()
        if rows and lcd.ready:
            try:
                lcd.show(rows)
            except BusError:
                self._start_at = None  # one disturbed transfer is no fault: started again, or named, at the next wake
        if books.ready and books.alarm != self._alarm:
            begins = self._alarm == 0
            self._alarm = books.alarm
            if begins:
                self._buzzer(1)
                await asyncio.sleep_ms(_BEEP_MS)
                self._buzzer(0)

    # -- LED --------------------------------------------------------------------------------------

    def _blink(self, ticked):
        """Next LED phase; return how long it lasts in ms."""
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
