# SPDX-License-Identifier: Apache-2.0
"""The page's server without a browser: who may talk to it, what it lets through, what it remembers."""

import base64
import http.client
import itertools
import json
import os
import socket
import time
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tests.bench.page.commands import checked
from host_tests.bench.page.demo import PaperMeter
from host_tests.bench.page.history import CREDIT, HIGH, LOW, History, T
from host_tests.bench.page.server import serve


class RawSocket:
    """As little of a WebSocket client as a test needs, in plain bytes."""

    def __init__(self, url, origin=None, host=None):
        parts = urlsplit(url)
        self.sock = socket.create_connection((parts.hostname, parts.port), timeout=5)
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            "GET /socket HTTP/1.1",
            f"Host: {host or parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        ]
        if origin:
            head.append(f"Origin: {origin}")
        self.sock.sendall("\r\n".join([*head, "", ""]).encode())
        self.stream = self.sock.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        while self.stream.readline().strip():
            pass

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        head = bytes([0x81, 0x80 | min(len(data), 126)])
        if len(data) >= 126:
            head += len(data).to_bytes(2, "big")
        mask = os.urandom(4)
        self.sock.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        length = self.stream.read(2)[1]
        if length >= 126:
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        return json.loads(self.stream.read(length))

    def receive_type(self, *types):
        while True:
            message = self.receive()
            if message["type"] in types:
                return message

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()
        self.sock.close()


@pytest.fixture
def meter():
    return PaperMeter()


@pytest.fixture
def server(meter):
    running = serve(meter, port=0)
    yield running
    running.close()


@pytest.fixture
def page(server):
    with RawSocket(server.url) as client:
        assert client.status == 101
        yield client


def fetch(server, path, **headers):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def socket_status(server, **names):
    with RawSocket(server.url, **names) as client:
        return client.status


def until(condition):
    limit = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < limit, "waited five seconds in vain"
        time.sleep(0.01)


def test_listens_on_the_loopback_only(server):
    assert urlsplit(server.url).hostname == "127.0.0.1"
    assert fetch(server, "/")[0] == 200


@pytest.mark.parametrize("host", ["pennywatt.example", "127.0.0.1.example", "a@localhost", "10.0.0.7:8080"])
def test_a_foreign_host_name_gets_nothing_even_when_it_resolves_to_this_machine(server, host):
    assert fetch(server, "/", Host=host)[0] == 403
    assert socket_status(server, host=host) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1"])
def test_a_page_from_anywhere_else_cannot_open_the_socket(server, meter, origin):
    assert socket_status(server, origin=origin) == 403
    assert meter.commands == []


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_its_own_page_may_by_every_loopback_name(server, name):
    here = f"{name}:{urlsplit(server.url).port}"
    assert socket_status(server, origin=f"http://{here}", host=here) == 101


@pytest.mark.parametrize("path", ["/../web_server.py", "/..%2fweb_server.py", "/web_server.py", "/.", "/app"])
def test_serves_only_the_files_of_the_page(server, path):
    assert fetch(server, path)[0] == 404


def test_a_new_page_gets_the_history_first_and_then_snapshots(page):
    assert page.receive()["type"] == "history"
    assert page.receive_type("snapshot")["s"]["lcd"]["cells"][1][:6] == [ord(letter) for letter in "Credit"]


def test_a_command_reaches_the_source_and_changes_the_next_snapshots(page, meter):
    page.send({"cmd": "load", "w": 3300, "pf_milli": 900})
    page.receive_type("done")
    assert page.receive_type("snapshot")["s"]["load_w"] == 3300
    assert meter.commands == [{"cmd": "load", "w": 3300, "pf_milli": 900}]


def test_the_source_s_refusal_is_passed_on_in_its_words(page, meter):
    page.send({"cmd": "sell", "id": "foreign", "amount": "20.00"})
    assert page.receive_type("refused")["text"] == "This card is not registered at this vending desk."
    assert meter.cards["foreign"]["pending_micro"] == 0


