# SPDX-License-Identifier: Apache-2.0
"""`make sim` with options that cannot be: a sentence each, and no meter is started."""

import contextlib
import socket
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from host_tests.bench.page import sim
from host_tests.bench.run.session import Bench
from scripts.chips.desfire import DesfireCard


def command(*words):
    app = typer.Typer()
    app.command()(sim.main)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--port", "99999"), "port 99999 is none: 1 to 65535"),
        (("--port", "65536"), "port 65536 is none"),
        (("--port", "-1"), "port -1 is none"),
        (("--warp", "-1"), "-1 times real time is not possible"),
        (("--warp", "9" * 15), "times real time is not possible"),
        (("--seconds", "nan"), "nan s is no time to run"),
        (("--seconds", "inf"), "inf s is no time"),
        (("--seconds", "-1"), "-1.0 s is no time"),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_a_meter_runs(monkeypatch, words, why):
    monkeypatch.setattr(sim, "LiveBench", lambda **_: pytest.fail("a meter was started"))
    done = command(*words)
    assert done.exit_code == 1 and why in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_said_and_the_meter_is_unplugged_again(monkeypatch):
    closed = []

    class Bench:
        def __init__(self, **_):
            pass

        def close(self):
            closed.append(True)

    monkeypatch.setattr(sim, "LiveBench", Bench)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
        done = command("--port", other.getsockname()[1])
    assert done.exit_code == 1 and "cannot be used (Address" in done.stderr and "PORT=8090" in done.stderr
    assert closed == [True]


@pytest.mark.parametrize("amount", ["1e99999999", "NaN", "1_0", "", "\u0661", "-5", "9" * 20, "1.0000001"])
def test_an_amount_typed_on_the_page_that_is_none_is_refused_at_once(amount):
    desk = SimpleNamespace(card=None, deck=SimpleNamespace(card=lambda _: DesfireCard(b"\x04" + bytes(6))))
    with pytest.raises(ValueError, match=r"An amount like 20\.00 is needed"):
        Bench.sell(desk, "good", amount)
