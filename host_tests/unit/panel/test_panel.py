# SPDX-License-Identifier: Apache-2.0
"""The panel in virtual time: what glass, LED and buzzer do when books and button do things."""

import asyncio
import builtins
import importlib
from itertools import pairwise

import pytest
from meter import heap
from meter.core import codes
from meter.drivers.hd44780.lcd import Lcd
from meter.panel import loaded, order, pages, troubles
from meter.panel.panel import Panel

from host_tests.bench.plant.direct import DirectI2C, DirectPin
from host_tests.bench.run.cpython import VirtualTime
from host_tests.stands.panel_books import PanelBooks
from scripts.chips.pcf8574_hd44780 import Hd44780Backpack


class Button(DirectPin):
    reads = 0

    def __call__(self):
        self.reads += 1
        return self.level


class Bench:
    def __init__(self, **settings):
        self.vt = VirtualTime()
        self.chip = Hd44780Backpack()
        self.chip.power_on(0)
        self.i2c = DirectI2C(self.vt, [self.chip])
        self.books = PanelBooks(asyncio.ThreadSafeFlag(), **settings)
        self.button = Button(1)
        self.led_edges, self.buzzer_edges = [], []
        self.led = DirectPin(0, lambda level: self.led_edges.append((self.vt.now_us // 1000, level)))
        self.buzzer = DirectPin(0, lambda level: self.buzzer_edges.append((self.vt.now_us // 1000, level)))
        self.panel = Panel(Lcd(self.i2c), self.books, self.button, self.led, self.buzzer)
        self.wakes = 0
        self.ticking = True

    def run(self, script):
        """Run the panel with a tick a second, and the test's script beside it."""

        async def main():
            tasks = [asyncio.create_task(self.panel.run(self._beat)), asyncio.create_task(self._tick())]
            try:
                await script()
            finally:
                for task in tasks:
                    # CPython 3.11's wait_for loses a cancellation that meets the end of what it waits for.
                    while not task.done():
                        task.cancel()
                        await asyncio.sleep(0)

        self.vt.run(main())
        assert self.chip.violations == []

    async def _tick(self):
        while True:
            await asyncio.sleep_ms(1000)
            if self.ticking:
                self.books.ticked.set()

    def _beat(self):
        self.wakes += 1

    async def press(self, hold_ms=100, bounce=0):
        for _ in range(bounce):
            self.button.drive(0)
            await asyncio.sleep_ms(2)
            self.button.drive(1)
            await asyncio.sleep_ms(2)
        self.button.drive(0)
        await asyncio.sleep_ms(hold_ms)
        for _ in range(bounce):
            self.button.drive(1)
            await asyncio.sleep_ms(2)
            self.button.drive(0)
            await asyncio.sleep_ms(2)
        self.button.drive(1)
        await asyncio.sleep_ms(100)

    def shows(self, rows):
        return self.chip.rows() == list(rows)

    def page(self):
        """Number of the page shown, or None: 0 is the balance, 1 what comes after it ..."""
        place = number = 0
        while number <= order.STATUS:
            rows = pages.live(self.books, number)
            if not rows:
                number, rows = loaded.page(self.books, number)
            if self.shows(rows):
                return place
            place += 1
            number += 1
        return None


@pytest.fixture
def loads(monkeypatch):
    """Numbers of the pages that were loaded to be drawn."""
    numbers = []
    page = loaded.page

    def count(books, n, turn):
        numbers.append(n)
        return page(books, n, turn)

    monkeypatch.setattr(loaded, "page", count)
    ahead = loaded.ahead

    def count_ahead(books, n):
        numbers.append(n)
        return ahead(books, n)

    monkeypatch.setattr(loaded, "ahead", count_ahead)
    return numbers


PAGES = 7  # of a meter without faults, whose month is not known yet


async def seconds(n):
    await asyncio.sleep_ms(n * 1000)


def test_pages_turn_every_six_seconds_and_begin_anew():
    bench = Bench()
    seen = []

    async def script():
        await asyncio.sleep_ms(500)
        for _ in range(9):
            seen.append(bench.page())
            await seconds(6)

    bench.run(script)
    assert seen == [0, 1, 2, 3, 4, 5, 6, 0, 1]


def test_figures_follow_the_tick():
    bench = Bench()

    async def script():
        await seconds(2)
        bench.books.s.credit_micro = 7_770_000
        await asyncio.sleep_ms(1100)
        assert "7.77" in bench.chip.rows()[1]

    bench.run(script)


def test_steady_state_wakes_once_a_second_and_writes_at_most_once_a_second():
    bench = Bench()

    async def script():
        await seconds(2)
        wakes, transfers = bench.wakes, bench.i2c.bus.transfers
        await seconds(60)
        assert 59 <= bench.wakes - wakes <= 60
        # ten page turns may take up to four transfers each
        assert bench.i2c.bus.transfers - transfers <= 60 + 10 * 4

    bench.run(script)


def test_an_unchanged_page_costs_no_transfer():
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        await seconds(2)
        transfers = bench.i2c.bus.transfers
        await seconds(30)
        assert bench.i2c.bus.transfers == transfers

    bench.run(script)


def test_pages_turn_on_while_metering_stands_still():
    bench = Bench()
    bench.ticking = False

    async def script():
        await asyncio.sleep_ms(500)
        first = bench.page()
        for _ in range(4):
            bench.books.ticked.set()  # as the supervisor does
            await seconds(2)
        assert (first, bench.page()) == (0, 1)

    bench.run(script)


# --- pages that are loaded to be drawn ---


def test_in_the_rotation_pages_are_loaded_together_when_the_first_turns_up(loads):
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(500)
        loads.clear()
        await seconds(6 * PAGES)

    bench.run(script)
    assert loads == [order.ENERGY]


def test_without_heap_to_load_pages_the_balance_is_shown_and_the_rotation_goes_on(monkeypatch):
    bench = Bench()

    def starved(books, n):
        raise MemoryError

    async def script():
        await asyncio.sleep_ms(500)
        monkeypatch.setattr(importlib.import_module("meter.panel.figures"), "page", starved)
        monkeypatch.setattr(heap, "_let_go", lambda module: None)  # it would be another module next time
        for _ in range(3):
            assert bench.shows(pages.balance(bench.books))
            await seconds(6)

    bench.run(script)


def test_balance_power_and_clock_are_never_loaded_and_follow_each_tick(loads):
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        await seconds(2)
        loads.clear()
        for kilowatts in range(1, 9):
            bench.books.sample.p_total_mw = kilowatts * 1_000_000
            await seconds(1)
            assert f"{kilowatts}.000 kW" in bench.chip.rows()[3]

    bench.run(script)
    assert loads == []


def test_a_loaded_page_somebody_holds_follows_within_five_seconds_and_no_more_often_than_every_four(loads):
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press()
        loads.clear()
        bench.books.s.import_counts = 777 * 320_000
        await seconds(5)
        assert "777.00 kWh" in bench.chip.rows()[0]
        await seconds(13)

    bench.run(script)
    assert 4 <= len(loads) <= 5


def test_with_supply_off_the_balance_follows_within_five_seconds(loads):
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_NO_CREDIT

    async def script():
        await seconds(2)
        loads.clear()
        for n in range(10):
            bench.books.s.credit_micro = -n * 1_000_000
            await seconds(5)
            assert bench.chip.rows()[3] == "Credit EUR" + f"{-n}.00".rjust(10)

    bench.run(script)
    assert 12 <= len(loads) <= 13


def loan(books):
    books.s.latches = codes.LATCH_REMOTE_READY


def bought(books):
    books.s.purchase_count = 1


def another_reason(books):
    books.s.claims |= codes.CLAIM_TAMPER


def a_fault(books):
    books.faults = codes.FAULT_RELAY


def an_alarm(books):
    books.alarm = 1


@pytest.mark.parametrize("news", [loan, bought, another_reason, a_fault, an_alarm])
def test_what_has_happened_is_shown_at_the_next_tick(news):
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_REMOTE

    async def script():
        await asyncio.sleep_ms(4200)  # drawn at 0 and 4 s
        for _ in range(2):
            news(bench.books)
            bench.books.s.credit_micro = 1_000_000
            await seconds(1)
            assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


def test_a_table_of_three_phases_is_drawn_every_four_seconds_as_long_as_it_stays(loads):
    bench = Bench(phases=3)

    async def script():
        await asyncio.sleep_ms(500)
        await seconds(6 * 4)
        loads.clear()
        bench.books.sample.urms_mv[0] = 199_000
        await seconds(5)
        assert bench.chip.rows()[1].startswith("1 199")

    bench.run(script)
    assert loads == [order.POWER]


def test_a_loaded_page_is_back_at_once_after_a_card_was_spoken_with():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_REMOTE

    async def script():
        await seconds(2)
        bench.panel.say(CARD, 60_000)
        await asyncio.sleep_ms(200)
        bench.panel.unsay()
        await asyncio.sleep_ms(100)
        assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


def test_a_display_that_is_started_anew_has_its_loaded_page_at_once():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_REMOTE

    async def script():
        await asyncio.sleep_ms(5200)  # drawn at 0 and 4 s
        page = bench.chip.rows()
        bench.chip.brown_out(bench.vt.now_us)
        assert not bench.shows(page)
        bench.books.s.relay_closed = 0
        await asyncio.sleep_ms(1250)  # the tick at 6 s, and what a display's start takes
        assert bench.shows(page)

    bench.run(script)


def test_without_the_heap_to_load_pages_the_balance_stays_and_they_are_back_when_there_is_some(monkeypatch):
    bench = Bench()
    real = builtins.__import__

    def load(name, globals=None, locals=None, fromlist=(), level=0):
        if "troubles" in fromlist or "figures" in fromlist:
            raise MemoryError
        return real(name, globals, locals, fromlist, level)

    async def script():
        await asyncio.sleep_ms(500)
        monkeypatch.setattr(builtins, "__import__", load)
        for _ in range(4):
            assert bench.page() == 0
            await seconds(6)
        bench.books.s.claims = codes.CLAIM_REMOTE
        await seconds(2)
        assert bench.page() == 0
        monkeypatch.undo()
        await seconds(4)
        assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


# --- button ---


def test_a_key_steps_one_page_at_once_and_holds_it():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press()
        assert bench.page() == 1
        await bench.press()
        assert bench.page() == 2
        await seconds(18)
        assert bench.page() == 2

    bench.run(script)


def test_twenty_seconds_after_the_last_key_the_balance_returns_and_pages_turn_again():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press()
        await seconds(15)
        await bench.press()
        await seconds(19)
        assert bench.page() == 2
        await seconds(2)
        assert bench.page() == 0
        await seconds(7)
        assert bench.page() == 1

    bench.run(script)


def test_a_bouncing_key_is_one_key():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press(bounce=4)
        assert bench.page() == 1
        await seconds(3)
        assert bench.page() == 1

    bench.run(script)


def test_a_spike_shorter_than_30_ms_is_no_key():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        bench.button.drive(0)
        await asyncio.sleep_ms(5)
        bench.button.drive(1)
        await seconds(2)
        assert bench.page() == 0

    bench.run(script)


def test_the_button_is_not_polled():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press()
        assert bench.button.reads > 0
        bench.button.reads = 0
        await seconds(10)

    bench.run(script)
    assert bench.button.reads == 0


def test_a_key_held_down_steps_once_and_noise_on_it_does_not():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        bench.button.drive(0)
        await seconds(3)
        bench.button.drive(1)
        bench.button.drive(0)
        await seconds(3)
        assert bench.page() == 1
        bench.button.drive(1)
        await seconds(1)
        assert bench.page() == 1

    bench.run(script)


def test_keys_wrap_around_to_the_balance():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        for _ in range(PAGES):
            await bench.press()
        assert bench.page() == 0

    bench.run(script)


# --- alarms ---


def test_alarm_1_pins_the_balance():
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        for _ in range(5):
            await seconds(6)
            assert bench.page() == 0

    bench.run(script)


def test_with_alarm_1_a_key_still_steps_and_the_balance_comes_back():
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        await seconds(2)
        await bench.press()
        assert bench.page() == 1
        await seconds(21)
        assert bench.page() == 0

    bench.run(script)


def test_alarm_1_blinks_once_a_second_with_two_wakes():
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        await seconds(3)
        bench.led_edges.clear()
        wakes = bench.wakes
        await seconds(10)
        assert bench.wakes - wakes <= 20
        assert len(bench.led_edges) == 20
        on = [t for t, level in bench.led_edges if level]
        off = [t for t, level in bench.led_edges if not level]
        assert {t % 1000 for t in on} == {0} and {b - a for a, b in pairwise(on)} == {1000}
        assert all(abs(t - on[0]) % 1000 == 500 for t in off)

    bench.run(script)


def test_blinking_does_not_draw_the_display_more_often_than_it_ticks():
    bench = Bench()
    bench.books.alarm = 1
    frames = []

    async def script():
        await seconds(3)
        show = bench.panel._lcd.show
        bench.panel._lcd.show = lambda rows: frames.append(rows) or show(rows)
        await seconds(10)

    bench.run(script)
    assert 9 <= len(frames) <= 11


def test_the_buzzer_sounds_once_for_200_ms_when_alarm_1_begins():
    bench = Bench()

    async def script():
        await seconds(3)
        assert bench.buzzer_edges == []
        bench.books.alarm = 1
        await seconds(20)
        bench.books.alarm = 2
        await seconds(5)

    bench.run(script)
    (on_ms, on), (off_ms, off) = bench.buzzer_edges
    assert (on, off, off_ms - on_ms) == (1, 0, 200)


def test_the_buzzer_sounds_again_after_credit_was_bought_and_used():
    bench = Bench()

    async def script():
        for alarm in (0, 1, 0, 1):
            bench.books.alarm = alarm
            await seconds(3)

    bench.run(script)
    assert len(bench.buzzer_edges) == 4


def test_a_restart_in_alarm_does_not_sound():
    bench = Bench()
    bench.books.alarm = 1

    async def script():
        await seconds(5)

    bench.run(script)
    assert bench.buzzer_edges == []


def test_without_alarm_the_led_is_dark():
    bench = Bench()

    async def script():
        bench.books.alarm = 1
        await seconds(3)
        bench.books.alarm = 0
        await seconds(2)
        assert bench.led() == 0
        bench.led_edges.clear()
        await seconds(5)
        assert bench.led_edges == []

    bench.run(script)


# --- supply off ---


def test_supply_off_shows_the_reason_and_blinks_fast():
    bench = Bench()

    async def script():
        await seconds(3)
        bench.books.s.claims = codes.CLAIM_NO_CREDIT
        bench.books.alarm = 3
        await seconds(3)
        assert bench.shows(troubles.off(bench.books, 0))
        bench.led_edges.clear()
        await seconds(4)
        assert len(bench.led_edges) == 16

    bench.run(script)


def test_a_trip_interrupts_a_page_somebody_is_looking_at():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        await bench.press()
        bench.books.s.claims = codes.CLAIM_OVERLOAD
        await asyncio.sleep_ms(1100)
        assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


def test_a_key_while_supply_is_off_is_told_to_the_books_and_shows_a_page_for_a_while():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_REMOTE

    async def script():
        await seconds(2)
        await bench.press()
        assert bench.books.buttons == 1
        assert bench.page() == 1
        await seconds(21)
        assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


def test_a_key_while_supply_is_on_is_none_of_the_books_business():
    bench = Bench()

    async def script():
        await seconds(2)
        await bench.press()

    bench.run(script)
    assert bench.books.buttons == 0


def test_several_reasons_take_turns():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_NO_CREDIT | codes.CLAIM_TAMPER
    seen = set()

    async def script():
        for _ in range(12):
            await seconds(1)
            seen.add(bench.chip.rows()[1])

    bench.run(script)
    assert {"Meter is blocked    ", "Credit used up      "} <= seen


def test_the_gravest_reason_is_shown_first_and_each_for_four_seconds():
    bench = Bench()
    shown = []

    async def script():
        await asyncio.sleep_ms(7300)
        bench.books.s.claims = codes.CLAIM_NO_CREDIT | codes.CLAIM_TAMPER
        for _ in range(12):
            await seconds(1)
            shown.append(bench.chip.rows()[1].split()[0])

    bench.run(script)
    assert shown == ["Meter"] * 4 + ["Credit"] * 4 + ["Meter"] * 4


def test_when_supply_comes_back_the_balance_is_shown_first():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_REMINDER

    async def script():
        await seconds(3)
        bench.books.s.claims = 0
        await asyncio.sleep_ms(1100)
        assert bench.page() == 0

    bench.run(script)


# --- the card desk ---

CARD = ("Hello", "card", "", "0123456789012345678901234")


def test_say_shows_at_once_and_until_its_time_is_over():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        bench.panel.say(CARD, 2000)
        await asyncio.sleep_ms(100)
        assert bench.chip.rows() == ["Hello".ljust(20), "card".ljust(20), " " * 20, "01234567890123456789"]
        await asyncio.sleep_ms(1850)
        assert bench.chip.rows()[0] == "Hello".ljust(20)
        await asyncio.sleep_ms(150)
        assert bench.page() == 0
        await seconds(5)
        assert bench.page() == 0
        await seconds(2)
        assert bench.page() == 1

    bench.run(script)


def test_say_goes_before_alarm_and_supply_off():
    bench = Bench()
    bench.books.s.claims = codes.CLAIM_NO_CREDIT
    bench.books.alarm = 3

    async def script():
        await seconds(2)
        bench.panel.say(CARD, 3000)
        await seconds(2)
        assert bench.chip.rows()[0] == "Hello".ljust(20)

    bench.run(script)


def test_unsay_goes_back_to_the_balance_at_once():
    bench = Bench()

    async def script():
        await seconds(8)
        assert bench.page() == 1
        bench.panel.say(CARD, 60_000)
        await asyncio.sleep_ms(300)
        bench.panel.unsay()
        await asyncio.sleep_ms(100)
        assert bench.page() == 0

    bench.run(script)


def test_a_key_does_not_disturb_the_card_dialogue():
    bench = Bench()

    async def script():
        await asyncio.sleep_ms(1200)
        bench.panel.say(CARD, 5000)
        await bench.press()
        assert bench.chip.rows()[0] == "Hello".ljust(20)
        await seconds(5)
        assert bench.page() == 0

    bench.run(script)


# --- faults and starts ---


def test_before_the_ledger_is_read_the_panel_says_starting():
    bench = Bench()
    bench.books.ready = False

    async def script():
        await asyncio.sleep_ms(500)
        assert bench.shows(troubles.starting(bench.books))
        bench.books.ready = True
        await seconds(2)
        assert bench.page() == 0

    bench.run(script)


def test_nothing_is_shown_as_a_figure_before_the_first_tick():
    bench = Bench()
    bench.books.sample = bench.books.utc_s = None

    async def script():
        await seconds(2)
        assert bench.shows(troubles.starting(bench.books))
        bench.books.faults = codes.FAULT_CLOCK
        await seconds(1)
        assert "Clock fault" in bench.chip.rows()[1]

    bench.run(script)


def test_a_new_fault_is_shown_at_once_and_the_pages_go_on_from_there():
    bench = Bench()

    async def script():
        await seconds(8)
        assert bench.page() == 1
        bench.books.faults = codes.FAULT_CARD_READER
        await seconds(1)
        assert bench.shows(troubles.fault_page(bench.books, 3))
        await seconds(6)
        assert bench.page() == 2

    bench.run(script)


def test_a_missing_display_is_a_fault_and_is_tried_every_ten_seconds():
    bench = Bench()
    bench.chip.absent = True

    async def script():
        await seconds(31)
        assert bench.books.fault_edges == [(codes.FAULT_DISPLAY, True)]
        assert bench.i2c.bus.transfers <= 4
        bench.chip.absent = False
        await seconds(11)
        assert bench.books.fault_edges[1:] == [(codes.FAULT_DISPLAY, False)]
        assert bench.page() is not None

    bench.run(script)


def test_a_missing_display_is_not_logged_before_there_is_a_log():
    bench = Bench()
    bench.chip.absent = True
    bench.books.ready = False

    async def script():
        await seconds(15)
        assert bench.books.fault_edges == []
        bench.books.ready = True
        await seconds(11)
        assert bench.books.fault_edges == [(codes.FAULT_DISPLAY, True)]

    bench.run(script)


def test_led_and_buzzer_work_without_a_display():
    bench = Bench()
    bench.chip.absent = True

    async def script():
        await seconds(2)
        bench.books.alarm = 1
        await seconds(5)

    bench.run(script)
    assert len(bench.buzzer_edges) == 2 and len(bench.led_edges) >= 8


def test_one_disturbed_transfer_is_healed_without_a_fault():
    bench = Bench()

    async def script():
        await seconds(2)
        bench.chip.absent = True
        bench.books.s.credit_micro = 1_000_000
        await asyncio.sleep_ms(1000)
        bench.chip.absent = False
        await asyncio.sleep_ms(1000)
        assert bench.page() == 0
        assert bench.books.fault_edges == []

    bench.run(script)


def test_the_display_is_started_anew_when_the_relay_has_switched():
    bench = Bench()

    async def script():
        await seconds(2)
        bench.chip.brown_out(bench.vt.now_us)
        bench.books.s.claims = codes.CLAIM_OVERLOAD
        bench.books.s.relay_closed = 0
        await seconds(2)
        assert bench.shows(troubles.off(bench.books, 0))

    bench.run(script)


# In between two things that are sent; in the middle of the balance; and of the start that mends, 45 s after the first:
# of a byte of it, a glyph, a row, its last byte.
@pytest.mark.parametrize("at_ms", [2_500, 44_100, 45_200])
@pytest.mark.parametrize("dips_after", [0, 1, 2, 3, 4, 5, 8, 11, 12, 19, 100, 301, 302, 480, 600, 640, 690, 700])
def test_a_display_that_browned_out_at_any_moment_is_whole_within_a_minute_and_nobody_pulled_a_plug(at_ms, dips_after):
    bench = Bench()
    bench.books.alarm = 1  # the balance stays

    async def script():
        await asyncio.sleep_ms(at_ms)
        bench.books.s.credit_micro -= 1_110_000
        if dips_after:
            bench.chip.dips_after = dips_after
            while bench.chip.dips_after > 0:
                await asyncio.sleep_ms(100)
                bench.books.s.credit_micro -= 10_000
        else:
            bench.chip.brown_out(bench.vt.now_us)
        assert bench.page() is None
        await seconds(60)
        assert bench.page() == 0 and bench.chip.display_on and bench.chip.backlight
        assert bytes(bench.chip.cgram[:8]) == b"\x02\x04\x08\x1f\x02\x04\x08\x00", "the bolt"

    bench.run(script)


def test_the_panel_still_turns_pages_after_the_tick_counter_has_wrapped():
    bench = Bench()
    bench.vt.now_us = ((1 << 30) - 4_000) * 1000

    async def script():
        await seconds(5)
        seen = {bench.page()}
        for _ in range(5):
            await seconds(6)
            seen.add(bench.page())
        assert len(seen) == 6

    bench.run(script)


@pytest.mark.parametrize("alarm", [0, 1])
def test_a_stopped_panel_leaves_led_and_buzzer_off(alarm):
    bench = Bench()
    bench.books.alarm = alarm

    async def script():
        await asyncio.sleep_ms(1_500)
        bench.books.alarm = 1
        await asyncio.sleep_ms(600)
        assert (bench.led(), bench.buzzer()) == (alarm, 1 - alarm)

    bench.run(script)
    assert bench.led() == 0 and bench.buzzer() == 0 and bench.button.handler is None
