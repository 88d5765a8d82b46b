# SPDX-License-Identifier: Apache-2.0
"""`python -m scripts.vend`: see cli.py."""

import sys

from .cli import app

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a path may be bytes that are no UTF-8
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    app(prog_name="vend")
