# SPDX-License-Identifier: Apache-2.0
"""Registers by rate and by phase under power cuts.

The ledger has the totals, the record of registers what they came to when the rate in force began (FORMAT.md,
"Registers"). So at every ledger record the rates add up to the totals, each of the four energies, with nothing left
over; none of them falls. A record that says so is written in the tick that begins the rate, with the totals of the
ledger record before that tick. Only a tick whose power failed before that write leaves its energy to the rate
before, and the first tick of the next start makes up for it: the second tick of a start finds the right rate there.
"""

from meter.storage import registers

from host_tests.bench.views.registers import now_by_rate, read_registers

_NAMES = ("export", "reactive import", "reactive export", "apparent energy")


def totals_of(state) -> tuple:
    return state.export_counts, state.q_import_counts, state.q_export_counts, state.va_counts


def is_registers(at: int, data: bytes) -> bool:
    return at in (registers.SLOT_A, registers.SLOT_B) and len(data) == registers.SIZE


class RegisterRules:
    """Public: last (the newest record written whole, or None). All methods give sentences about what is wrong."""

    def __init__(self, plant):
        self._fram = plant.fram
        self.last = None
        self._rate = None  # of the last tick of this start
        self._by_rate = [(0, 0, 0, 0)] * 8

    def power_on(self):
        self._rate = None
        return self.close()

    def close(self):
        """Is the newest record that was stored the one that is there?"""
        kept = read_registers(self._fram)
        if kept != self.last:
            yield f"registers {kept and kept.sequence} are there, {self.last and self.last.sequence} were stored"

    def booked(self, old, new, rate):
        """A ledger record is written. rate: by the calendar, None if it is no tick's."""
        if rate is not None:
            if self._rate is not None and (self.last is None or self.last.rate != self._rate):
                yield f"a tick of rate {self._rate} was not followed by its registers"
            self._rate = rate
        for n, (was, now) in enumerate(zip(old.phase_counts, new.phase_counts, strict=False)):
            if now < was:
                yield f"register {n} of the phases fell from {was} to {now}"
        if self.last:
            # Between the tick that begins a rate and the write that says so, its energy looks like the other rate's.
            settled = self._rate is None or self._rate == self.last.rate
            yield from self._moved(now_by_rate(self.last, totals_of(new)), totals_of(new), settled)

    def stored(self, before, state):
        """A record is written. before: the ledger record before the newest, which is `state`."""
        record, last = read_registers(self._fram), self.last
        if record is None or record.sequence != (last.sequence + 1 if last else 1):
            yield f"registers {record and record.sequence} were written after {last and last.sequence}"
            return
        self.last = record
        began = last is None or record.rate != last.rate
        if began and record.totals != totals_of(before):
            yield f"rate {record.rate} began with {record.totals}, the ledger had {totals_of(before)}"
        if began and last and record.rates != now_by_rate(last, record.totals):
            yield f"rate {record.rate} began with {record.rates}, not {now_by_rate(last, record.totals)}"
        if not began and (record.totals, record.rates) != (last.totals, last.rates):
            yield f"the registers of rate {record.rate} were moved while it is in force"
        # Before a start's first tick there is no clock, and the fallback is in force: for no energy at all.
        if self._rate not in (None, record.rate):
            yield f"registers say rate {record.rate}, it is {self._rate}"
        yield from self._moved(record.rates, record.totals, began)
        yield from self._moved(now_by_rate(record, totals_of(state)), totals_of(state), True)
        yield from self._month(record, last, before, state)

    def _moved(self, by_rate, totals, settled):
        sums = tuple(map(sum, zip(*by_rate, strict=True)))
        for name, all_rates, total in zip(_NAMES, sums, totals, strict=True):
            if all_rates != total:
                yield f"the rates add up to {all_rates} counts of {name}, the ledger has {total}"
        if not settled:
            return
        for rate, (was, now) in enumerate(zip(self._by_rate, by_rate, strict=True)):
            for name, before, after in zip(_NAMES, was, now, strict=True):
                if after < before:
                    yield f"{name} of rate {rate} fell from {before} to {after}"
        self._by_rate = by_rate

    def _month(self, record, last, before, state):
        if record.month != state.month:
            yield f"registers of month {record.month} in month {state.month}"
        if last is None or record.month != last.month:
            costs = (*before.rate_cost_micro, before.charges_micro)
            if record.month_costs_micro != costs:
                yield f"month {record.month} began with costs {record.month_costs_micro}, not {costs}"
            if any(peak.counts for maximum in record.maxima for peak in maximum):
                yield f"month {record.month} began with the maxima of another"
            return
        if record.month_costs_micro != last.month_costs_micro:
            yield "what the month began with has changed"
        for was, now in zip(last.maxima, record.maxima, strict=True):
            if now.block.counts < was.block.counts or now.sliding.counts < was.sliding.counts:
                yield f"a maximum fell: {was} to {now}"
            if now.block.counts > now.sliding.counts:
                yield f"a block has more than any interval: {now}"
