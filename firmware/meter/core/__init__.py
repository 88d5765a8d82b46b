# SPDX-License-Identifier: Apache-2.0
"""The rules of the meter: integers in, decisions out. No input or output, no clock, no floats."""

import sys


def unload(*names: str) -> None:
    """Let modules of this package go that are needed for a moment only, so that their heap is free again."""
    for name in names:
        if sys.modules.pop(__name__ + "." + name, None):
            delattr(sys.modules[__name__], name)
