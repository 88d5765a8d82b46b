# SPDX-License-Identifier: Apache-2.0
"""Many replays on CPython, quickly: a process that has loaded what it can, and forks for each. python -m … reads jobs.

A meter in this interpreter is one to a process (bench/run/local.py); to start Python again takes ten times as long as
most traces.
"""

import json
import os
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Forks:
    """The process, as seen from a test."""

    def __enter__(self):
        command = [sys.executable, "-m", "host_tests.system.replay_forks"]
        path = os.pathsep.join(str(ROOT / part) for part in ("firmware", "host_tests/bench/shims", "."))
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
        )
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def run(self, **job) -> dict:
        """replay.run() on CPython: trace as (rows, end_s), the rest as there. Raises AssertionError if it does."""
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        result = json.loads(self.process.stdout.readline())
        assert "traceback" not in result, result["traceback"]
        return result


def _replay(rows, end_s, **job):
    from host_tests.years import replay, trace

    data = trace.Trace([trace.Row(*row) for row in rows], end_s)
    return replay.run(data, arch="cpython", **job)


def _serve():
    from meter import heap

    import_module("host_tests.years.replay")
    heap._let_go = lambda module: None  # before what uses it is loaded
    for path in sorted((ROOT / "firmware/meter").glob("[cs]*/*.py")):
        if path.parent.name in ("core", "storage") and "esp32" not in path.read_text():
            import_module(f"meter.{path.parent.name}.{path.stem}")
    out = sys.stdout.buffer.fileno()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                result = _replay(**json.loads(line))
            except BaseException:
                result = {"traceback": traceback.format_exc()}
            text = json.dumps(result).encode() + b"\n"
            while text:
                text = text[os.write(out, text) :]
            os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    _serve()
