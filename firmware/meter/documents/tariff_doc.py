# SPDX-License-Identifier: Apache-2.0
"""The tariff document: checked whole, or refused whole. The language, with examples: TARIFF.md beside this file."""

from micropython import const

from meter.core import calendar
from meter.core.energy import COUNTS_PER_KWH
from meter.core.errors import ConfigError
from meter.core.state import RATES
from meter.core.tariff import Tariff
from meter.documents.checks import currency, day_of, digits, integer, keys, kind, micro, minute_of_day, month_day, name

_MAX_PRICE_MICRO = const(100_000_000_000)  # a kWh costs thousands in some currencies
_MAX_DAYS = const(24)
_MAX_SWITCHES = const(16)
_MAX_ALL_SWITCHES = const(100)  # as JSON they take 100 bytes of heap each while the document is read
_MAX_WEEKS = const(12)
_MAX_SEASONS = const(12)
_MAX_SPECIAL_DAYS = const(64)
_MAX_STEPS = const(6)
_MAX_STEP_KWH = const(1_000_000)
_MAX_SIGNALS = const(12)
_ALWAYS = ("name", "currency", "standing", "steps", "from", "signals")
_KEYS = ("price", "rates", "days", "weeks", "seasons", "special_days", "fallback")


def read(doc) -> Tariff:
    """Tariff from a document; ConfigError naming the first thing wrong."""
    keys(doc, "", _ALWAYS + _KEYS)
    tariff = _rates(doc)
    if "price" not in doc:
        _calendar(doc, tariff)
    if "standing" in doc:
        tariff.standing_micro = _price(doc["standing"], "standing")
    if "steps" in doc:
        tariff.steps = _steps(_some(doc, "steps", list, _MAX_STEPS), min(tariff.prices_micro))
    if "from" in doc:
        tariff.from_minute = _minute(doc["from"], "from")
    if "signals" in doc:
        tariff.signals = _signals(_some(doc, "signals", list, _MAX_SIGNALS, 0), tariff.steps)
    return tariff


def _rates(doc):
    title = name(doc.get("name"), "name", 20)
    code = currency(doc.get("currency"), "currency")
    if "price" in doc:
        for key in doc:
            if key != "price" and key not in _ALWAYS:
                raise ConfigError(key, 'does not go with a single "price"')
        return Tariff(title, code, ("flat",), (_price(doc["price"], "price"),))

    rates = []
    prices = []
    for i, rate in enumerate(_some(doc, "rates", list, RATES)):
        path = f"rates[{i}]"
        keys(rate, path, ("name", "price"))
        rate_name = name(rate.get("name"), path + ".name", 12)
        if rate_name in rates:
            raise ConfigError(path + ".name", f'"{rate_name}" is there twice')
        rates.append(rate_name)
        prices.append(_price(rate.get("price"), path + ".price"))

    tariff = Tariff(title, code, tuple(rates), tuple(prices))
    if "fallback" in doc or len(rates) > 1:
        tariff.fallback = _index(doc.get("fallback"), rates, "rate", "fallback")
    return tariff


def _calendar(doc, tariff):
    """Fill in when which rate holds."""
    day_names, days = _named(doc, "days", _MAX_DAYS, _day, tariff.rate_names)
    tariff.days = tuple(days)
    n = sum([len(switches) for switches in tariff.days]) // 2
    if n > _MAX_ALL_SWITCHES:
        raise ConfigError("days", f"hold {n} switch times together; must be 1 to {_MAX_ALL_SWITCHES}")
    week_names = [None]
    if "weeks" in doc or len(day_names) > 1:
        week_names, weeks = _named(doc, "weeks", _MAX_WEEKS, _week, day_names)
        tariff.weeks = b"".join(weeks)
    if "seasons" in doc or len(week_names) > 1:
        tariff.seasons = _seasons(_some(doc, "seasons", list, _MAX_SEASONS), week_names)
    if "special_days" in doc:
        tariff.special = _special(_some(doc, "special_days", list, _MAX_SPECIAL_DAYS, 0), day_names)


def _steps(entries, least_micro):
    out = []
    before = 0
    for i, entry in enumerate(entries):
        path = f"steps[{i}]"
        kwh, more = _pair(entry, path, '[100, "0.05"]')
        if integer(kwh, path, 1, _MAX_STEP_KWH) <= before:
            raise ConfigError(path, f"{kwh} does not come after {before}; steps must rise")
        before = kwh
        more_micro = micro(more, path, -_MAX_PRICE_MICRO, _MAX_PRICE_MICRO)
        least_micro += more_micro
        if least_micro < 0:
            raise ConfigError(path, "makes the cheapest rate cost less than nothing")
        out.extend((kwh * COUNTS_PER_KWH, more_micro))
    return tuple(out)


