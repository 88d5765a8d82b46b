# SPDX-License-Identifier: Apache-2.0
"""What the page may ask of the bench: every command, its fields and their ranges.

`checked()` turns an arriving message into a clean dict with exactly the named fields, so the plant never sees
a wrong type, a number out of range or a field nobody declared. Whether it makes sense (is there such a
card, can this card be sold to) is the plant's to say.
"""

import json

from host_tests.bench.plant.faults import FAULTS

WARPS = (0, 1, 10, 60, 600, 3600)
LOAD_MAX_W = 12_000
VOLTAGE_MIN_V, VOLTAGE_MAX_V = 150, 280


def _whole(low, high):
    def check(value):
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")

    return check


def _switch(value):
    if type(value) is not bool:
        raise ValueError("must be true or false")


def _text(value):
    if type(value) is not str or not 0 < len(value) <= 32 or not value.isprintable():
        raise ValueError("must be a short text")


def _text_or_none(value):
    if value is not None:
        _text(value)


def _one_of(choices):
    def check(value):
        if type(value) not in (int, str) or value not in choices:
            raise ValueError("must be one of " + ", ".join(str(choice) for choice in choices))

    return check


COMMANDS = {
    "load": {"w": _whole(0, LOAD_MAX_W), "pf_milli": _whole(-1000, 1000)},
    "voltage": {"v": _whole(VOLTAGE_MIN_V, VOLTAGE_MAX_V)},
    "plug": {"in": _switch},
    "cover": {"open": _switch},
    "magnet": {"on": _switch},
    "card": {"id": _text_or_none},
    "button": {"down": _switch},
    "warp": {"x": _one_of(WARPS)},
    "sell": {"id": _text, "amount": _text},
    "fault": {"part": _one_of(tuple(FAULTS)), "mode": _text},
}


def checked(text):
    """The command in `text` (JSON) with exactly its declared fields. Raises ValueError with a sentence."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("The page sent something that is not JSON.") from None
    name = message.get("cmd") if isinstance(message, dict) else None
    fields = COMMANDS.get(name) if isinstance(name, str) else None
    if fields is None:
        raise ValueError(f"The bench knows no command {str(name)[:32]!r}.")
    command = {"cmd": name}
    for field, check in fields.items():
        if field not in message:
            raise ValueError(f"The command {name!r} lacks {field!r}.")
        try:
            check(message[field])
        except ValueError as refusal:
            raise ValueError(f"{name}: {field!r} {refusal}.") from None
        command[field] = message[field]
    if name == "fault" and command["mode"] not in FAULTS[command["part"]]:
        raise ValueError(f"{command['part']} has no fault {command['mode']!r}.")
    return command
