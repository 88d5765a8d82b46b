# SPDX-License-Identifier: Apache-2.0
"""The bench's page in a real browser: every control, the display dot by dot, the plot, losing the bench.

The source here is the paper meter of page/demo.py, so that what is tested is the page and its server alone.
"""

import shutil
from urllib.parse import urlsplit

import pytest

from host_tests.bench.page.demo import PaperMeter
from host_tests.bench.page.server import serve
from host_tests.bench.plant.faults import FAULTS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.live
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

# The display's grid: margin of 4 dots, a cell every 6 dots across and every 9 down. Reads the darkness of
# every dot of one cell as 8 strings of 5.
READ_CELL = """([row, column]) => {
  const canvas = document.getElementById("lcd"), pitch = canvas.width / 127;
  const paint = canvas.getContext("2d"), rows = [];
  for (let y = 0; y < 8; y++) {
    let line = "";
    for (let x = 0; x < 5; x++) {
      const middle = (grid) => Math.floor((grid + 0.4) * pitch);
      const [r, g, b] = paint.getImageData(middle(4 + column * 6 + x), middle(4 + row * 9 + y), 1, 1).data;
      line += r + g + b < 200 ? "#" : ".";
    }
    rows.push(line);
  }
  return rows;
}"""
DARK = ["....."] * 8
LCD_CORNER = "document.getElementById('lcd').getContext('2d').getImageData(9, 9, 1, 1).data.join()"
# How many pixels of the plot have the colour that the style sheet calls by this name.
COUNT_INK = """(name) => {
  const canvas = document.getElementById("plot"), probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(canvas).getPropertyValue("--" + name);
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  const { data } = canvas.getContext("2d").getImageData(60, 0, canvas.width - 120, canvas.height - 40);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) count++;
  }
  return count;
}"""


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on PATH: install chromium to test the page")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def meter():
    return PaperMeter()


@pytest.fixture
def server(meter):
    running = serve(meter, port=0)
    yield running
    running.close()


