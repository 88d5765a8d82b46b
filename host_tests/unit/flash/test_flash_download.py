# SPDX-License-Identifier: Apache-2.0
"""The pinned image from a server of this computer: whole, cut off, wrong, slow, dead. Taken only if it is right."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from host_tests.stands.flash import devkit, noise, pinned
from scripts.board.errors import DownloadError, ImageMismatchError
from scripts.flash import download

IMAGE = noise("image", 200_000)


@pytest.fixture
def server(monkeypatch):
    """server(answer) -> URL; answer(handler) says what comes."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = []

    def make(answer):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                make.asked += 1
                answer(self)

            def log_message(self, format, *args):
                pass

        made.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        made[-1].daemon_threads = True
        made[-1].handle_error = lambda *_: None  # the client hangs up on it, that is the point
        threading.Thread(target=made[-1].serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{made[-1].server_port}/ESP32.bin"

    make.asked = 0
    yield make
    for one in made:
        one.shutdown()
        one.server_close()


def sends(content, length=None, code=200, pause_s=0.0):
    def answer(handler):
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        for at in range(0, len(content), 20_000):
            handler.wfile.write(content[at : at + 20_000])
            handler.wfile.flush()
            time.sleep(pause_s)

    return answer


def get(url, folder, **kwargs):
    return download.get(pinned(devkit(), IMAGE, url), folder=folder, **kwargs)


def test_the_image_comes_and_is_kept_and_not_fetched_again(server, tmp_path):
    seen = []
    url = server(sends(IMAGE))
    assert get(url, tmp_path, progress=lambda done, total: seen.append((done, total))) == IMAGE
    assert seen[-1] == (len(IMAGE), len(IMAGE)) and seen == sorted(seen)
    assert get(url, tmp_path) == IMAGE and server.asked == 1
    assert [p.name for p in tmp_path.iterdir()] == ["ESP32.bin"]


def test_a_kept_image_that_was_damaged_is_fetched_anew(server, tmp_path):
    (tmp_path / "ESP32.bin").write_bytes(IMAGE[:-1])
    assert get(server(sends(IMAGE)), tmp_path) == IMAGE
    assert (tmp_path / "ESP32.bin").read_bytes() == IMAGE


@pytest.mark.parametrize(
    "answer, reason",
    [
        (sends(IMAGE[:70_000], len(IMAGE)), r"ended after 70,000 of 200,000 bytes, and was thrown away"),
        (sends(IMAGE[:-1] + b"x"), "is not the pinned image: SHA-256 expected [0-9a-f]{64}, found [0-9a-f]{64}"),
        (sends(b"<html>log in first</html>"), "is 25 bytes long, and the pinned image 200,000"),
        (sends(b"gone", code=404), "answers 404"),
        (lambda handler: handler.wfile.write(b"nonsense\r\n\r\n"), "cannot be fetched"),
    ],
    ids=["cut off", "another", "a captive portal", "not found", "not HTTP"],
)
def test_an_answer_that_is_wrong_is_named_and_nothing_is_left_of_it(server, tmp_path, answer, reason):
    with pytest.raises(DownloadError, match=reason) as e:
        get(server(answer), tmp_path)
    assert str(e.value).endswith("say FIRMWARE=file.")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_falls_silent_is_waited_for_no_longer_than_said(server, tmp_path):
    began = time.monotonic()
    with pytest.raises(DownloadError, match="timed out"):
        get(server(sends(IMAGE, pause_s=2)), tmp_path, silence_s=0.3)
    assert time.monotonic() - began < 2


def test_a_download_that_trickles_is_given_up_in_the_end(server, tmp_path):
    with pytest.raises(DownloadError, match=r"of 200,000 bytes after 0 s, and was given up"):
        get(server(sends(IMAGE, pause_s=0.1)), tmp_path, whole_s=0.25)
    assert list(tmp_path.iterdir()) == []


def test_nobody_at_home_is_a_matter_of_the_network(tmp_path):
    with pytest.raises(DownloadError, match=r"cannot be fetched: .*[Rr]efused.*Check the network"):
        get("http://127.0.0.1:9/ESP32.bin", tmp_path)


# -- from a file ----------------------------------------------------------------------------------


def test_the_pinned_image_is_taken_from_a_file_without_a_network(tmp_path):
    (tmp_path / "mine.bin").write_bytes(IMAGE)
    assert get("http://127.0.0.1:9/x", tmp_path, file=tmp_path / "mine.bin") == IMAGE


def test_another_file_is_taken_at_ones_own_risk_only(tmp_path):
    path = tmp_path / "mine.bin"
    path.write_bytes(IMAGE + b"x")
    with pytest.raises(ImageMismatchError) as e:
        get("http://127.0.0.1:9/x", tmp_path, file=path)
    assert download.digest(IMAGE) in str(e.value) and download.digest(IMAGE + b"x") in str(e.value)
    assert get("http://127.0.0.1:9/x", tmp_path, file=path, any_image=True) == IMAGE + b"x"


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(DownloadError, match=r"none\.bin: it cannot be read: No such file"):
        get("http://127.0.0.1:9/x", tmp_path, file=tmp_path / "none.bin")
