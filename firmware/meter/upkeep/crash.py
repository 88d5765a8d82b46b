# SPDX-License-Identifier: Apache-2.0
"""What is left of a task that fell: an event, a report in FRAM, words for the display. Loaded for that only."""

import io
import sys

from meter.core import codes
from meter.core.errors import BusError
from meter.storage import crashes
from meter.upkeep import memory


def words(name: str, e, hung_s: int = 0) -> tuple:
    """(one display row, the text of the report: task, exception, the places it came through, innermost first)."""
    out = io.StringIO()
    sys.print_exception(e, out)  # pyright: ignore[reportArgumentType]
    lines = out.getvalue().rstrip().split("\n")  # pyright: ignore[reportAttributeAccessIssue]
    places = []
    for line in reversed(lines):
        if line.startswith('  File "'):
            line = line.split('"')
            places.append(line[1] + ":" + line[2][7:].split(",")[0])
    what = "silent for %d s" % hung_s if hung_s else lines[-1]
    row = name + " " + ("silent" if hung_s else type(e).__name__)
    return row, name + "\n" + what + "\n" + " ".join(places)


def report(books, fram, name: str, e, uptime_s: int, hung_s: int) -> str:
    """Say it on the console, keep it for the next start, log it, file it. Return a row for the display."""
    row, text = words(name, e, hung_s)
    print("task %s fell:" % name, text)
    memory.note(row)
    number = books.log(codes.LOG_TASK_CRASH)
    try:
        crashes.write(fram, number, books.utc_s, uptime_s, text.encode())
    except BusError:
        pass
    return row
