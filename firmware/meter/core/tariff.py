# SPDX-License-Identifier: Apache-2.0
"""A tariff: rates, prices and the calendar they follow. Its document is described in
documents/tariff_doc.py, which rate is in force in rates.py. The tables are bytes: a whole tariff takes a few hundred.
"""

class Tariff:
    """A checked tariff, made by documents/parse.py. Rates are indices into rate_names and prices_micro."""

    def __init__(self, title, code, rate_names, prices_micro):
        self.name = title
        self.currency = code
        self.rate_names = rate_names
        self.prices_micro = prices_micro
        self.fallback = 0
        self.days: tuple = (b"\0\0",)  # per profile, two bytes per switch: minute << 3 | rate
        self.weeks = bytes(7)  # seven profiles per week
        self.seasons = b"\1\1\0"  # month, day, week
        self.special = b""  # year - 2000, month, day, profile
        self.standing_micro = 0  # a day
        self.steps: tuple = ()  # see account.book()
        self.signals: tuple = ()  # (first minute, minute behind the last, price_micro, name), as from_minute
        self.from_minute = 0  # of local time since 2000-01-01; until then the tariff before goes on
        self.before: tuple = ()  # (that tariff, utc_s when this one took its place); gone with the next document