def _signals(entries, steps):
    out = []
    before = 0
    # With all steps that make it cheaper, a price must not be less than nothing.
    least_micro = more_micro = 0
    for i in range(1, len(steps), 2):
        more_micro += steps[i]
        least_micro = min(least_micro, more_micro)
    for i, entry in enumerate(entries):
        path = f"signals[{i}]"
        if type(entry) is not list or len(entry) != 4:
            raise ConfigError(path, 'must read ["2027-01-15 17:00", "2027-01-15 20:00", "0.90", "name"]')
        begins = _minute(entry[0], path)
        ends = _minute(entry[1], path)
        if begins < before or ends <= begins:
            raise ConfigError(path, "must begin after the one before, and before it ends")
        before = ends
        price_micro = _price(entry[2], path)
        if price_micro + least_micro < 0:
            raise ConfigError(path, "with the steps costs less than nothing")
        out.append((begins, ends, price_micro, name(entry[3], path, 12)))
    return tuple(out)


def _minute(text, path):
    """Minutes of local time since 2000 of "2027-01-01 00:00"."""
    if (
        type(text) is not str
        or len(text) != 16
        or text[:2] != "20"
        or not digits(text[:4])
        or text[4] + text[10] != "- "
    ):
        raise ConfigError(path, 'must be a time such as "2027-01-01 00:00"')
    year = int(text[:4])
    month, day = month_day(text[5:10], path, year)
    return calendar.days(year, month, day) * 1440 + minute_of_day(text[11:], path)


def _price(value, path):
    return micro(value, path, 0, _MAX_PRICE_MICRO)


def _some(doc, key, wanted, most, least=1):
    """A list or object that must be there, with least..most entries."""
    value = doc.get(key)
    if value is None:
        raise ConfigError(key, "is missing")
    if kind(value) is not wanted:
        raise ConfigError(key, "must be a JSON " + ("list" if wanted is list else "object"))
    if not least <= len(value) <= most:
        raise ConfigError(key, f"has {len(value)} entries; must be 1 to {most}")
    return value


def _named(doc, key, most, take, known):
    """The names in an object, sorted, and what take() makes of what each names."""
    entries = _some(doc, key, dict, most)
    names = sorted(entries)
    return names, [take(entries[name], key + "." + name, known) for name in names]


def _index(value, names, what, path):
    if value is None or kind(value) in (dict, list):
        raise ConfigError(path, f"needs the name of a {what}")
    if value not in names:
        raise ConfigError(path, f'no {what} is called "{value}"')
    return names.index(value)


def _pair(entry, path, example):
    if type(entry) is not list or len(entry) != 2:
        raise ConfigError(path, "must read " + example)
    return entry


def _day(entries, path, rates):
    out = bytearray()
    before = -1
    for i, entry in enumerate(_some({path: entries}, path, list, _MAX_SWITCHES)):
        here = f"{path}[{i}]"
        at, rate = _pair(entry, here, '["06:30", "rate"]')
        minute = minute_of_day(at, here)
        if i == 0 and minute:
            raise ConfigError(here, f"begins at {at}; a day must begin at 00:00")
        if minute == before:
            raise ConfigError(here, f"{at} is there twice")
        if minute < before:
            raise ConfigError(here, f"{at} comes after {entries[i - 1][0]}; times must rise")
        before = minute
        switch = minute << 3 | _index(rate, rates, "rate", here)
        out.append(switch >> 8)
        out.append(switch & 255)
    return bytes(out)


def _week(entries, path, day_names):
    if type(entries) is not list or len(entries) != 7:
        raise ConfigError(path, "must list seven days, Monday first")
    return bytes([_index(key, day_names, "day", f"{path}[{i}]") for i, key in enumerate(entries)])


def _seasons(entries, week_names):
    out = bytearray()
    before = (0, 0)
    for i, entry in enumerate(entries):
        path = f"seasons[{i}]"
        text, week = _pair(entry, path, '["04-01", "week"]')
        # 2001: a season cannot start on a day that three years in four do not have.
        first = month_day(text, path, 2001)
        if first <= before:
            raise ConfigError(path, f"{text} does not come after {entries[i - 1][0]}; dates must rise")
        before = first
        out.extend(bytes(first))
        out.append(_index(week, week_names, "week", path))
    return bytes(out)


def _special(entries, day_names):
    exact = bytearray()
    every = bytearray()
    for i, entry in enumerate(entries):
        path = f"special_days[{i}]"
        text, profile = _pair(entry, path, '["2026-12-25", "day"] or ["*-12-25", "day"]')
        year, month, day = day_of(text, path)
        table = every if year == calendar.EVERY_YEAR else exact
        for j in range(0, len(table), 4):
            if table[j] == year and table[j + 1] == month and table[j + 2] == day:
                raise ConfigError(path, f"{text} is there twice")
        table.extend(bytes((year, month, day, _index(profile, day_names, "day", path))))
    return bytes(exact + every)
