# SPDX-License-Identifier: Apache-2.0
"""A whole meter, of whatever documents, for eight seconds: for test_extremes.py. In a process of its own each, forked
from one that has all loaded but the meter."""

import contextlib
import io
import json
import os
import tempfile
import traceback
from pathlib import Path

from meter.core import codes

from host_tests.bench import documents
from host_tests.bench.plant.plant import Plant
from host_tests.bench.run.board import load_board
from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.run.local import LocalMeter

RUN_S = 12
LOAD_MW = 3_000_000
UTC_S = 821_520_000  # 2026-01-12 08:00


def meters(board: str, files: dict) -> str:
    """What was wrong with a meter of this board that has these documents; "" when it started and metered."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        wrong = "it ended"
        try:
            wrong = _run(board, files)
        except BaseException:
            wrong = traceback.format_exc()
        finally:
            os.write(into, wrong[-4000:].encode())
            os._exit(0)
    os.close(into)
    with open(out, "rb") as f:
        wrong = f.read().decode()
    os.waitpid(child, 0)
    return wrong


def _run(board, files):
    plant = Plant(VirtualTime(), load_board(board), utc_s=UTC_S)
    for phase in range(3):
        plant.house.set_load(phase, LOAD_MW, 0, 13_000)
    found = []
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for name, doc in files.items():
            (Path(root) / name).write_bytes(doc if isinstance(doc, bytes) else json.dumps(doc).encode())
        meter = LocalMeter(plant, root)
        from meter import begin

        started = begin.started

        async def watched():
            found.append(await started())
            return found[0]

        begin.started = watched
        meter.run_s(RUN_S)
    books = found[0].books
    wrong = []
    if books.uptime_s < RUN_S - 6:
        wrong.append(f"{books.uptime_s} ticks in {RUN_S} s")
    expected = 0
    if books.cfg.provisioned:  # it takes no demo keys, and wants a calibration
        expected = codes.FAULT_KEYS | (0 if "calibration.json" in files else codes.FAULT_CALIBRATION)
    if books.faults & ~expected:
        wrong.append(f"faults {books.faults:X}")
    # A front end that is halved and turned round still counts.
    if books.s.import_counts + books.s.export_counts < 20:
        wrong.append(f"{books.s.import_counts} counts")
    return "\n".join([*wrong, said.getvalue()]) if wrong else ""


def usual(**settings) -> dict:
    """The documents of the bench, as objects; a settings' currency is the tariff's, too."""
    files = {name: json.loads(data) for name, data in documents.as_files(documents.settings(**settings)).items()}
    files["tariff.json"]["currency"] = files["settings.json"]["currency"]
    return files
