# SPDX-License-Identifier: Apache-2.0
"""What Books do with what is watched for: count it, log it, keep the evidence, switch off where that is wanted.

And the one thing that is found without watch.py: a clock that was set back, while power was off or while it was on.
"""

import asyncio
import struct
from datetime import datetime, timedelta

import pytest
from meter.books import opening
from meter.books.books import Books
from meter.commands import cover_reset
from meter.core import codes, supply
from meter.core.errors import StorageError
from meter.core.state import KINDS, MeterState, times
from meter.documents import parse
from meter.drivers.fram import Fram
from meter.drivers.metering_ic.sample import Sample
from meter.metering.clock import Clock
from meter.storage.events import EventLog
from meter.storage.incidents import Incidents
from meter.storage.ledger import SLOT_A, SLOT_B, Ledger

from host_tests.bench.plant.direct import DirectI2C
from host_tests.bench.plant.flash import RINGS_AT
from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.views.rings import read_incidents
from scripts.chips.ds3231 import Ds3231Chip
from scripts.chips.mb85rc256v import Mb85rc256vChip

NOON = 828_000_000 // 86_400 * 86_400 + 43_200
Y2000 = datetime(2000, 1, 1)
KIND_OF = {name: getattr(codes, name) for name in dir(codes) if name.startswith("TAMPER_")}


class Meter:
    def __init__(self, rings, **doc):
        self.vt = VirtualTime()
        self.rings = rings
        self.cfg = parse.settings({"meter_number": "1", "initial_credit": "100", **doc})
        self.chip = Mb85rc256vChip(0x50)
        self.chip.power_on(0)
        self.boot()

    def boot(self):
        fram = Fram(DirectI2C(self.vt, [self.chip]))
        self.log = EventLog(fram)
        self.s = MeterState()
        one = parse.tariff({"name": "One", "currency": "EUR", "price": "0.25"})
        self.books = Books(self.s, (Ledger(fram), self.log, fram), self.cfg, one)
        opening.read_ledger(self.books)
        self.sample = Sample()
        return self

    def tick(self, utc_s):
        self.books.tick(self.sample, utc_s)
        return self

    @property
    def kept(self):
        state = MeterState()
        Ledger(Fram(DirectI2C(self.vt, [self.chip]))).load(state)
        return state

    @property
    def incidents(self):
        class Chip:
            read = lambda _, at, n: self.rings.flash.read(at - RINGS_AT, n)  # noqa: E731

        return read_incidents(Chip())

    def told(self, *wanted):
        records = [self.log.record(n) for n in range(1, self.log.next_number)]
        return [record for record in records if record and record[2] in wanted]


@pytest.fixture
def meter(rings):
    return Meter(rings).tick(NOON)


@pytest.mark.parametrize("name", KIND_OF)
def test_each_kind_of_tampering_is_counted_in_its_place(meter, name):
    kind = KIND_OF[name]
    meter.books.found(codes.LOG_COVER_OPEN + 2 * kind, 3, 1)
    assert [times(meter.s, n) for n in range(KINDS)] == [int(n == kind) for n in range(KINDS)]
    assert meter.kept.tampers == meter.s.tampers, "at once, not with the next tick"


@pytest.mark.parametrize("code", [81, 83, codes.LOG_OVER_VOLTAGE, codes.LOG_OVER_VOLTAGE + 1, codes.LOG_HIGH_FREQUENCY])
def test_an_end_and_the_quality_of_the_supply_count_as_no_tampering(rings, code):
    every = ["cover", "magnet", "reverse", "calibration"]
    meter = Meter(rings, tamper_trips=every).tick(NOON)
    meter.books.found(code, 0, 2800, 7)
    assert not any(meter.s.tampers) and meter.s.claims == 0
    assert len(meter.told(code)) == len(meter.incidents) == 1


def test_a_counter_stops_at_8_191(meter):
    meter.s.tampers[2:4] = struct.pack("<H", 0xFF)
    meter.books.found(codes.LOG_MAGNET_ON, 3, 1)
    assert times(meter.s, codes.TAMPER_MAGNET) == 0x100
    meter.s.tampers[2:4] = struct.pack("<H", 0x1FFE)
    for _ in range(3):
        meter.books.found(codes.LOG_MAGNET_ON, 3, 1)
    assert times(meter.s, codes.TAMPER_MAGNET) == 0x1FFF
    assert times(meter.s, codes.TAMPER_COVER) == times(meter.s, codes.TAMPER_REVERSE) == 0


