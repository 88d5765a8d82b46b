# SPDX-License-Identifier: Apache-2.0
"""`python -m scripts.provision`: see cli.py."""

from .cli import app

if __name__ == "__main__":
    app(prog_name="provision")
