# SPDX-License-Identifier: Apache-2.0
"""The firmware with a fault written into one of its tasks, for tests of what comes of it.

A copy of firmware/ gets a module `oops`, and the task calls it once per turn. From second AT_S of the bench on it
strikes: once, or in every start.
"""

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from host_tests.bench import documents
from host_tests.bench.port import ops
from scripts.image.image import ROOT, build_image

RTC_AT = ops.RTC_AT
TASKS = ("metering", "guard", "clock", "panel", "carddesk", "watch")
# Where a task, or the supervisor, is.
PLACES = {
    "metering": "metering/metering.py", "guard": "metering/guard.py", "clock": "metering/clock.py",
    "panel": "panel/panel.py", "carddesk": "cards/desk.py", "watch": "watch/watcher.py",
    "supervisor": "upkeep/supervisor.py",
}  # fmt: skip
AT_S = 15
HOW = {
    "raise": "raise KeyError('struck')",
    "hang": "await asyncio.Event().wait()",
    "busy": "while True: pass",
    "exhaust": "fill([])",
    "exhaust slowly": "await fill_slowly([])",
    "leak": "fill(kept)",
    "reset": "machine.reset()",
}
_OOPS = """
import asyncio, gc, machine, time

struck = 0 if {always} or machine.reset_cause() == 1 else 1
kept = []

def fill(where):
    while True:
        where.append(bytearray(256))

async def fill_slowly(where):
    while True:
        where.append(bytearray(512))
        if len(where) & 3 == 0:
            await asyncio.sleep_ms(20)

async def strike():
    global struck
    if struck > 0 or time.ticks_ms() < {at_ms}:
        return
    struck += 1 - {always}
    {how}
"""


@cache
def image(task: str, how: str, always: bool = False, at_s: int = AT_S) -> bytes:
    """The file system of a meter whose `task` is struck so."""
    with tempfile.TemporaryDirectory() as made:
        firmware = Path(made) / "firmware"
        shutil.copytree(ROOT / "firmware", firmware)
        oops = _OOPS.format(always=int(always), at_ms=at_s * 1000, how=HOW[how])
        (firmware / "oops.py").write_text(oops)
        path = firmware / "meter" / PLACES[task]
        beats = r"^( +)(self\.beat\(\))$" if task == "carddesk" else r"^( +)(beat\(\))$"
        if task == "supervisor":
            beats = r"^( +)(await asyncio.sleep_ms\(_PERIOD_MS\))$"
        text, n = re.subn(beats, r"\1\2\n\1await oops.strike()", path.read_text(), count=1, flags=re.M)
        assert n == 1, f"{task} does not beat where this looks for it"
        path.write_text(text.replace("import asyncio\n", "import asyncio\nimport oops\n", 1))
        return build_image(None, documents.as_files(documents.settings(initial_credit="50.00")), firmware=firmware)
