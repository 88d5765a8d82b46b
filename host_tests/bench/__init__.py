# SPDX-License-Identifier: Apache-2.0
"""The virtual meter: a plant of chip models, and the firmware on an interpreter joined to it."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
for _path in (_ROOT / "firmware", Path(__file__).parent / "shims", _ROOT):
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))
