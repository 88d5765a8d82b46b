# SPDX-License-Identifier: Apache-2.0
"""One JSON object out of a file, if all readers of JSON agree on what it says. Raises InputError with the line.

Refused are a key twice in an object, NaN and Infinity, half a surrogate pair, deep nesting, and numbers too long or
with an exponent. A number with a fraction is taken only where floats are asked for: amounts are texts ("12.50").
"""

import json
import re
from pathlib import Path

from .errors import InputError, shown
from .text_file import MAX_N, decoded, read_bytes

DEPTH_MAX = 32
DIGITS_MAX = 18
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\[\],:]|[-+.\w]+|\n')
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def read_json(path: Path | str, max_n: int = MAX_N, floats: bool = False) -> dict:
    """The object in a file of at most max_n bytes."""
    return parse_json(read_bytes(path, max_n), path, floats)


def parse_json(content: bytes, file: object, floats: bool = False) -> dict:
    """The object in bytes that came from `file`."""
    found = parse_value(decoded(content, file), file, floats)
    if not isinstance(found, dict):
        raise InputError(file, "it is not a JSON object, which begins with { and ends with }")
    return found


def parse_value(text: str, file: object, floats: bool = False) -> object:
    """The value in a text that came from `file`: any, not an object only."""
    _look(text, file, floats)
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise InputError(file, f"it is no JSON from here on ({e.msg})", line=e.lineno) from None
    except ValueError:  # nothing is known that comes this far
        raise InputError(file, "it is no JSON") from None


def _look(text, file, floats):
    """Refuse by line what json.loads() would take, or fall over. In anything else it finds the fault itself."""
    line, last, keys = 1, "", []  # keys: of the objects around this place; None for an array
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
            continue
        why = ""
        if token in ("{", "["):
            keys.append(set() if token == "{" else None)
            if len(keys) > DEPTH_MAX:
                why = f"it is nested more than {DEPTH_MAX} times"
        elif token in ("}", "]"):
            if keys:
                keys.pop()
        elif token == ":":
            why = _again(last, keys[-1] if keys else None)
        elif token[0] == '"':
            why = _unpaired(token)
        elif token != ",":
            why = _no_number(token, floats)
        if why:
            raise InputError(file, why, line=line)
        last = token


def _again(token, keys):
    key = _value(token)
    if keys is None or key is None:
        return ""
    if key in keys:
        return f"{shown(key)} is there twice"
    keys.add(key)
    return ""


def _value(token):
    """What a text in quotation marks says; None: it is none."""
    try:
        found = json.loads(token)
    except ValueError:
        return None
    return found if isinstance(found, str) else None


def _unpaired(token):
    value = _value(token) if "\\u" in token else None
    if value is None or not any("\ud800" <= c <= "\udfff" for c in value):
        return ""
    return "a text in it has half a character (a lone surrogate, \\ud800 to \\udfff)"


def _no_number(token, floats):
    if token.lstrip("+-").lower() in ("nan", "infinity", "inf"):
        return f"{token} is no number"
    if not _NUMBER.fullmatch(token):
        return ""
    if not token.lstrip("-").isdigit() and not floats:
        return f"{shown(token)} is no whole number, and amounts are written in quotation marks"
    if len(token) > DIGITS_MAX or "e" in token.lower():
        return f"the number {shown(token)} is too long, or has an exponent"
    return ""
