# SPDX-License-Identifier: Apache-2.0
"""`make sim` as a person uses it: the page in a real browser, driving the real meter."""

import threading
import time

import pytest

from host_tests.bench.live import LiveBench
from host_tests.bench.web_server import serve
from host_tests.system.test_page import browser  # noqa: F401  (a fixture)


@pytest.fixture
def live():
    bench = LiveBench(warp=30)
    stop = threading.Event()
    thread = threading.Thread(target=bench.live, args=(stop.is_set,), daemon=True)
    thread.start()
    server = serve(bench, 0)
    yield bench, server
    server.close()
    stop.set()
    thread.join()
    bench.close()


def until(check, seconds=15):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_person_buys_credit_and_restores_supply(live, browser):  # noqa: F811
    bench, server = live
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("html[data-seen=yes]")
    until(lambda: "Credit" in page.inner_text("#lcd-text"))
    before = bench.snapshot()["credit_micro"]
    bench.command({"cmd": "card", "id": "good"})
    until(lambda: bench.snapshot()["credit_micro"] > before + 19_000_000)
    until(lambda: "Remove card" in page.inner_text("#lcd-text"))
    bench.command({"cmd": "card", "id": None})
    bench.command({"cmd": "plug", "in": False})
    until(lambda: "Credit" not in page.inner_text("#lcd-text"))
    bench.command({"cmd": "plug", "in": True})
    until(lambda: "Credit" in page.inner_text("#lcd-text"))
    assert bench.snapshot()["credit_micro"] > before
    page.close()
