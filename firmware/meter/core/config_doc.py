# SPDX-License-Identifier: Apache-2.0
"""The settings document: checked whole, or refused whole.

Only meter_number (1 to 12 digits, capitals, "-") must be given. Amounts are decimal strings in the currency,
times are in the unit their key ends in. All keys, with the defaults:
    {"meter_number": "00012345", "phases": 1, "currency": "EUR", "decimals": 2,
     "utc_offset_min": 0, "dst": null, "alarm1": "10.00", "alarm2": "5.00", "overdraft": "0", "hoard": "0",
     "initial_credit": "0", "emergency": "0", "debt_per_day": "0", "debt_percent": 0, "friendly": null,
     "overload_w": 0, "overload_hold_s": 30, "overload_wait_s": 0,
     "relay_pulse_ms": 60, "pulse_constant": 3200, "provisioned": false}
emergency is credit lent once when all is used, to whoever inserts the card; the next purchases pay it back. Debt
comes with a purchase and is recovered by debt_per_day and by debt_percent of each purchase. friendly is null, or
says when credit alone switches nobody off (what was owed comes at the end), all parts optional:
    {"from": "18:00", "until": "08:00", "weekend": true, "holidays": ["2026-12-25", "*-01-01"]}
hoard 0 is no cap, overload_w 0 no supervision, overload_wait_s 0 no automatic return. alarm2 may go down to
minus overdraft, where it never trips. dst is null, "eu", or an object
    {"start": [month, week, "sun", "02:00"], "end": [10, 5, "sun", "03:00"], "shift_min": 60, "basis": "wall"}
with week 1..4 or 5 for the last; basis "utc", "standard" or "wall" says which clock shows those times.
"""

from micropython import const

from meter.core import civil
from meter.core.checks import CAPITALS, DIGITS, currency, day_of, integer, keys, micro, minute_of_day, only
from meter.core.config import Settings
from meter.core.energy import PULSES_PER_KWH
from meter.core.errors import ConfigError

_MAX_MICRO = const(1_000_000_000_000)
_WHOLES = (
    ("phases", 1, 3),
    ("decimals", 0, 4),
    ("utc_offset_min", -720, 840),
    ("overload_w", 0, 1_000_000),
    ("overload_hold_s", 1, 3600),
    ("overload_wait_s", 0, 3600),
    ("relay_pulse_ms", 10, 500),
    ("debt_percent", 0, 100),
    ("pulse_constant", PULSES_PER_KWH, PULSES_PER_KWH),
)
# Key in the document, field of Settings (named here in full: the linker keeps what a string names), least value.
_AMOUNTS = (
    ("alarm1", "alarm1_micro", -_MAX_MICRO),
    ("alarm2", "alarm2_micro", -_MAX_MICRO),
    ("overdraft", "overdraft_micro", 0),
    ("hoard", "hoard_micro", 0),
    ("initial_credit", "initial_credit_micro", 0),
    ("emergency", "emergency_micro", 0),
    ("debt_per_day", "debt_day_micro", 0),
)
_OTHERS = ("meter_number", "currency", "dst", "friendly", "provisioned")
_MAX_HOLIDAYS = const(32)
_DST_KEYS = ("start", "end", "shift_min", "basis")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BASES = ("utc", "standard", "wall")


def read(doc) -> Settings:
    """Settings from a document; ConfigError naming the first thing wrong."""
    known = [row[0] for row in _WHOLES] + [row[0] for row in _AMOUNTS]
    known.extend(_OTHERS)
    keys(doc, "", known)
    s = Settings()
    s.meter_number = _meter_number(doc.get("meter_number"))
    for key, low, high in _WHOLES:
        if key in doc:
            setattr(s, key, integer(doc[key], key, low, high))
    for key, name, low in _AMOUNTS:
        if key in doc:
            setattr(s, name, micro(doc[key], key, low, _MAX_MICRO))
    s.currency = currency(doc.get("currency", s.currency), "currency")
    s.dst = _dst(doc.get("dst"))
    s.friendly = _friendly(doc.get("friendly"))
    s.provisioned = doc.get("provisioned", False)
    if type(s.provisioned) is not bool:
        raise ConfigError("provisioned", "must be true or false")
    if s.phases == 2:
        raise ConfigError("phases", "must be 1 or 3")
    if s.alarm2_micro > s.alarm1_micro:
        raise ConfigError("alarm2", "is above alarm1, which must come first")
    if s.alarm2_micro < -s.overdraft_micro:
        raise ConfigError("alarm2", "is below the overdraft limit, where supply is off already")
    if s.emergency_micro and s.hoard_micro and s.emergency_micro > s.hoard_micro:
        raise ConfigError("emergency", "is above the hoarding cap")
    if s.hoard_micro and s.hoard_micro <= s.alarm1_micro:
        raise ConfigError("hoard", "would leave no room for credit above alarm1")
    if s.hoard_micro and s.initial_credit_micro > s.hoard_micro:
        raise ConfigError("initial_credit", "is above the hoarding cap")
    return s


def _meter_number(value):
    if only(value, DIGITS + b"-" + CAPITALS) and len(value) <= 12:
        return value
    raise ConfigError("meter_number", 'must be 1 to 12 digits, capitals or "-"')


def _edge(value, path):
    if type(value) is not list or len(value) != 4 or value[2] not in _WEEKDAYS:
        raise ConfigError(path, 'must read [month, week, "sun", "02:00"]')
    return (
        integer(value[0], path + "[0]", 1, 12),
        integer(value[1], path + "[1]", 1, 5),
        _WEEKDAYS.index(value[2]),
        minute_of_day(value[3], path + "[3]"),
    )


def _dst(doc):
    if doc is None:
        return None
    if doc == "eu":
        return civil.DST_EU
    keys(doc, "dst", _DST_KEYS)
    start = _edge(doc.get("start"), "dst.start")
    end = _edge(doc.get("end"), "dst.end")
    if start[0] == end[0]:
        raise ConfigError("dst.end", "must fall in another month than the start")
    basis = doc.get("basis", "wall")
    if basis not in _BASES:
        raise ConfigError("dst.basis", 'must be "utc", "standard" or "wall"')
    return (start, end, integer(doc.get("shift_min", 60), "dst.shift_min", 1, 120), _BASES.index(basis))


def _friendly(doc):
    if doc is None:
        return None
    keys(doc, "friendly", ("from", "until", "weekend", "holidays"))
    if ("from" in doc) != ("until" in doc):
        raise ConfigError("friendly", "needs both from and until, or neither")
    weekend = doc.get("weekend", False)
    if type(weekend) is not bool:
        raise ConfigError("friendly.weekend", "must be true or false")
    holidays = doc.get("holidays", [])
    if type(holidays) is not list or len(holidays) > _MAX_HOLIDAYS:
        raise ConfigError("friendly.holidays", f"must be a list of at most {_MAX_HOLIDAYS} days")
    table = bytearray()
    for i, text in enumerate(holidays):
        table.extend(bytes(day_of(text, f"friendly.holidays[{i}]")))
    return (
        minute_of_day(doc.get("from", "00:00"), "friendly.from"),
        minute_of_day(doc.get("until", "00:00"), "friendly.until"),
        weekend,
        bytes(table),
    )
