# SPDX-License-Identifier: Apache-2.0
"""A year of the household against an independent oracle: python -m host_tests.years.year [--days 365] [--json].

The firmware's Books with ledger, event log, readings and registers on the FRAM's chip model and frozen registers on
simulated NOR flash, ticking about once a minute, and each second where something begins, ends or is decided
(year_world.py says what happens). Registers, rates, prices, maximum demand with its time, every frozen reading and the
costs of today, yesterday and this month must equal year_oracle.py exactly: at midnights, after all that happens, and
at random moments. Prints each difference; exit 1 when there is one.

    one, three    365 days, a tick a minute; one phase and billing day 1, three phases and billing day 23
    long          40 months of few ticks: the rings of frozen registers turn
    ill           a week in which flash and FRAM fail for hours over midnights and rate switches; looked at when they
                  are well again. The end of a maximum found meanwhile may be minutes late, and is not compared

For speed nothing on loan is let go, so that modules needed for a moment stay loaded, except on one day of each run.
"""

import argparse
import json
import sys
import time
import types
from datetime import date, timedelta
from importlib import import_module

from host_tests.bench.plant.clock import VirtualTime
from host_tests.bench.plant.flash import RINGS_AT, SECTOR, NorFlash
from host_tests.bench.views.registers import now_by_rate, read_registers
from host_tests.bench.views.rings import read_frozen
from host_tests.years.year_oracle import EPOCH, Oracle
from host_tests.years.year_world import DOCUMENTS, HOLDS_FROM, ILL, SETTINGS, House, Schedule
from scripts.chips import I2cNak
from scripts.chips.mb85rc256v import Mb85rc256vChip

BEGIN = date(2026, 1, 1)
DAYS_KEPT, MONTHS_KEPT = 67, 25  # storage/freezes.py promises them
_CLOSELY_S = 2400  # after each thing that happens
_SHARE = 97  # of this many ticks, one at random is looked at
_DIFFERENCES = 20  # are enough


class Resident:
    """Between keep() and release(), what is loaded for a moment stays loaded; afterwards nothing of it is left."""

    def __init__(self):
        from meter import heap

        self.heap = heap
        self.let_go = heap._let_go
        self.before = set(sys.modules)

    def keep(self):
        self.heap._let_go = lambda module: None

    def release(self):
        self.heap._let_go = self.let_go
        for name in list(sys.modules):
            if name.startswith("meter.") and name not in self.before and name.count(".") == 2:
                self.let_go(name.removeprefix("meter."))


class _I2c:
    """machine.I2C as far as drivers/fram.py asks for it, with one part on it."""

    def __init__(self, chip):
        self.chip = chip

    def readfrom_mem_into(self, addr, at, buf, addrsize):
        try:
            self.chip.i2c_write(at.to_bytes(2, "big"), 0, 0)
            buf[:] = self.chip.i2c_read(len(buf), 0, 0)
        except I2cNak:
            raise OSError(19) from None

    def writeto_mem(self, addr, at, buf, addrsize):
        try:
            self.chip.i2c_write(at.to_bytes(2, "big") + bytes(buf), 0, 0)
        except I2cNak:
            raise OSError(19) from None


