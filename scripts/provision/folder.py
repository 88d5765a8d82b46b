# SPDX-License-Identifier: Apache-2.0
"""Files of a meter in a folder on this computer, for `make image`: for its owner's eyes only, and whole or not there.

The folder is 0700, its files 0600. They are made in a neighbouring folder whose name begins with a dot, which gets its
name at the end by a rename; one that a crash left behind is removed by the next run. Raises FileError, RefusedError.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import FileError, RefusedError

_MARK = ".pennywatt-"


def write(place: Path, files: Mapping[str, bytes], commit: Callable[[], None] = lambda: None) -> None:
    """Make the folder `place`. commit is called once it has its name: if it raises, there is no folder. After a crash
    just before it there is one, and nobody knows: see same()."""
    if place.exists():
        raise RefusedError(f"{place} is there already and is not touched. Move it away, or name another place.")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise FileError(f"{place.parent} cannot be made: {e.strerror}. Name another place.") from e
    _sweep(place)
    draft = place.with_name(f"{_MARK}{place.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.mkdir(mode=0o700)
        for name, content in files.items():
            with os.fdopen(os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
                f.write(content)
                f.flush()
                os.fsync(f.fileno())
        draft.rename(place)
        parent = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
        try:
            commit()
        except Exception:
            place.rename(draft)
            raise
    except OSError as e:
        raise FileError(f"{place} cannot be written: {e.strerror}. Name another place.") from e
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def same(place: Path, files: Mapping[str, bytes]) -> bool:
    """Does the folder hold these files, and no others?"""
    try:
        return {path.name: path.read_bytes() for path in place.iterdir()} == dict(files)
    except OSError:
        return False


def keys_made(place: Path, name: str) -> object:
    """When the keys in this folder were made, as its document says; None: there is none that says it."""
    try:
        return json.loads((place / name).read_bytes()).get("made")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None


def _sweep(place):
    """What a run before left when it was killed. A run that is still going keeps its draft."""
    for path in place.parent.glob(f"{_MARK}{place.name}.*"):
        pid = path.name.rsplit(".", 2)[1]
        if not pid.isdigit() or not Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)
