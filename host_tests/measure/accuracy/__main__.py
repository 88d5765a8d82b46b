# SPDX-License-Identifier: Apache-2.0
"""`python -m host_tests.measure.accuracy`: see cli.py."""

from host_tests.measure.accuracy.cli import app

if __name__ == "__main__":
    app(prog_name="accuracy")
