# SPDX-License-Identifier: Apache-2.0
"""Run a program and look at what it says while it says it. Times in seconds.

The limit is on silence, not on the whole: writing a megabyte takes minutes on a slow line, and is well as long as it
goes on.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

AWAY_S = 2.5  # a port may be away for a moment, where a chip has its own USB
TIMEOUT = -1000  # in place of the exit code


@dataclass
class Done:
    code: int
    out: str
    err: str


def run(
    command: list[str],
    silence_s: float,
    watch: Callable[[str], None] | None = None,
    alive: Callable[[], bool] = lambda: True,
) -> Done:
    """A finished program. watch gets each piece of its output. It is ended when it is silent for too long, or not alive
    for AWAY_S: code is TIMEOUT."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}  # the programs need none of ours
    env |= {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_COLOR": "1"}
    program = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        start_new_session=True,
    )  # fmt: skip
    with program:
        return _follow(program, silence_s, watch, alive)


def _follow(program, silence_s, watch, alive):
    said = {program.stdout.fileno(): b"", program.stderr.fileno(): b""}
    with selectors.DefaultSelector() as ready:
        for fd in said:
            ready.register(fd, selectors.EVENT_READ)
        heard = seen = time.monotonic()
        late = False
        try:
            while ready.get_map():
                found = ready.select(0.5)
                now = time.monotonic()
                if alive():
                    seen = now
                if (not found and now - heard > silence_s) or now - seen > AWAY_S:
                    late = True
                    break
                for key, _ in found:
                    data = os.read(key.fd, 4096)
                    if not data:
                        ready.unregister(key.fd)
                        continue
                    heard = seen = time.monotonic()
                    said[key.fd] += data
                    if watch:
                        watch(data.decode(errors="replace"))
            code = TIMEOUT if late else program.wait(10)
        except subprocess.TimeoutExpired:
            code = TIMEOUT
        finally:
            _end(program)
    out, err = (text.decode(errors="replace") for text in said.values())
    return Done(code, out, err)


def _end(program):
    """End a program and what it started; an interrupted command leaves nothing that holds the port."""
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGTERM)
        try:
            program.wait(3)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(3)
