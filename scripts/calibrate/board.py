# SPDX-License-Identifier: Apache-2.0
"""The IC of a real meter: through the raw REPL of its board, by mpremote.

mpremote is one of the tools for a real board (`make device-tools`) and is loaded only here. Of it, three calls of its
serial transport are used: some hundred registers are read, too many for a run of the program each (scripts/flash).
Entered without a soft reset: that would run boot.py, which counts starts, and end in safe mode. Raises LinkError.
"""

import json
import time
from typing import Protocol

from scripts.board import agent as boards
from scripts.board import console
from scripts.board.errors import FlashError

from . import agent
from .errors import DocumentError, LinkError

FILE = "/calibration.json"
_PART = 128  # characters written in one go


class Transport(Protocol):
    """What of mpremote's SerialTransport is used."""

    def enter_raw_repl(self, soft_reset: bool, /) -> None: ...

    def exec(self, command: str, /) -> bytes: ...

    def close(self) -> None: ...


def open_transport(port: str) -> Transport:
    """The raw REPL of what hangs on a port."""
    try:
        from mpremote.transport_serial import SerialTransport  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise LinkError("For a real board, mpremote is needed. Run 'make device-tools' once.") from None
    try:
        console.wake(port)
        return SerialTransport(port)
    except FlashError as e:
        raise LinkError(str(e)) from None
    except Exception as e:  # what pyserial raises has many names
        raise LinkError(f"{port} cannot be opened ({e}). Check the cable, and that no other program uses it.") from e


class BoardLink:
    """link.Link to the metering IC of a board."""

    def __init__(self, port: str, board: str, transport: Transport | None = None):
        text = agent.source(board)
        self._transport = transport or open_transport(port)
        self._port = port
        try:
            self._transport.enter_raw_repl(False)
        except Exception as e:
            self._transport.close()
            raise LinkError(
                f"The board at {port} does not enter its raw REPL ({e}). Press its reset button and try again."
            ) from e
        self._exec(boards.CALM)
        self._exec(text)

    def _exec(self, text: str) -> str:
        try:
            return self._transport.exec(text).decode()
        except Exception as e:
            raise LinkError(
                f"The board at {self._port} did not do what it was asked ({e}). Check the cable, and start again."
            ) from e

    def read(self, addr: int) -> int:
        said = self._exec(f"print(r({addr}))")
        try:
            return int(said)
        except ValueError:
            raise LinkError(f"The board answered {said.strip()!r} for register {addr:02X}. Start again.") from None

    def write(self, addr: int, word: int) -> None:
        self._exec(f"w({addr},{word})")

    def wait(self, ms: int) -> None:
        time.sleep(ms / 1000)

    def close(self) -> None:
        """Let the firmware start again."""
        try:
            # Later than the answer to this: a reset at once would leave mpremote waiting for it.
            self._transport.exec(
                "machine.Timer(0).init(period=300,mode=machine.Timer.ONE_SHOT,callback=lambda t:machine.reset())"
            )
        except Exception as e:
            print(f"calibrate: the board was not restarted ({e}): press its reset button")
        finally:
            self._transport.close()

    # -- the document -----------------------------------------------------------------------------

    def document(self) -> dict | None:
        """The calibration on the board, as it is; None: there is none that could be read."""
        try:
            return json.loads(self._exec(f"print(cat({FILE!r}))"))
        except (ValueError, RecursionError):
            return None

    def upload(self, document: dict) -> None:
        """Put a document on the board; the one before is kept beside it. DocumentError: one there is sealed."""
        there = self.document()
        if isinstance(there, dict) and there.get("sealed") and there != document:
            raise DocumentError(
                "The calibration on this board is sealed and is not replaced: the meter would not take another."
                " To calibrate it again, its FRAM must be replaced."
            )
        if there == document:
            return
        text = json.dumps(document)
        new = FILE[:-4] + "new"
        for i in range(0, len(text), _PART):
            self._exec(f"put({new!r},{text[i : i + _PART]!r},{'a' if i else 'w'!r})")
        self._exec(f"swap({FILE!r})")
        if self.document() != document:
            raise LinkError("The board has not kept the document. Check the free space of its file system.")
