# SPDX-License-Identifier: Apache-2.0
"""What export, reactive and apparent energy came to in each rate, the month's maximum demand, and what is frozen.

One record, two copies in FRAM (FORMAT.md, "Registers"). The ledger has the totals, this record has them as they stood
when the rate changed last: what has come since belongs to the rate in force. So nothing here is written each second,
nothing is lost with the power, and the rates always add up to the total.
"""

import struct
from array import array

from micropython import const

from meter.core.state import RATES
from meter.storage.map import REGISTERS_A as SLOT_A
from meter.storage.map import REGISTERS_B as SLOT_B
from meter.storage.twin import Twin

SIZE = const(508)
_MAGIC = const(0x5250)  # "PR"
_TOTALS_AT = const(8)
_TOTALS = "<4Q"  # export, q_import, q_export, va
_RATE_AT = const(40)
_MONTH_AT = const(42)
_PATTERN_AT = const(44)
_MINUTES_AT = const(46)
_RATES_AT = const(48)  # 8 of the same four
_RATE_N = const(32)
_MAXIMA_AT = const(304)  # 8 of block, sliding: counts u32, utc_s u32 of the interval's end
_COSTS_AT = const(432)  # 9 of i64: rate_cost_micro and charges_micro when the month began
_COSTS = "<9q"
_CALENDAR = "<H"


class Registers(Twin):
    """The newest sound record, or an empty one. Raises BusError, as does store()."""

    def __init__(self, fram):
        super().__init__(fram, SLOT_A, SLOT_B, SIZE, _MAGIC)

    @property
    def rate(self) -> int:
        """The rate in force since the totals kept here; -1: none yet."""
        return self.buf[_RATE_AT] - 1

    def begin_rate(self, totals, rate: int) -> None:
        """Another rate is in force since the totals (export, reactive import and export, apparent energy) were so.
        The first of all gets what was counted before it: rates always add up to the totals."""
        if self.rate < 0:
            totals = (0, 0, 0, 0)
        else:
            struct.pack_into(_TOTALS, self.buf, _RATES_AT + self.rate * _RATE_N, *self.in_rate(totals, self.rate))
        struct.pack_into(_TOTALS, self.buf, _TOTALS_AT, *totals)
        self.buf[_RATE_AT] = rate + 1
        self.changed = True

    def in_rate(self, totals, rate: int) -> list:
        """The same four of a rate, in counts. totals: as they are now."""
        counts = list(struct.unpack_from(_TOTALS, self.buf, _RATES_AT + rate * _RATE_N))
        if rate == self.rate:
            before = struct.unpack_from(_TOTALS, self.buf, _TOTALS_AT)
            for i in range(4):
                counts[i] = max(0, counts[i] + totals[i] - before[i])
        return counts

    # -- maximum demand ---------------------------------------------------------------------------

    def maxima(self):
        """As core/demand.py has them."""
        return array("I", [self.peak(i)[0] for i in range(2 * RATES)])

    def peak(self, i: int) -> tuple:
        """(counts, utc_s of the interval's end) of maximum i."""
        return struct.unpack_from("<II", self.buf, _MAXIMA_AT + 8 * i)

    def put_peak(self, i: int, counts: int, utc_s: int) -> None:
        struct.pack_into("<II", self.buf, _MAXIMA_AT + 8 * i, counts, utc_s)
        self.changed = True

    @property
    def minutes(self) -> int:
        """The interval of the maxima; 0: none yet."""
        return struct.unpack_from(_CALENDAR, self.buf, _MINUTES_AT)[0]

    def begin_maxima(self, minutes: int) -> None:
        """All maxima begin again, with this interval."""
        struct.pack_into(_CALENDAR, self.buf, _MINUTES_AT, minutes)
        self.buf[_MAXIMA_AT:_COSTS_AT] = bytes(_COSTS_AT - _MAXIMA_AT)
        self.changed = True

    # -- months -----------------------------------------------------------------------------------

    @property
    def month(self) -> int:
        """The billing month under way, as MeterState.month; 0: none yet."""
        return struct.unpack_from(_CALENDAR, self.buf, _MONTH_AT)[0]

    def begin_month(self, costs_micro, month: int) -> None:
        """costs_micro: by rate, and charges, up to
        now."""
        struct.pack_into(_CALENDAR, self.buf, _MONTH_AT, month)
        struct.pack_into(_COSTS, self.buf, _COSTS_AT, *costs_micro)
        self.changed = True

    def month_costs(self):
        """rate_cost_micro and charges_micro when the month began."""
        return array("q", struct.unpack_from(_COSTS, self.buf, _COSTS_AT))

    @property
    def pattern_day(self) -> int:
        """The day consumption was last found odd."""
        return struct.unpack_from(_CALENDAR, self.buf, _PATTERN_AT)[0]

    def odd_on(self, day: int) -> None:
        """Consumption was found odd on that day."""
        struct.pack_into(_CALENDAR, self.buf, _PATTERN_AT, day)
        self.changed = True

    def image(self, totals) -> bytes:
        """What a frozen record holds of this one: all rates as they are now, and the maxima."""
        buf = bytearray(self.buf[_RATES_AT:_COSTS_AT])
        if self.rate >= 0:
            struct.pack_into(_TOTALS, buf, self.rate * _RATE_N, *self.in_rate(totals, self.rate))
        return bytes(buf)