def test_it_switches_off_only_where_the_settings_say_so(rings):
    meter = Meter(rings, tamper_trips=["magnet"]).tick(NOON)
    meter.books.found(codes.LOG_COVER_OPEN, 3, 1)
    assert meter.books.wants_closed() == 1
    meter.books.found(codes.LOG_MAGNET_ON, 3, 1)
    assert meter.books.wants_closed() == 0 and supply.reason(meter.s) == codes.CLAIM_TAMPER
    assert meter.kept.claims == codes.CLAIM_TAMPER
    assert [record[4] for record in meter.told(codes.LOG_TRIP)] == [codes.CLAIM_TAMPER]
    meter.books.found(codes.LOG_MAGNET_OFF, 3, 1, 9)
    assert meter.books.wants_closed() == 0, "until the supplier releases it"
    cover_reset.inspected(meter.books)
    assert meter.books.wants_closed() == 1


@pytest.mark.parametrize("phase, value", [(0, 2801), (2, 0), (3, 500), (1, -120), (0, -32_768)])
def test_the_log_has_the_figure_and_the_phase(meter, phase, value):
    meter.books.found(codes.LOG_REVERSE, phase, value)
    (record,) = meter.told(codes.LOG_REVERSE)
    assert (record[1], record[4] >> 2, record[4] & 3) == (NOON, value, phase)


def test_the_incident_has_what_was_measured(meter):
    sample = meter.sample
    sample.urms_mv[:] = [230_456, 1, 99_999_999]
    sample.irms_ma[:] = [5_678, 10, 0]
    sample.p_mw[:] = [1_234_567, -99_000, -99_999_999]
    sample.pf_milli[:] = [998, -1000, 0]
    sample.freq_chz = 5001
    meter.s.relay_closed = 1
    meter.tick(NOON + 1)
    meter.books.found(codes.LOG_OVER_CURRENT, 1, 7201)
    meter.books.found(codes.LOG_OVER_CURRENT + 1, 1, 7301, 65)
    begin, end = meter.incidents
    (logged, _) = meter.told(codes.LOG_OVER_CURRENT, codes.LOG_OVER_CURRENT + 1)
    assert begin.event == logged[0] and end.event == begin.event + 1
    assert (begin.utc_s, begin.code, begin.phase, begin.marks, begin.value) == (NOON + 1, 138, 1, 0, 7201)
    assert (begin.lasted_s, end.lasted_s, end.code, end.value) == (0, 65, 139, 7301)
    assert begin.u_dv == (2304, 0, 0xFFFF) and begin.i_ca == (567, 1, 0)
    assert begin.p_w == (1234, -99, -0x8000) and begin.pf_milli == (998, -1000, 0) and begin.freq_chz == 5001


def test_the_incident_says_what_was_not_known(meter):
    meter.s.relay_closed = 0
    meter.books.tick(None, None)
    meter.books.found(codes.LOG_MAGNET_ON, 3, 1)
    (one,) = meter.incidents
    assert one.marks == 7 and one.utc_s == 0
    assert (one.u_dv, one.freq_chz) == ((0, 0, 0), 0)


def test_a_thousand_incidents_are_kept(meter):
    for n in range(1200):
        Incidents(meter.rings).append(0, 0, 0, 128, n, [0] * 13)  # opened again each time, as Books do
    values = [one.value for one in meter.incidents]
    assert values[-1000:] == list(range(200, 1200))


def test_flash_that_does_not_take_the_incident_is_a_fault_and_no_more(meter):
    meter.rings.flash.bad_sectors.update(range(256))
    meter.books.found(codes.LOG_COVER_OPEN, 3, 1)
    assert times(meter.s, codes.TAMPER_COVER) == 1 and len(meter.told(codes.LOG_COVER_OPEN)) == 1
    assert meter.books.faults & codes.FAULT_FLASH


def test_without_heap_for_the_incident_the_log_has_it(meter, monkeypatch, loaded):
    from meter.books import findings as incidents

    def keep(*args):
        raise MemoryError

    monkeypatch.setattr(incidents, "Incidents", keep)
    meter.books.found(codes.LOG_COVER_OPEN, 3, 1)
    assert times(meter.kept, codes.TAMPER_COVER) == 1 and len(meter.told(codes.LOG_COVER_OPEN)) == 1


def test_a_fram_that_is_silent_does_not_stop_it(meter):
    meter.chip.absent = True
    meter.books.found(codes.LOG_COVER_OPEN, 3, 1)
    meter.chip.absent = False
    meter.tick(NOON + 1)
    assert times(meter.kept, codes.TAMPER_COVER) == 1


def test_nothing_is_written_over_a_ledger_that_has_not_been_read(meter):
    meter.s.credit_micro = 50_000_000
    meter.books.commit()
    for copy in (SLOT_A, SLOT_B):
        meter.chip.data[copy + 0x20] ^= 1
    before = bytes(meter.chip.data)
    with pytest.raises(StorageError):
        meter.boot()
    assert not meter.books.found(codes.LOG_CLOCK_BACK, 3, 7200)
    assert not meter.books.commit()
    assert bytes(meter.chip.data) == before


