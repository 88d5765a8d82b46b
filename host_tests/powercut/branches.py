# SPDX-License-Identifier: Apache-2.0
"""Many power cuts out of one run: at each, the process splits, and in one half the mains goes.

The run that goes on is never cut. A branch has the plant as it was at this very operation: what the chips keep, the
relay, the card, the clock, the house, down to the bytes of the transfer under way. It does not have the
interpreter, which stays with the run it belongs to; nothing is lost by that, for the interpreter's memory is what
a power cut destroys. test_powercut.py holds branches against real kills of a running meter: same memories, byte
for byte.
"""

import json
import os
import selectors
import signal
import traceback
import warnings

_PATIENCE_S = 300  # a branch that takes longer is stuck


class Branches:
    """Up to `jobs` processes at a time, each on a core of its own, where there are as many; a single one stays on
    its parent's.

    on_result(name, list of results) is called for each branch that has ended; a branch that died gives None.
    """

    def __init__(self, jobs: int, on_result):
        self._jobs = jobs
        self._cores = sorted(os.sched_getaffinity(0))
        self._on_result = on_result
        self._running = {}  # pipe -> (process, name, core)
        self._waiting = selectors.DefaultSelector()
        self._out = None
        self.inside = False  # this process is a branch

    def fork(self, name: str) -> bool:
        """True in the branch, which must end with leave()."""
        while len(self._running) >= self._jobs:
            self._collect()
        taken = [core for _, _, core in self._running.values()]
        core = min(self._cores, key=taken.count)
        get, put = os.pipe()
        with warnings.catch_warnings():
            # The one other thread reads the interpreter's console, and holds nothing a branch needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process:
            os.close(put)
            self._running[get] = (process, name, core)
            self._waiting.register(get, selectors.EVENT_READ)
            return False
        self.inside = True
        self._out = put
        signal.alarm(_PATIENCE_S)
        if self._jobs > 1:
            os.sched_setaffinity(0, {core})
        return True

    def leave(self, results: list) -> None:
        """The end of a branch: hand its results over. Nothing of the run it comes from is closed or removed."""
        with os.fdopen(self._out, "w") as pipe:
            json.dump(results, pipe)
        os._exit(0)

    def fail(self) -> None:
        """The end of a branch with a bug in it."""
        traceback.print_exc()
        os._exit(1)

    def finish(self) -> None:
        """Wait for all that are still running."""
        while self._running:
            self._collect()

    def stop(self) -> None:
        """End all that are still running."""
        for process, _, _ in self._running.values():
            os.kill(process, signal.SIGKILL)
        self.finish()

    def _collect(self):
        for key, _ in self._waiting.select():
            get = key.fd
            with os.fdopen(get) as pipe:
                said = pipe.read()
                self._waiting.unregister(get)
            process, name, _ = self._running.pop(get)
            os.waitpid(process, 0)
            if signal.alarm(0):  # this is a branch itself, and had to wait
                signal.alarm(_PATIENCE_S)
            self._on_result(name, json.loads(said) if said else None)
