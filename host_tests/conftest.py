# SPDX-License-Identifier: Apache-2.0
"""What every test run needs: the firmware's and the shims' places on the path, and honesty about skips.

A skipped test is named with its reason at the end of the run. With PENNYWATT_NO_SKIP=1 (CI) a skip is a
failure: there, everything a test needs has to be there.
"""

import importlib.util
import os
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
NO_SKIP = os.environ.get("PENNYWATT_NO_SKIP") == "1"

for _path in (ROOT / "scripts", ROOT / "host_tests/bench/shims", ROOT / "firmware", ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

if importlib.util.find_spec("micropython") is None:
    from host_tests.bench.run.cpython import VirtualTime

    VirtualTime()  # gives CPython the names MicroPython has, `micropython.const` among them

hypothesis.configuration.set_hypothesis_home_dir(str(ROOT / "build/hypothesis"))
# The machine may be busy: no deadline. CI tries the same examples every time; at a desk the search goes on.
hypothesis.settings.register_profile("pennywatt", deadline=None, derandomize=NO_SKIP)
hypothesis.settings.load_profile("pennywatt")


def _reason(report) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _refuse_skip(report):
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"{report.nodeid} was skipped, and PENNYWATT_NO_SKIP is set: {_reason(report)}"
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _refuse_skip((yield))


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.getreports("skipped")
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} skipped: NOT tested here", sep="=", yellow=True, bold=True)
    for report in skipped:
        terminalreporter.write_line(f"  {report.nodeid}: {_reason(report)}", yellow=True)
