# SPDX-License-Identifier: Apache-2.0
"""The pinned MicroPython image: out of build/firmware, from its publisher, or from a file. Never one that differs.

A download goes to a file of another name, and takes its own only when its SHA-256 is right. Raises DownloadError and
ImageMismatchError.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from scripts.board.errors import DownloadError, ImageMismatchError, LayoutError
from scripts.image.boards import CHIP_IDS, ROOT, Board, Pinned

from ..common import InputError, read_bytes

FOLDER = ROOT / "build" / "firmware"
SILENCE_S = 20  # of the server
WHOLE_S = 600  # for all of it, however it trickles in
_MOST = 16 << 20  # no image is larger than the largest flash
_OFFLINE = "Check the network; or fetch {url} on another computer and say FIRMWARE=file."

Progress = Callable[[int, int], None]


def get(
    board: Board,
    file: Path | None = None,
    any_image: bool = False,
    folder: Path = FOLDER,
    progress: Progress | None = None,
    silence_s: float = SILENCE_S,
    whole_s: float = WHOLE_S,
) -> bytes:
    """The image's bytes. file: instead of a download; any_image: even if it is not the pinned one."""
    pinned = board.micropython
    if file is not None:
        return _from_file(file, board, any_image)
    kept = folder / pinned.url.rpartition("/")[2]
    try:
        content = kept.read_bytes()
        if digest(content) == pinned.sha256:
            return content
    except OSError:
        pass
    folder.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    try:
        _fetch(pinned, part, progress, silence_s, whole_s)
        content = part.read_bytes()
        if digest(content) != pinned.sha256:
            raise DownloadError(
                f"What {pinned.url} gave is not the pinned image: SHA-256 expected {pinned.sha256}, found"
                f" {digest(content)}. Nothing was written. {_remedy(pinned)}"
            )
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return content


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _remedy(pinned: Pinned) -> str:
    return _OFFLINE.format(url=pinned.url)


def _fetch(pinned: Pinned, part: Path, progress: Progress | None, silence_s: float, whole_s: float):
    give_up = time.monotonic() + whole_s
    try:
        with urllib.request.urlopen(pinned.url, timeout=silence_s) as answer, open(part, "wb") as f:
            total = int(answer.headers.get("Content-Length") or pinned.size or 0)
            if (pinned.size and total != pinned.size) or total > _MOST:
                raise DownloadError(
                    f"{pinned.url} is {total:,} bytes long, and the pinned image {pinned.size:,}. Nothing was written."
                    f" {_remedy(pinned)}"
                )
            done = 0
            while data := answer.read1(65536):
                f.write(data)
                done += len(data)
                if progress:
                    progress(done, max(total, done))
                if done > _MOST or time.monotonic() > give_up:
                    raise DownloadError(
                        f"The download of {pinned.url} had {done:,} of {total:,} bytes after {whole_s:.0f} s, and was"
                        f" given up. {_remedy(pinned)}"
                    )
            if total and done < total:
                raise DownloadError(
                    f"The download of {pinned.url} ended after {done:,} of {total:,} bytes, and was thrown away."
                    f" {_remedy(pinned)}"
                )
    except urllib.error.HTTPError as e:
        raise DownloadError(f"{pinned.url} answers {e.code} {e.reason}. {_remedy(pinned)}") from None
    except (OSError, http.client.HTTPException) as e:  # URLError and timeouts are OSErrors
        reason = getattr(e, "reason", None) or e
        raise DownloadError(f"{pinned.url} cannot be fetched: {reason}. {_remedy(pinned)}") from None


def _from_file(file: Path, board: Board, any_image: bool) -> bytes:
    pinned = board.micropython
    try:
        content = read_bytes(file, _MOST)
    except InputError as e:
        raise DownloadError(f"{file}: {e.why}. Name a MicroPython image with FIRMWARE=.") from None
    if digest(content) == pinned.sha256:
        return content
    if not any_image:
        raise ImageMismatchError(
            f"{file} is not the image pinned for {board.name}, MicroPython {pinned.version}: SHA-256 expected"
            f" {pinned.sha256}, found {digest(content)}. Fetch {pinned.url}, or take this one at your own risk with"
            " --any-image."
        )
    return content


def check_chip(content: bytes, board: Board) -> None:
    """Whether an image is for the board's chip at all. Raises LayoutError."""
    if len(content) < 24 or content[0] != 0xE9:
        raise LayoutError("This is no image for an ESP32: it begins with another byte. Take one of MicroPython's .bin.")
    found = int.from_bytes(content[12:14], "little")
    if found != CHIP_IDS[board.chip]:
        name = next((name for name, number in CHIP_IDS.items() if number == found), f"number {found}")
        raise LayoutError(
            f"This image is for the chip {name}, and {board.name} has an {board.chip}. Take {board.micropython.url}."
        )
