# SPDX-License-Identifier: Apache-2.0
"""`make sim` as a person uses it: the page in a real browser, driving the real meter."""

import threading
import time

import pytest
import typer
from typer.testing import CliRunner

from host_tests.bench.cards import cards
from host_tests.bench.page import sim
from host_tests.bench.page.live import LiveBench
from host_tests.bench.page.server import serve
from host_tests.system.test_page import browser  # noqa: F401  (a fixture)
from scripts.chips.card_file import CardFile

pytestmark = pytest.mark.live


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


def command(*words):
    app = typer.Typer()
    app.command()(sim.main)
    return CliRunner().invoke(app, ["--port", "0", *words])


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


def test_the_command_serves_its_page_and_ends_when_told(tmp_path):
    cards.personalise(CardFile(tmp_path / "card.json"), "PW00000001")
    result = command("--seconds", "0.2", "--card", str(tmp_path / "card.json"))
    assert result.exit_code == 0 and "http://127.0.0.1:" in result.output


@pytest.mark.parametrize(("content", "says"), [(None, "no such file"), ("[]", "not a JSON object"), ("{", "Expecting")])
def test_a_card_that_is_none_is_named_and_nothing_runs(tmp_path, content, says):
    path = tmp_path / "card.json"
    if content is not None:
        path.write_text(content)
    result = command("--card", str(path))
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "card.json" in said.replace(" ", "") and says in said
    assert "http:" not in said
