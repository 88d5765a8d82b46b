# SPDX-License-Identifier: Apache-2.0
"""Good tariff documents for hypothesis: the whole language of documents/tariff_doc.py, with what is
in them near one moment.

near: where a test looks. Switch times, special days, seasons, signals and the begin of a later tariff are drawn within
minutes or a day of it as often as anywhere, so that a short look crosses them.
"""

from datetime import date, datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st
from meter.documents import tariff_doc

MOST_MICRO = tariff_doc._MAX_PRICE_MICRO
_WHEN = datetime(2024, 1, 1), datetime(2027, 12, 31, 23, 59)
_names = st.text("abcdef \u00e9", max_size=4)
_shown = st.text("abc XYZ-09", min_size=1, max_size=12)


def text_of(micro: int) -> str:
    """A price as a document has it."""
    sign, micro = "-" if micro < 0 else "", abs(micro)
    return f"{sign}{micro // 1_000_000}.{micro % 1_000_000:06d}"


def prices(low: int = 0, high: int = MOST_MICRO):
    """Prices in millionths, mostly small ones."""
    return st.one_of(st.integers(low, min(high, max(low, 2_000_000))), st.integers(low, high))


@st.composite
def moments(draw):
    """A local time, often just at a day's, month's or year's begin."""
    moment = draw(st.datetimes(*_WHEN)).replace(second=0, microsecond=0)
    kind = draw(st.integers(0, 5))
    if kind < 3:
        moment = moment.replace(hour=0, minute=0)
    if kind == 1:
        moment = moment.replace(day=1)
    if kind == 2:
        moment = draw(st.sampled_from((datetime(2024, 2, 29), datetime(2024, 3, 1), datetime(2026, 1, 1), moment)))
    return moment


def _around(near, minutes: int):
    """Times within this many minutes of it, on the same calendar as the document."""
    offsets = st.integers(-minutes, minutes)
    return offsets.map(lambda n: near + timedelta(minutes=n))


def _days_near(near, first: date, last: date):
    close = st.sampled_from([(near + timedelta(n)).date() for n in (-1, 0, 1)])
    return st.one_of(st.dates(first, last), close)


@st.composite
def _day(draw, near, rates):
    close = _around(near, 4).map(lambda moment: moment.hour * 60 + moment.minute)
    times = draw(st.sets(st.one_of(st.integers(1, 1439), close), max_size=6)) | {0}
    return [[f"{t // 60:02d}:{t % 60:02d}", draw(st.sampled_from(rates))] for t in sorted(times)]


@st.composite
def _calendar(draw, near, rates):
    days = draw(st.lists(_names, min_size=1, max_size=5, unique=True))
    weeks = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    doc: dict = {"days": {name: draw(_day(near, rates)) for name in days}}
    each = st.lists(st.sampled_from(days), min_size=7, max_size=7)
    if len(days) > 1 or draw(st.booleans()):
        doc["weeks"] = {name: draw(each) for name in weeks}
    else:
        weeks = []
    plain = _days_near(near, date(2001, 1, 1), date(2001, 12, 31)).map(lambda d: d.strftime("%m-%d"))
    if len(weeks) > 1 or (weeks and draw(st.booleans())):
        begins = draw(st.sets(plain.filter(lambda text: text != "02-29"), min_size=1, max_size=6))
        doc["seasons"] = [[day, draw(st.sampled_from(weeks))] for day in sorted(begins)]
    dates = _days_near(near, date(2024, 1, 1), date(2027, 12, 31))
    special = st.one_of(dates.map(lambda d: d.strftime("*-%m-%d")), dates.map(lambda d: d.isoformat()))
    if draw(st.booleans()):
        found = draw(st.lists(special, max_size=8, unique=True))
        doc["special_days"] = [[day, draw(st.sampled_from(days))] for day in found]
    return doc


@st.composite
def _steps(draw, least):
    """[kWh, price], none of which makes a rate of `least` cost less than nothing; and what they take off at most."""
    steps, total, lowest = [], 0, 0
    for kwh in sorted(draw(st.sets(st.one_of(st.integers(1, 3), st.integers(1, 1_000_000)), min_size=1, max_size=6))):
        more = draw(st.one_of(prices(-min(least, MOST_MICRO), 0), prices()))
        steps.append([kwh, text_of(more)])
        least += more
        total += more
        lowest = min(lowest, total)
    return steps, -lowest


@st.composite
def _signals(draw, near, low):
    times = sorted(draw(st.sets(_around(near, 9), min_size=2, max_size=8)))
    if draw(st.booleans()):
        pairs = list(pairwise(times))  # each begins when the one before ends
    else:
        pairs = list(zip(times[::2], times[1::2], strict=False))
    return [
        [f"{begins:%Y-%m-%d %H:%M}", f"{ends:%Y-%m-%d %H:%M}", text_of(draw(prices(low))), draw(_shown)]
        for begins, ends in pairs
    ]


@st.composite
def documents(draw, near: datetime = datetime(2026, 3, 1), currency: str = "EUR", later: bool = False):
    """later: one that waits for its time."""
    doc: dict = {"name": draw(_shown), "currency": currency}
    each = [draw(prices())]
    if draw(st.integers(0, 4)) == 0:
        doc["price"] = text_of(each[0])
    else:
        each += [draw(prices()) for _ in range(draw(st.integers(0, 7)))]
        rates = draw(st.lists(_shown, min_size=len(each), max_size=len(each), unique=True))
        doc["rates"] = [{"name": name, "price": text_of(price)} for name, price in zip(rates, each, strict=True)]
        doc |= draw(_calendar(near, rates))
        if len(rates) > 1 or draw(st.booleans()):
            doc["fallback"] = draw(st.sampled_from(rates))
    if draw(st.booleans()):
        doc["standing"] = text_of(draw(prices()))
    off = 0
    if draw(st.booleans()):
        doc["steps"], off = draw(_steps(min(each)))
    if draw(st.booleans()):
        doc["signals"] = draw(_signals(near, off))
    if later or draw(st.integers(0, 4)) == 0:
        doc["from"] = f"{draw(_around(near, 4)):%Y-%m-%d %H:%M}"
    return doc