def test_a_button_held_by_a_page_that_goes_away_is_let_go(server, meter):
    with RawSocket(server.url) as page:
        page.send({"cmd": "button", "down": True})
        page.receive_type("done")
    until(lambda: meter.commands[-1] == {"cmd": "button", "down": False})


def test_garbage_on_one_socket_leaves_the_others_alone(server, page):
    with RawSocket(server.url) as other:
        other.send(b"\xff\xfe not text")
        other.sock.sendall(b"\x00" * 40)
    page.send({"cmd": "voltage", "v": 210})
    assert page.receive_type("done", "refused")["type"] == "done"


def test_a_source_that_fails_is_reported_and_forgiven_when_it_recovers(page, meter):
    meter.snapshot, working = lambda: 1 // 0, meter.snapshot
    assert "no figures" in page.receive_type("trouble")["text"]
    meter.snapshot = working
    page.receive_type("snapshot")


def test_closing_twice_is_harmless_and_frees_the_port(meter):
    first = serve(meter, port=0)
    port = urlsplit(first.url).port or 0
    with pytest.raises(OSError):
        serve(meter, port=port)
    first.close()
    first.close()
    serve(meter, port=port).close()


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        '{"cmd": "format_disk"}',
        '{"cmd": ["load"]}',
        '{"cmd": "load", "w": 100}',
        '{"cmd": "load", "w": true, "pf_milli": 1000}',
        '{"cmd": "load", "w": 12001, "pf_milli": 1000}',
        '{"cmd": "load", "w": 1e3, "pf_milli": 1000}',
        '{"cmd": "voltage", "v": 149}',
        '{"cmd": "plug", "in": 1}',
        '{"cmd": "warp", "x": 7}',
        '{"cmd": "warp", "x": true}',
        '{"cmd": "sell", "id": "home", "amount": 20}',
        '{"cmd": "fault", "part": "relay", "mode": "noise"}',
        '{"cmd": "fault", "part": "cpu", "mode": "none"}',
        '{"cmd": ' + "[" * 200_000,
    ],
)
def test_a_command_that_is_not_in_the_list_never_reaches_the_source(message):
    with pytest.raises(ValueError):
        checked(message)


def test_fields_nobody_declared_are_left_behind():
    assert checked('{"cmd": "card", "id": null, "then": "rm"}') == {"cmd": "card", "id": None}


def sample(sim_s, power_w=100.0, credit_micro=0, closed=True):
    return {"sim_s": sim_s, "phase_power_w": power_w, "credit_micro": credit_micro, "powered": True,
            "relay": {"closed": closed}}  # fmt: skip


STEP = st.tuples(st.floats(0.01, 5000), st.floats(0, 12_000), st.booleans())


@given(st.lists(STEP, min_size=1, max_size=400))
def test_the_history_is_bounded_in_order_and_loses_no_peak(steps):
    history, now_s = History(limit=60), 0.0
    for step_s, power_w, closed in steps:
        now_s += step_s
        history.add(sample(now_s, power_w, round(now_s), closed))
    points = history.points
    assert len(points) <= 60
    assert all(a[T] < b[T] for a, b in itertools.pairwise(points))
    booked = [power_w for _, power_w, _ in steps[: len(steps) - len(history._pending)]]
    assert max(point[HIGH] for point in points) == max(booked)
    assert min(point[LOW] for point in points) == min(booked)


def test_recent_points_stay_fine_while_old_ones_are_merged():
    history = History()
    for second in range(20_000):
        history.add(sample(second, credit_micro=-second))
    ends = [point[T] for point in history.points]
    assert len(ends) < 6000
    assert ends[-60:] == list(range(19_940, 20_000))
    assert max(b - a for a, b in itertools.pairwise(ends)) <= 20_000 / 200
    assert all(point[CREDIT] == -point[T] for point in history.points)


def test_time_that_starts_again_starts_a_new_history():
    history = History()
    history.add(sample(500.0))
    history.add(sample(2.0))
    assert [point[T] for point in history.points] == [2.0]
    assert history.thinned
