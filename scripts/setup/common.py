# SPDX-License-Identifier: Apache-2.0
"""What the set-up scripts share: one way to speak, to fail, to run programs, and to be alone in a checkout.

Runs before anything is installed: standard library only.
"""

import contextlib
import fcntl
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class SetupError(Exception):
    """Why the set-up stops, and what to do: a sentence or two for the person at the terminal."""


def say(topic: str, text: str) -> None:
    print(f"{topic}: {text}", file=sys.stderr, flush=True)


def run(command: list, **kwargs) -> subprocess.CompletedProcess:
    """A finished command with its output; a program that is not there counts as failed."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **kwargs)
    except OSError as e:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {e.strerror}")


@contextlib.contextmanager
def alone(place: Path, topic: str):
    """One set-up of a place at a time; the lock goes with the process, however that ends."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f".{place.name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(topic, "another set-up is at work in this checkout: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def guarded(topic: str, job) -> int:
    """Exit status of job(); what goes wrong is said in one sentence instead of a traceback."""
    try:
        job()
    except SetupError as e:
        say(topic, str(e))
        return 1
    except KeyboardInterrupt:
        say(topic, "interrupted; run it again to go on")
        return 130
    except OSError as e:
        say(topic, f"{e.filename or 'a file'}: {e.strerror or e}")
        return 1
    return 0
