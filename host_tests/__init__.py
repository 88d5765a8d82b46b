# SPDX-License-Identifier: Apache-2.0
"""What runs on a computer only. The firmware and what stands in for MicroPython's modules are importable in here."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
for _path in (_ROOT / "firmware", _ROOT / "host_tests/bench/shims", _ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))
