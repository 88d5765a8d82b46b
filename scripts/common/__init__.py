# SPDX-License-Identifier: Apache-2.0
"""What all tools share: the one reader of files that people hand to them, and the one lock of key files.

A file is taken only if every reader would read the same in it: an ordinary file of bounded size, UTF-8 (a byte order
mark at its start is dropped), JSON without NaN, without a key twice, CSV with plain ASCII digits. Anything else is an
InputError: one or two sentences with the file, the line, what is wrong and what to do. refusals.py prints it
for every tool, so that no tool needs a word of its own.
"""

from .csv_file import Row, read_csv
from .errors import InputError
from .json_file import parse_json, read_json
from .numbers import decimal, integer
from .text_file import read_bytes, read_text

__all__ = ["InputError", "Row", "decimal", "integer", "parse_json", "read_bytes", "read_csv", "read_json", "read_text"]
