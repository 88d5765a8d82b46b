# SPDX-License-Identifier: Apache-2.0
"""What stands between this program and the registers of a meter's IC."""

from typing import Protocol


class Link(Protocol):
    """read() gives a word, write() takes one; both raise LinkError. wait(): until so much time has passed there."""

    def read(self, addr: int, /) -> int: ...

    def write(self, addr: int, word: int, /) -> None: ...

    def wait(self, ms: int, /) -> None: ...

    def close(self) -> None: ...
