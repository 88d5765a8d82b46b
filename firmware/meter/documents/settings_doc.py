# SPDX-License-Identifier: Apache-2.0
"""The settings document: checked whole, or refused whole. All keys, with defaults: SETTINGS.md beside this file."""

from micropython import const

from meter.core import calendar
from meter.core.energy import PULSES_PER_KWH
from meter.core.errors import ConfigError
from meter.core.limits import PULSE_MAX_MS, PULSE_MIN_MS
from meter.core.settings import Settings
from meter.documents.checks import (
    CAPITALS,
    DIGITS,
    currency,
    day_of,
    digits,
    integer,
    keys,
    kind,
    micro,
    minute_of_day,
    month_day,
    only,
)

_MAX_MICRO = const(1_000_000_000_000_000)  # a thousand million units: cards bring no more at once
_WHOLES = (
    ("phases", 1, 3),
    ("decimals", 0, 4),
    ("utc_offset_min", -720, 840),
    ("overload_w", 0, 1_000_000),
    ("overload_hold_s", 1, 3600),
    ("overload_wait_s", 0, 3600),
    ("relay_pulse_ms", PULSE_MIN_MS, PULSE_MAX_MS),
    ("debt_percent", 0, 100),
    ("base_a", 1, 100),
    ("hz", 50, 60),
    ("demand_min", 1, 60),
    ("profile_min", 1, 60),
    ("billing_day", 1, 28),
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
_FLAGS = ("provisioned", "three_wire", "exports")
_OTHERS = (
    "meter_number", "currency", "dst", "friendly", "nominal_v", "max_a", "events", "tamper_trips", "profile_channels",
)  # fmt: skip
_REGISTERS = ("import", "export", "q_import", "q_export", "va")
_MEANS = ("voltage", "current", "pf", "peak", "u1", "u2", "u3", "i1", "i2", "i3")
_ROW = const(30)  # bytes of a row of the load profile that hold channels
_MAX_HOLIDAYS = const(32)
_ONE_SCALE_MA = const(65_000)  # what the metering IC's current register holds at 1 mA per count
_DST_HOURS = const(167)  # what POSIX allows either way
_DST_KEYS = ("start", "end", "shift_min", "basis")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_BASES = ("utc", "standard", "wall")


def read(doc) -> Settings:
    """Settings from a document; ConfigError naming the first thing wrong."""
    keys(doc, "", [row[0] for row in _WHOLES + _AMOUNTS] + list(_OTHERS + _FLAGS))
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
    for key in _FLAGS:
        value = doc.get(key, False)
        if type(value) is not bool:
            raise ConfigError(key, "must be true or false")
        setattr(s, key, value)
    s.u_nominal_v = integer(doc.get("nominal_v", s.u_nominal_v), "nominal_v", 50, 300)
    s.u_input_v = s.u_nominal_v * 1732 // 1000 if s.three_wire else s.u_nominal_v
    s.i_max_ma = integer(doc.get("max_a", s.i_max_ma // 1000), "max_a", 1, 100) * 1000
    s.current_scale = 2 if s.i_max_ma > _ONE_SCALE_MA else 1
    if "profile_channels" in doc:
        s.profile_channels = _channels(doc["profile_channels"])
    _connection(s)
    _amounts(s)
    return s


def _connection(s):
    if s.phases == 2:
        raise ConfigError("phases", "must be 1 or 3")
    if s.three_wire and s.phases == 1:
        raise ConfigError("three_wire", "needs three phases")
    if s.hz % 10:
        raise ConfigError("hz", "must be 50 or 60")
    if 60 % s.demand_min:
        raise ConfigError("demand_min", "must divide an hour")
    if 60 % s.profile_min:
        raise ConfigError("profile_min", "must divide an hour")


def _amounts(s):
    if s.alarm2_micro > s.alarm1_micro:
        raise ConfigError("alarm2", "is above alarm1, which must come first")
    if s.alarm2_micro < -s.overdraft_micro:
        raise ConfigError("alarm2", "is below the overdraft limit, where supply is off already")
    if s.emergency_micro > s.hoard_micro > 0:
        raise ConfigError("emergency", "is above the hoarding cap")
    if 0 < s.hoard_micro <= s.alarm1_micro:
        raise ConfigError("hoard", "would leave no room for credit above alarm1")
    if s.initial_credit_micro > s.hoard_micro > 0:
        raise ConfigError("initial_credit", "is above the hoarding cap")


def _channels(names):
    """The bit mask of storage/profile.py."""
    if kind(names) is not list or not len(names):
        raise ConfigError("profile_channels", "must be a list of one channel or more")
    known = _REGISTERS + _MEANS
    mask = size = 0
    for i, name in enumerate(names):
        if name not in known:
            raise ConfigError("profile_channels[%d]" % i, "must be one of " + ", ".join(known))
        bit = known.index(name)
        if mask >> bit & 1:
            raise ConfigError("profile_channels[%d]" % i, "is there already")
        mask |= 1 << bit
        size += 4 if name in _REGISTERS else 2
    if size > _ROW:
        raise ConfigError("profile_channels", "do not fit: %d bytes of %d, 4 an energy, 2 any other" % (size, _ROW))
    return mask


def _meter_number(value):
    if only(value, DIGITS + b"-" + CAPITALS) and len(value) <= 12:
        return value
    raise ConfigError("meter_number", 'must be 1 to 12 digits, capitals or "-"')


def _edge(value, path):
    if type(value) is list and len(value) == 2:
        month, day = month_day(value[0], path + "[0]", 2001)  # a day that each year has
        return month, day, len(_WEEKDAYS), _clock(value[1], path + "[1]")
    if type(value) is not list or len(value) != 4 or value[2] not in _WEEKDAYS:
        raise ConfigError(path, 'must read [month, week, "sun", "02:00"] or ["03-21", "02:00"]')
    return (
        integer(value[0], path + "[0]", 1, 12),
        integer(value[1], path + "[1]", 1, 5),
        _WEEKDAYS.index(value[2]),
        _clock(value[3], path + "[3]"),
    )


def _clock(value, path):
    """Minutes of a time that may be of another day."""
    if type(value) is str:
        hours, _, minutes = value.partition(":")
        back = hours[:1] == "-"
        hours = hours[back:]
        if digits(hours) and 2 <= len(hours) <= 3 and digits(minutes) and len(minutes) == 2:
            minute = int(hours) * 60 + int(minutes)
            if int(minutes) < 60 and minute <= _DST_HOURS * 60:
                return -minute if back else minute
    raise ConfigError(path, 'must be a time such as "02:00", "24:00" or "-01:00", up to 167 hours')


def _dst(doc):
    if doc is None:
        return None
    if doc == "eu":
        return calendar.DST_EU
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
    holidays = _holidays(doc.get("holidays", []))
    return (
        minute_of_day(doc.get("from", "00:00"), "friendly.from"),
        minute_of_day(doc.get("until", "00:00"), "friendly.until"),
        weekend,
        holidays,
    )


def _holidays(holidays):
    if type(holidays) is not list or len(holidays) > _MAX_HOLIDAYS:
        raise ConfigError("friendly.holidays", f"must be a list of at most {_MAX_HOLIDAYS} days")
    table = bytearray()
    for i, text in enumerate(holidays):
        table.extend(bytes(day_of(text, f"friendly.holidays[{i}]")))
    return bytes(table)
