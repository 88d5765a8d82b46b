# SPDX-License-Identifier: Apache-2.0
"""What a meter would say to a document: its own check, out of the firmware's sources, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from .errors import FormatError
from .utility_formats import SETTINGS, kind_word

_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = (_ROOT / "firmware", _ROOT / "host_tests" / "bench" / "shims")
_CHECK = """
import json, sys
from meter.core import config, tariff
from meter.core.errors import ConfigError
try:
    (config if sys.argv[1] == "settings" else tariff).parse(json.load(sys.stdin))
except ConfigError as e:
    print(e.text)
"""
_PATIENCE_S = 20


def check(kind: int, document: bytes) -> bool:
    """FormatError when a meter would refuse it. False: the firmware's sources are not here, nothing was checked."""
    if not all(path.is_dir() for path in _SOURCES):
        return False
    which = "settings" if kind == SETTINGS else "tariff"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, _SOURCES))}
    run = subprocess.run(
        [sys.executable, "-c", _CHECK, which], input=document, capture_output=True, env=env, timeout=_PATIENCE_S
    )
    if run.returncode:
        raise FormatError(f"The {kind_word(kind)} file cannot be checked: {run.stderr.decode().strip()[-200:]}")
    objection = run.stdout.decode().strip()
    if objection:
        raise FormatError(f"A meter would refuse this {kind_word(kind)} file. {objection}.")
    return True