@pytest.fixture
def open_page(browser, server):
    """Opens pages; at the end no script may have failed and nothing may have been fetched from elsewhere."""
    contexts, complaints, fetched = [], [], set()

    def opened(**options):
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(8000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: fetched.add(urlsplit(request.url).netloc))
        page.goto(server.url)
        page.wait_for_selector("html[data-seen=yes]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert fetched == {urlsplit(server.url).netloc}


@pytest.fixture
def page(open_page):
    return open_page()


def sent(page, meter, command):
    """Waits until the source has been given this command."""
    for _ in range(100):
        if command in meter.commands:
            return
        page.wait_for_timeout(30)
    raise AssertionError(f"{command} never came; there came {meter.commands}")


def slide(page, selector, value):
    script = "(node, to) => { node.value = to; node.dispatchEvent(new Event('input', {bubbles: true})); }"
    page.locator(selector).evaluate(script, value)


def points(page, least):
    page.wait_for_function("(n) => document.getElementById('plot').dataset.points >= n", arg=least)


def appliances_on(page, count):
    pressed = "document.querySelectorAll('#appliances [aria-pressed=true]').length"
    page.wait_for_function(f"(n) => {pressed} === n", arg=count)


def cell_becomes(page, cell, rows):
    """The display has faded to these dots at this (row, column)."""
    page.wait_for_function(f"(rows) => ({READ_CELL})({cell}).join() === rows", arg=",".join(rows))


SWITCHES = [("plug", "in", True), ("cover", "open", False), ("magnet", "on", False)]


@pytest.mark.parametrize(("name", "field", "at_first"), SWITCHES)
def test_a_switch_sends_its_command_and_is_shown_as_the_source_has_it(page, meter, name, field, at_first):
    switch = page.locator(f"#{name}")
    for value, act in ((not at_first, switch.click), (at_first, lambda: switch.press("Enter"))):
        act()
        sent(page, meter, {"cmd": name, field: value})
        page.wait_for_selector(f"#{name}[aria-checked={str(value).lower()}]")


def test_sliders_send_load_power_factor_and_voltage(page, meter):
    slide(page, "#load", 1000)
    sent(page, meter, {"cmd": "load", "w": 12_000, "pf_milli": 950})
    slide(page, "#load", 0)
    sent(page, meter, {"cmd": "load", "w": 0, "pf_milli": 950})
    slide(page, "#pf", 50)
    sent(page, meter, {"cmd": "load", "w": 0, "pf_milli": 500})
    slide(page, "#volt", 280)
    sent(page, meter, {"cmd": "voltage", "v": 280})
    page.locator("#volt").press("ArrowLeft")
    sent(page, meter, {"cmd": "voltage", "v": 279})


def test_a_second_control_keeps_what_the_first_has_just_asked(page, meter):
    page.evaluate("""() => {
        for (const [id, value] of [["load", 1000], ["pf", 50]]) {
            const node = document.getElementById(id);
            node.value = value;
            node.dispatchEvent(new Event("input", {bubbles: true}));
        }
    }""")
    sent(page, meter, {"cmd": "load", "w": 12_000, "pf_milli": 500})


def test_appliances_pressed_in_one_breath_add_up(page, meter):
    page.locator("#appliances .chip").evaluate_all("(chips) => chips.slice(1, 4).forEach((chip) => chip.click())")
    sent(page, meter, {"cmd": "load", "w": 11_700, "pf_milli": 996})


def test_appliances_add_up_and_show_which_are_on(page, meter):
    chips = page.locator("#appliances")
    chips.get_by_role("button", name="Kettle").click()
    sent(page, meter, {"cmd": "load", "w": 2000, "pf_milli": 1000})
    appliances_on(page, 1)
    chips.get_by_role("button", name="EV").click()
    appliances_on(page, 2)
    assert meter.load_w == 9200
    chips.get_by_role("button", name="Kettle").click()
    appliances_on(page, 1)
    assert (meter.load_w, meter.pf_milli) == (7200, 990)


@pytest.mark.parametrize(("words", "x"), [("10×", 10), ("3600×", 3600), ("max", 0)])
def test_the_speed_of_time_is_chosen_and_the_actual_factor_shown(page, meter, words, x):
    page.get_by_text(words, exact=True).click()
    sent(page, meter, {"cmd": "warp", "x": x})
    page.wait_for_function("() => parseFloat(document.getElementById('warp-actual').textContent) > 2")


@pytest.mark.parametrize("how", ["mouse", "keyboard", "touch"])
def test_the_button_is_down_for_as_long_as_it_is_held(open_page, meter, how):
    page = open_page(has_touch=how == "touch")
    push = page.locator("#push")
    box = push.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    if how == "mouse":
        page.mouse.move(x, y)
        page.mouse.down()
    elif how == "keyboard":
        push.focus()
        page.keyboard.down("Space")
        page.keyboard.down("Space")  # the key repeats while it is held; the button does not
    else:
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    sent(page, meter, {"cmd": "button", "down": True})
    page.wait_for_timeout(300)
    assert meter.commands == [{"cmd": "button", "down": True}]
    if how == "mouse":
        page.mouse.move(5, 5)
        page.mouse.up()
    elif how == "keyboard":
        page.keyboard.up("Space")
    else:
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    sent(page, meter, {"cmd": "button", "down": False})
    assert len(meter.commands) == 2


def test_a_card_is_pressed_into_the_slot_and_out_again(page, meter):
    page.locator("#tray .card", has_text="Household").press("Enter")
    sent(page, meter, {"cmd": "card", "id": "home"})
    page.locator("#slot .card").click()
    sent(page, meter, {"cmd": "card", "id": None})
    page.wait_for_selector("#slot[data-full=false]")


def test_a_card_is_dragged_into_the_slot_and_out_but_not_beside_it(page, meter):
    card = page.locator("#tray .card", has_text="Neighbour")
    card.drag_to(page.locator("#plot"))
    assert meter.commands == []
    card.drag_to(page.locator("#slot"))
    sent(page, meter, {"cmd": "card", "id": "foreign"})
    page.locator("#slot .card").drag_to(page.locator("#plot"))
    sent(page, meter, {"cmd": "card", "id": None})


def test_a_sale_is_confirmed_and_waits_on_the_card(page, meter):
    page.get_by_role("button", name="Amount 50.00").click()
    page.locator("#vend-card").select_option("spare")
    page.get_by_role("button", name="Sell").click()
    sent(page, meter, {"cmd": "sell", "id": "spare", "amount": "50.00"})
    page.wait_for_selector("text=Sold 50.00 EUR onto “Spare card”.")
    assert page.locator("#tray .card", has_text="Spare card").locator("em").inner_text() == "+50.00"


def test_a_refusal_is_shown_in_the_bench_s_words(page, meter):
    page.locator("#amount").fill("1000")
    page.get_by_role("button", name="Sell").click()
    page.wait_for_selector(".toast >> text=One sale is from 0.01 to 500.00.")
    assert meter.cards["home"]["pending_micro"] == 0


def test_a_fault_is_chosen_counted_and_taken_back(page, meter):
    page.get_by_role("tab", name="Faults").click()
    page.get_by_label("Clock DS3231").select_option("stopped")
    sent(page, meter, {"cmd": "fault", "part": "rtc", "mode": "stopped"})
    page.wait_for_selector("#fault-count >> text=1")
    page.wait_for_selector("#clock-date >> text=Clock not set")
    page.get_by_label("Clock DS3231").select_option("none")
    sent(page, meter, {"cmd": "fault", "part": "rtc", "mode": "none"})
    page.locator("#fault-count").wait_for(state="hidden")


def test_every_fault_of_the_bench_can_be_chosen_by_a_name_of_its_own(page):
    page.get_by_role("tab", name="Faults").click()
    menus = page.locator("#pane-faults select")
    read = "(all) => all.map((option) => [option.value, option.textContent])"
    offered = [dict(menu.locator("option").evaluate_all(read)) for menu in menus.all()]
    assert [tuple(modes) for modes in offered] == list(FAULTS.values())
    for modes in offered:
        assert len(set(modes.values())) == len(modes) and not {"", "undefined"} & set(modes.values())


def test_the_display_shows_rom_and_loaded_characters_dot_by_dot(page, meter):
    board = ["#.#.#", ".#.#.", "#...#", "#####", "..#..", "....#", "#....", "##.##"]
    saved = meter.snapshot

    def snapshot():
        s = saved()
        cgram = [[0] * 8 for _ in range(8)]
        cgram[5] = [int(row.replace("#", "1").replace(".", "0"), 2) for row in board]
        s["lcd"] = {"on": True, "backlight": True, "cgram": cgram, "cells": [[32] * 20 for _ in range(4)]}
        s["lcd"]["cells"][0][0], s["lcd"]["cells"][2][7], s["lcd"]["cells"][3][19] = ord("R"), 13, 5
        return s

    meter.snapshot = snapshot
    r = ["####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#", "....."]
    cell_becomes(page, [0, 0], r)
    cell_becomes(page, [2, 7], board)  # 8 to 15 are 0 to 7 once more
    cell_becomes(page, [3, 19], board)
    cell_becomes(page, [1, 3], DARK)


def test_the_display_is_read_out_and_goes_dark_with_the_mains(page, meter):
    assert "Credit" in page.locator("#lcd-text").inner_text()
    cell_becomes(page, [1, 0], [".###.", "#...#", "#....", "#....", "#....", "#...#", ".###.", "....."])
    lit = page.evaluate(LCD_CORNER)
    page.locator("#plug").click()
    page.wait_for_selector("#verdict >> text=No mains")
    cell_becomes(page, [1, 0], DARK)
    assert page.evaluate(LCD_CORNER) != lit
    assert page.locator("#lcd-text").inner_text() == "The display is off."


def test_every_printable_character_has_its_own_drawing(page):
    same = page.evaluate("""async () => {
      const { glyph } = await import("./font.js");
      const seen = new Map(), same = [];
      for (let code = 0x20; code < 0x80; code++) {
        const drawing = glyph(code, []).join();
        if (glyph(code, []).filter((row) => row >= 0 && row < 32).length !== 8) same.push(code);
        if (seen.has(drawing)) same.push([seen.get(drawing), code]);
        seen.set(drawing, code);
      }
      return same;
    }""")
    assert same == []


def test_an_overload_is_told_in_words_and_ended_with_the_card(page, meter):
    slide(page, "#load", 1000)
    page.get_by_text("60×", exact=True).click()
    page.wait_for_selector("#verdict[data-tone=off] >> text=Load too high: reduce, then insert card")
    page.wait_for_selector("#relay[data-state=open] >> text=Relay open")
    page.wait_for_selector("#house[data-lit=false] >> text=House is dark")
    page.wait_for_selector("#pane-events >> text=Supply off: Load too high")
    page.get_by_role("button", name="All off").click()
    page.locator("#tray .card", has_text="Household").click()
    page.wait_for_selector("#verdict[data-tone=on] >> text=Supply on")
    page.wait_for_selector("#house[data-lit=true]")


def test_the_plot_draws_both_curves_and_keeps_them_over_a_reload(page, meter):
    slide(page, "#load", 800)
    page.get_by_text("600×", exact=True).click()
    points(page, 25)
    assert page.evaluate(COUNT_INK, "power") > 200
    assert page.evaluate(COUNT_INK, "credit") > 200
    page.get_by_text("1×", exact=True).click()
    page.reload()
    points(page, 25)
    page.wait_for_function(f"() => ({COUNT_INK})('power') > 200")


def test_the_plot_tells_a_value_under_the_pointer_and_by_keyboard(page, meter):
    page.get_by_text("60×", exact=True).click()
    points(page, 8)
    page.locator("#plot").hover(position={"x": 300, "y": 60})
    page.wait_for_selector("#plot-tip >> text=/Power 480.W/")
    assert "Tue 14 Jan 2025" in page.locator("#plot-tip").inner_text()
    page.mouse.move(5, 5)
    page.locator("#plot-tip").wait_for(state="hidden")
    page.locator("#plot").press("ArrowLeft")
    page.wait_for_selector("#plot-tip >> text=/Credit 12\\.\\d\\d.EUR/")


def test_the_page_says_when_the_bench_is_gone_and_finds_it_again(browser):
    meter = PaperMeter()
    server = serve(meter, port=0)
    page = browser.new_context(viewport=DESKTOP).new_page()
    page.goto(server.url)
    page.wait_for_selector("html[data-seen=yes]")
    server.close()
    page.wait_for_selector("#gone >> text=The bench is gone")
    page.locator("#cover").click()
    page.wait_for_selector(".toast >> text=not connected")
    again = serve(meter, port=urlsplit(server.url).port or 0)
    try:
        page.locator("#gone").wait_for(state="hidden", timeout=8000)
        page.locator("#cover").click()
        sent(page, meter, {"cmd": "cover", "open": True})
    finally:
        page.context.close()
        again.close()


def test_everything_fits_a_laptop_screen(page):
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    for selector in ("#case", "#plug", "#house", "#plot", "#volt", "#sell", "#tabs", "#warp"):
        box = page.locator(selector).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= DESKTOP["width"], selector
        assert box["y"] >= 0 and box["y"] + box["height"] <= DESKTOP["height"], selector


def test_a_phone_shows_the_whole_display_without_sideways_scrolling(open_page):
    page = open_page(viewport=PHONE, has_touch=True, device_scale_factor=3)
    page.locator("#tray .card", has_text="Spare").tap()
    page.wait_for_selector("#slot .card")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    display = page.locator("#lcd").bounding_box()
    assert display["x"] >= 0 and 270 < display["width"] <= PHONE["width"]


def test_every_control_is_reached_with_the_tab_key_and_has_a_name(page):
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.card || ''"))
    wanted = {"push", "cover", "plug", "magnet", "load", "pf", "volt", "home", "amount", "vend-card", "sell"}
    assert wanted | {"plot", "warp-1", "tab-events"} <= reached
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, [role=img]")]
      .filter((node) => !node.labels?.length && !node.ariaLabel && !node.textContent.trim())
      .map((node) => node.outerHTML)""")
    assert nameless == []


def test_dark_and_light_and_calm_are_respected(open_page):
    ground = "getComputedStyle(document.body).backgroundColor"
    shade = ground + ".match(/\\d+/g).map(Number).reduce((a, b) => a + b)"
    assert open_page(color_scheme="light").evaluate(shade) > 600
    dark = open_page(color_scheme="dark", reduced_motion="reduce")
    assert dark.evaluate(shade) < 120
    dark.locator("#cover").click()
    dark.wait_for_selector("#cover[aria-checked=true]")
    assert dark.evaluate("document.getAnimations().length") == 0