class _Rings:
    """esp32.Partition "rings" over the flash chip."""

    def __init__(self, flash):
        self.flash = flash

    def readblocks(self, block, buf, offset=0):
        buf[:] = self.flash.read(RINGS_AT + block * SECTOR + offset, len(buf))

    def writeblocks(self, block, buf, offset):
        if not self.flash.program(RINGS_AT + block * SECTOR + offset, bytes(buf)):
            raise OSError(5)

    def ioctl(self, op, arg):
        assert op == 6, "nothing but erases"
        return 0 if self.flash.erase(RINGS_AT // SECTOR + arg) else -5


class _Partition:
    """esp32.Partition. newest: of the meter made last; modules that stay loaded keep this class."""

    newest: _Rings

    @classmethod
    def find(cls, kind, label):
        return [cls.newest]


class Meter:
    """The books over their chips, and what they need to be started again."""

    def __init__(self, settings, documents):
        self.chip = Mb85rc256vChip()
        self.chip.power_on(0)
        self.flash = NorFlash()
        self.fram = import_module("meter.drivers.fram").Fram(_I2c(self.chip))
        self.sample = import_module("meter.drivers.metering_ic.sample").Sample()
        self.config = import_module("meter.documents.parse").settings
        self.tariff = import_module("meter.documents.parse").tariff
        _Partition.newest = _Rings(self.flash)
        sys.modules["esp32"] = esp32 = types.ModuleType("esp32")
        vars(esp32)["Partition"] = _Partition
        self.read(settings, documents)
        self.power_on()

    def read(self, settings, documents):
        self.cfg = self.config(settings)
        self.tariffs = [doc and self.tariff(doc) for doc in documents]

    def power_on(self):
        books = import_module("meter.books.books")
        ledger = import_module("meter.storage.ledger").Ledger(self.fram)
        events = import_module("meter.storage.events").EventLog(self.fram)
        state = import_module("meter.core.state").MeterState()
        self.books = books.Books(state, (ledger, events, self.fram), self.cfg, *self.tariffs)
        import_module("meter.books.opening").read_ledger(self.books)

    def tick(self, utc_s, counts):
        sample = None
        if counts is not None:
            sample = self.sample
            for name, value in counts.items():
                setattr(sample, "phase_counts" if name == "phases" else name, value)
        self.books.tick(sample, utc_s)


# -- comparison ---------------------------------------------------------------------------------------


def _differ(where, found, wanted):
    return [f"{where}.{name}: {found[name]} != {wanted[name]}" for name in wanted if found[name] != wanted[name]]


def _maxima(maxima, timed):
    """(block, sliding) of each rate, each (counts, end); without its end if a silent FRAM may have made it later."""
    return [tuple(tuple(one) if timed else one[0] for one in maximum) for maximum in maxima]


def of_books(meter, oracle, timed):
    """State, what is shown, and the register record."""
    books, s = meter.books, meter.books.s
    wanted = oracle.state()
    out = _differ("state", {name: getattr(s, name) for name in wanted}, wanted)
    wanted = oracle.shown()
    shown = vars(books.terms) | vars(books.spending)
    found = {name: shown[name] for name in wanted}
    found["month_cost_micro"] = found["month_cost_micro"] and list(found["month_cost_micro"])
    out += _differ("books", found, wanted)
    record = read_registers(meter.chip)
    found = {
        "rate": record.rate,
        "month": record.month,
        "maxima": _maxima(record.maxima, timed),
        "rates": now_by_rate(record, (s.export_counts, s.q_import_counts, s.q_export_counts, s.va_counts)),
        "month_costs_micro": list(record.month_costs_micro),
    }
    wanted = {
        "rate": oracle.rate,
        "month": wanted_month(oracle.month) if oracle.month else 0,
        "maxima": _maxima(oracle.maxima, timed),
        "rates": [tuple(rate.values()) for rate in oracle.by_rate],
        "month_costs_micro": oracle.month_cost or [0] * 9,
    }
    return out + _differ("registers", found, wanted)


def wanted_month(month):
    return month - 24_000


def of_frozen(meter, oracle, timed):
    """All readings kept; how many there must be."""
    out = []
    for months, kept in ((False, DAYS_KEPT), (True, MONTHS_KEPT)):
        where = "month" if months else "day"
        found = read_frozen(meter.flash, months)
        wanted = oracle.months if months else oracle.days
        if not min(len(wanted), kept) <= len(found) <= len(wanted):
            out.append(f"{where}s frozen: {len(found)} readings of {len(wanted)}")
        newest = wanted[-len(found) :] if found else []
        for reading, then in zip(found, newest, strict=False):
            number = (lambda n: n - 24_000) if months else (lambda day: (day - EPOCH.date()).days)
            then = {**then, "first": number(then["first"]), "last": number(then["last"])}
            got = reading._asdict()
            got["maxima"], then["maxima"] = _maxima(reading.maxima, timed), _maxima(then["maxima"], timed)
            out += _differ(f"{where} {then['first']}-{then['last']}", got, then)
    return out


# -- a run --------------------------------------------------------------------------------------------


class Run:
    """variant: of SETTINGS. Public afterwards: ticks, compared, oracle, differences (text)."""

    def __init__(self, variant: str, begin: date, days: int, every_s: int = 60, enough: int = _DIFFERENCES, ill=()):
        """ill: more of year_world.STORY."""
        self.settings = self.first_settings = SETTINGS[variant]
        self.begin, self.days, self.enough = begin, days, enough
        self.schedule = Schedule(self.settings, every_s, ill)
        self.house = House(self.settings, self.schedule)
        self.number = 3 if begin >= HOLDS_FROM.date() else 0
        documents = DOCUMENTS[self.number]
        self.meter = Meter(self.settings, documents)
        self.oracle = Oracle(self.settings, *documents)
        self.timed = not ill
        self.ticks = self.compared = 0
        self.differences = []
        self.ahead_s = 0  # of the right clock
        self.off_until = self.lost_until = self.deaf_until = 0
        self.on = True
        self.at = self.closely_until = 0  # each minute is looked at
        self.ill_until = self.well_from = 0
        self.read_s = 0  # until when the IC has been read
        self.happened = {}

    def go(self, resident: Resident | None = None, progress=None) -> "Run":
        """resident: as keep() has left it; let go for the day in the middle."""
        for n in range(self.days):
            if resident and self.days > 1 and n == self.days // 2:
                resident.release()
            self._day(self.begin + timedelta(n))
            if resident and self.days > 1 and n == self.days // 2:
                resident.keep()
            if len(self.differences) >= self.enough:
                break
            if progress:
                progress(n + 1, self.days)
        self._compare("at the end", True)
        if self.meter.flash.violations:
            self.differences.append(f"flash: {self.meter.flash.violations[0]}")
        return self

    def _day(self, day):
        story = self.schedule.story(day)
        rand = self.schedule.random.randrange
        first = True
        for at in self.schedule.ticks(day, -self.ahead_s):
            happens = False
            while story and story[0][0] < at:
                self._happen(*story.pop(0))
                happens = True
            if at < self.off_until:
                continue
            rate = self.oracle.rate if self.ticks else None
            utc_s = None if at < self.lost_until else at + self.ahead_s
            self._tick(at, utc_s)
            closely = at < self.closely_until and at // 60 != self.at // 60
            self.at = at
            if first or happens or closely or rate != self.oracle.rate or rand(_SHARE) == 0:
                whole = first and (day.day in (1, 2, self.settings["billing_day"]) or rand(10) == 0)
                self._compare(f"{day} {at} {utc_s}", whole)
                if len(self.differences) >= self.enough:
                    return
            first = False

    def _tick(self, at, utc_s):
        if at >= self.ill_until:
            self.meter.flash.bad_sectors = set()
            self.meter.chip.powered = True
        if not self.on:
            self.on = True
            self.meter.power_on()
            self.oracle.power_on()
        counts = None
        if at >= self.deaf_until:
            lasted_s = at - self.read_s if self.read_s else 1
            if self.schedule.every_s > 60:
                lasted_s = min(lasted_s, 60)  # hours of energy in one minute would be the highest demand for good
            counts = self.house.use(at, lasted_s)
            self.read_s = at
        self.meter.tick(utc_s, counts)
        self.oracle.tick(utc_s, counts)
        self.ticks += 1

    def _happen(self, at, what, much):
        self.happened[what] = self.happened.get(what, 0) + 1
        self.closely_until = at + _CLOSELY_S + (much if what in ("off", "lost", "deaf") else 0)
        meter, oracle = self.meter, self.oracle
        if what == "off":
            self.off_until = self.read_s = at + much
            self.on = False
        elif what == "set":
            self.ahead_s += much
        elif what == "lost":
            self.lost_until = at + much
        elif what == "deaf":
            self.deaf_until = at + much
        elif what in ("flash", "fram"):
            self.ill_until, self.well_from = at + much, at + much + 200
            if what == "flash":
                meter.flash.bad_sectors = set(range(RINGS_AT // SECTOR, len(meter.flash.erases)))
            else:
                meter.chip.powered = False
        elif what == "buy":
            debt = 7_000_000 if much % 2 else 0
            import_module("meter.books.purchases").purchase(meter.books, much, debt)
            meter.books.keep()
            oracle.purchase(much, debt)
        else:
            if what == "tariff":
                self.number = much
            else:
                self.settings = {**self.settings, "demand_min": much or self.first_settings["demand_min"]}
            meter.read(self.settings, DOCUMENTS[self.number])
            meter.books.put_in_force(meter.cfg, *meter.tariffs)
            oracle.put_in_force(self.settings, *DOCUMENTS[self.number])

    def _compare(self, when, whole):
        if self.at < self.well_from:
            return
        self.compared += 1
        out = of_books(self.meter, self.oracle, self.timed)
        if whole:
            out += of_frozen(self.meter, self.oracle, self.timed)
        self.differences += [f"{when}: {text}" for text in out]


def _bar(title):
    began = time.monotonic()

    def show(n, of):
        if sys.stderr.isatty() or n == of or n % 30 == 0:
            done = 30 * n // of
            text = f"\r{title:6} [{'#' * done}{'.' * (30 - done)}] day {n} of {of}, {time.monotonic() - began:.0f} s"
            print(text, end="\n" if n == of else "", file=sys.stderr, flush=True)

    return show


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="year", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--variant", choices=("one", "three", "long", "ill"), help="only this one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    from host_tests.bench.run.cpython import install

    install(VirtualTime())  # Books ask asyncio for what MicroPython has
    import meter.books.books  # noqa: F401

    resident = Resident()
    resident.keep()
    figures = {}
    for name in (args.variant,) if args.variant else ("one", "three", "long", "ill"):
        if name == "long":
            run = Run("one", date(2026, 11, 1), min(args.days * 10 // 3, 1216), 14_400)
        elif name == "ill":
            run = Run("three", date(2026, 4, 10), 9, ill=ILL)
        else:
            run = Run(name, BEGIN, args.days)
        run.go(resident, _bar(name))
        oracle = run.oracle
        figures[name] = {
            "days": run.days, "ticks": run.ticks, "compared": run.compared, "differences": len(run.differences),
            "days_frozen": len(oracle.days), "months_frozen": len(oracle.months),
            "import_kwh": round(oracle.totals["import_counts"] / 320_000, 1), "happened": run.happened,
        }  # fmt: skip
        for text in run.differences:
            print(text, file=sys.stderr)
    if args.json:
        print(json.dumps(figures))
    else:
        for name, row in figures.items():
            print(f"{name}: {row['days']} days, {row['ticks']} ticks, compared {row['compared']} times, "
                  f"{row['differences']} differences")  # fmt: skip
    return 1 if any(row["differences"] for row in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
