# SPDX-License-Identifier: Apache-2.0
"""Bytes and text of a file. Raises InputError.

Only ordinary files are read: a pipe would be waited for, a device never ends. They are opened without blocking and
looked at when they are open, so that nobody can exchange them in between.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import InputError

MAX_N = 1 << 20
_OTHER = "Name another file"
BOM = b"\xef\xbb\xbf"
_UTF8 = "Save it as UTF-8"


def read_bytes(path: Path | str, max_n: int = MAX_N) -> bytes:
    """The whole file, if it has at most max_n bytes."""
    with opened(path, max_n) as file:
        content = file.read(max_n + 1)
        if len(content) > max_n:  # it grew meanwhile
            raise _too_large(path, max_n)
    return content


def read_text(path: Path | str, max_n: int = MAX_N) -> str:
    """The whole file as text: UTF-8, without the byte order mark it may begin with."""
    return decoded(read_bytes(path, max_n), path)


def decoded(content: bytes, file: object) -> str:
    """Text of bytes that came from `file`."""
    if not content.strip():
        raise InputError(file, "it is empty", _OTHER)
    refuse_wide(content, file)
    content = without_mark(content)
    try:
        text = content.decode()
    except UnicodeDecodeError as e:
        raise InputError(file, "it is not UTF-8", _UTF8, content.count(b"\n", 0, e.start) + 1) from None
    if (at := text.find("\0")) >= 0:
        raise InputError(file, "it is not text", _OTHER, text.count("\n", 0, at) + 1)
    return text


def refuse_wide(content: bytes, file: object) -> None:
    """Refuse what begins like UTF-16 or UTF-32."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    if wide or (len(content) > 1 and (content[0] == 0) != (content[1] == 0) and max(content[:2]) < 128):
        raise InputError(file, "it is saved in UTF-16 or UTF-32", _UTF8)


def without_mark(content: bytes) -> bytes:
    return content.removeprefix(BOM)


@contextmanager
def opened(path: Path | str, max_n: int) -> Iterator[BinaryIO]:
    """An ordinary file of at most max_n bytes, open for reading."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as e:
        raise InputError(path, f"it cannot be read: {e.strerror}", _OTHER) from None
    except ValueError:
        raise InputError(repr(path), "this is no name of a file", _OTHER) from None
    _refuse_others(fd, path)
    with os.fdopen(fd, "rb") as file:
        if os.fstat(fd).st_size > max_n:
            raise _too_large(path, max_n)
        try:
            yield file
        except OSError as e:
            raise InputError(path, f"it cannot be read: {e.strerror}", _OTHER) from None


def _refuse_others(fd, path):
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device, not a file"
        raise InputError(path, f"it is {what}", _OTHER)


def _too_large(path, max_n):
    return InputError(path, f"it is too long: at most {max_n:,} bytes are read", _OTHER)
