# SPDX-License-Identifier: Apache-2.0
"""Money, energy and time between text and integers, without rounding and without floats.

Money is in millionths of the currency unit (micro), energy in counts of 3125 uWh, time in seconds since
2000-01-01 UTC. parse_money() raises FormatError in words.
"""

import re
import time
from datetime import UTC, datetime, timedelta

from scripts.supplier.errors import FormatError

AMOUNT_MAX_MICRO = 10**15  # a thousand million units; a meter takes what is beyond for damage
COUNT_UWH = 3125
_EPOCH_2000_S = 946_684_800
_UTC_MAX_S = 2**32 - 1
_MONEY = re.compile(r"([0-9]{1,24})(?:\.([0-9]{1,24}))?")


def parse_money(text: str, what: str = "amount", zero: bool = False) -> int:
    """Millionths from a decimal number such as 20, 20.5 or 0.000001. At most 10^9 units, and more than nothing unless
    zero will do."""
    text = text.strip()
    if text.startswith("-") and not text.startswith("--"):
        raise FormatError(f"The {what} {text} is negative. Give what the customer pays, for example 20.00.")
    found = _MONEY.fullmatch(text)
    if found is None:
        raise FormatError(f"The {what} {text!r} is not a number. Write it with a point, for example 20.00.")
    whole, part = found[1], found[2] or ""
    if len(part.rstrip("0")) > 6:
        raise FormatError(f"The {what} {text} has more than six decimals, and none is rounded away here.")
    micro = int(whole) * 1_000_000 + int(part[:6].ljust(6, "0"))
    if micro == 0 and not zero:
        raise FormatError(f"The {what} is zero. Give what the customer pays, for example 20.00.")
    if micro > AMOUNT_MAX_MICRO:
        raise FormatError(f"The {what} {text} is above the limit of {money_text(AMOUNT_MAX_MICRO)}.")
    return micro


def money_text(micro: int) -> str:
    """All decimals that are not zero, and at least two: 20.00, 0.125, -3.50."""
    whole, part = divmod(abs(micro), 1_000_000)
    decimals = f"{part:06d}"
    kept = max(2, len(decimals.rstrip("0")))
    return f"{'-' if micro < 0 else ''}{whole}.{decimals[:kept]}"


def energy_text(counts: int) -> str:
    """kWh with three decimals; the rest below one Wh is not shown."""
    wh = counts * COUNT_UWH // 1_000_000
    return f"{wh // 1000}.{wh % 1000:03d} kWh"


def now_utc_s() -> int:
    """This computer's time. FormatError when its clock is before 2000 or after 2136: then it is not set."""
    now = int(time.time()) - _EPOCH_2000_S
    if not 0 < now <= _UTC_MAX_S:
        raise FormatError("This computer's clock is wrong. Set it, because a sale carries its time.")
    return now


def time_text(utc_s: int) -> str:
    """UTC to the second; a meter whose clock is not valid says 0."""
    if utc_s == 0:
        return "clock not set"
    return (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=utc_s)).strftime("%Y-%m-%d %H:%M:%S UTC")