def test_without_heap_for_any_of_it_the_watch_is_told_so(meter, monkeypatch, loaded):
    from meter.books import findings as incidents

    def found(*args):
        raise MemoryError

    monkeypatch.setattr(incidents, "found", found)
    assert meter.books.found(codes.LOG_COVER_OPEN, 3, 1) is False
    monkeypatch.undo()
    assert meter.books.found(codes.LOG_COVER_OPEN, 3, 1) is True


# -- the clock ----------------------------------------------------------------------------------------


def test_a_start_tells_when_power_went_and_for_how_long(meter):
    meter.boot().tick(NOON + 600)
    down, up = meter.told(codes.LOG_POWER_DOWN, codes.LOG_POWER_UP)[-2:]
    assert (down[1], down[2]) == (NOON, codes.LOG_POWER_DOWN)
    assert (up[1], up[2], up[4]) == (NOON + 600, codes.LOG_POWER_UP, 600)


def test_a_new_meter_does_not_know_how_long_it_was_off(rings):
    meter = Meter(rings).tick(NOON)
    assert meter.told(codes.LOG_POWER_DOWN) == []
    assert [record[4] for record in meter.told(codes.LOG_POWER_UP)] == [-1]


def test_a_start_without_a_clock_tells_it_when_the_clock_is_known(meter):
    meter.boot().tick(None)
    assert len(meter.told(codes.LOG_POWER_UP)) == 1
    meter.tick(NOON + 700)
    assert [record[4] for record in meter.told(codes.LOG_POWER_UP)] == [-1, 699], "it was back a second before"


@pytest.mark.parametrize("back_s, is_found", [(0, 0), (60, 0), (61, 1), (90_000, 1), (300_000_000, 1)])
def test_a_clock_set_back_while_power_was_off_is_found_at_the_start(meter, back_s, is_found):
    meter.boot().tick(NOON - back_s)
    assert times(meter.kept, codes.TAMPER_CLOCK_BACK) == is_found
    found = meter.told(codes.LOG_CLOCK_BACK)
    assert len(found) == len(meter.incidents) == is_found
    if is_found:
        assert meter.incidents[0].value == back_s and meter.incidents[0].phase == 3
        assert found[0][4] in (back_s * 4 + 3, 0x3FFFFFFF)  # as large as the log takes
    meter.tick(NOON - back_s + 1)
    assert len(meter.told(codes.LOG_CLOCK_BACK)) == is_found


class Rtc:
    """A DS3231 on a bus of its own, at noon."""

    def __init__(self, vt):
        self.vt = vt
        self.chip = Ds3231Chip()
        self.chip.power_on(vt.now_us)
        self.chip.set_time(Y2000 + timedelta(seconds=NOON), vt.now_us)
        self.i2c = DirectI2C(vt, [self.chip])

    def move(self, seconds):
        now_us = self.vt.now_us
        self.chip.set_time(self.chip.time(now_us) + timedelta(seconds=seconds), now_us)


@pytest.mark.parametrize("moved_s, is_found", [(-7200, 1), (-61, 1), (-59, 0), (0, 0), (59, 0), (61, 0), (7200, 0)])
def test_a_clock_set_back_while_it_runs_is_found_when_it_is_read_again(meter, moved_s, is_found):
    rtc = Rtc(meter.vt)
    clock = Clock(rtc.i2c, meter.books)

    async def live():
        task = asyncio.ensure_future(clock.run(lambda: None))
        await asyncio.sleep(10)
        meter.tick(clock.tick())
        rtc.move(moved_s)
        await asyncio.sleep(2 * 3600)
        meter.tick(clock.tick())
        task.cancel()

    meter.vt.run(live())
    assert times(meter.kept, codes.TAMPER_CLOCK_BACK) == is_found
    assert [one.value for one in meter.incidents] == [-moved_s] * is_found
    set_by = [record[4] for record in meter.told(codes.LOG_CLOCK_SET)]
    assert set_by == ([moved_s] if abs(moved_s) > 60 else [])


@pytest.mark.parametrize("moved_s, is_found", [(-90_000, 1), (0, 0), (90_000, 0)])
def test_a_clock_that_was_stopped_and_set_back_is_found(meter, moved_s, is_found):
    rtc = Rtc(meter.vt)
    clock = Clock(rtc.i2c, meter.books)

    async def live():
        task = asyncio.ensure_future(clock.run(lambda: None))
        await asyncio.sleep(10)
        meter.tick(clock.tick())
        rtc.chip.stop_oscillator(meter.vt.now_us)
        await asyncio.sleep(3600)
        meter.tick(clock.tick())
        assert meter.books.utc_s is None
        rtc.move(moved_s)
        await asyncio.sleep(60)
        meter.tick(clock.tick())
        task.cancel()

    meter.vt.run(live())
    assert times(meter.kept, codes.TAMPER_CLOCK_BACK) == is_found
    assert len(meter.told(codes.LOG_CLOCK_SET)) == 1  # an hour without a clock is one, too
