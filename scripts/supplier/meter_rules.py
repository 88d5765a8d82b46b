# SPDX-License-Identifier: Apache-2.0
"""What a meter would say to a document: its own check, out of the firmware's sources, in a process of its own."""

import os
import subprocess
import sys

from scripts.common import meter_code
from scripts.supplier.errors import FormatError
from scripts.supplier.utility_formats import SETTINGS, kind_word

_CHECK = """
import json, sys
from scripts.common import meter_code
meter_code.use()
from meter.documents import parse
text = sys.stdin.buffer.read()
try:
    meter_code.asked(lambda: getattr(parse, sys.argv[1])(json.loads(text.decode("utf-8"))))
except meter_code.Stumble:
    print("It is written in a way that the meter cannot follow")
except meter_code.Objection as e:
    print(e)
"""
_PATIENCE_S = 20


def check(kind: int, document: bytes) -> bool:
    """FormatError when a meter would refuse it. False: the firmware's sources are not here, nothing was checked."""
    if not meter_code.is_here():
        return False
    which = "settings" if kind == SETTINGS else "tariff"
    env = {**os.environ, "PYTHONPATH": str(meter_code.ROOT)}
    command = [sys.executable, "-P", "-X", "utf8", "-c", _CHECK, which]
    try:
        run = subprocess.run(command, input=document, capture_output=True, env=env, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise FormatError(
            f"The {kind_word(kind)} file was not checked within {_PATIENCE_S} s. Make it simpler, and try again."
        ) from None
    if run.returncode:
        raise FormatError(
            f"The {kind_word(kind)} file cannot be checked: the firmware's sources beside this program do not run."
            " Fetch them again."
        )
    objection = run.stdout.decode("utf-8", "replace").strip()
    if objection:
        raise FormatError(f"A meter would refuse this {kind_word(kind)} file. {objection}.")
    return True
