# SPDX-License-Identifier: Apache-2.0
"""Tasks that fall, hang, run wild or eat the heap; starts that do not last; modules that cannot be loaded.

A sample: `make faults` strikes every task in every way.
"""

import pytest
from meter.core import codes
from meter.storage import crashes

from host_tests.bench import documents
from host_tests.bench.cards.utility_cards import utility_card
from host_tests.bench.run import process
from host_tests.bench.views import ledger
from host_tests.system import struck
from scripts.bundle import slot_modules
from scripts.image.image import collect, pack
from scripts.supplier.utility_formats import RELAY_TEST

from .visits import screens, show

COUNT_W_S = 11.25


def reasons(bench):
    return [e.value for e in bench.events() if e.code == codes.LOG_RESET]


def logged(bench, code):
    return [e.value for e in bench.events() if e.code == code]


def all_there(b):
    """Every count that has flowed is in the ledger, but for the tick that runs."""
    return 0 <= b.plant.meter_ic.lifetime(0x80) - b.state().import_counts <= 2 * 3000 / COUNT_W_S


# -- one task -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["metering", "panel"])
def test_a_task_that_raises_is_restarted_and_named(bench, task):
    b = bench(load_w=3000, image=struck.image(task, "raise"))
    b.run_s(70)
    assert b.meter.restarts == 0
    assert len(logged(b, codes.LOG_TASK_CRASH)) == 1
    (crash,) = b.crashes()
    name, what, places = crash.text.decode().split("\n")
    assert (name, what) == (task, "KeyError: struck") and places
    assert crash.number == next(e.number for e in b.events() if e.code == codes.LOG_TASK_CRASH)
    assert crash.utc_s and 10 <= crash.uptime_s <= 70
    assert f"Program fault It was restarted {task} KeyError" in screens(b, 70)
    assert all_there(b)


@pytest.mark.parametrize("task, silence_s", [("metering", 10), ("carddesk", 90)])
def test_a_task_that_hangs_is_ended_and_started_again(bench, task, silence_s):
    b = bench(load_w=3000, image=struck.image(task, "hang"))
    b.run_s(struck.AT_S + 35 + silence_s)
    assert b.meter.restarts == 0
    (crash,) = b.crashes()
    assert crash.text.decode().startswith(f"{task}\nsilent for {silence_s} s\n")
    assert all_there(b)
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1


def test_a_task_that_keeps_the_processor_is_bitten_and_the_state_carried_on(bench, monkeypatch):
    monkeypatch.setattr(process, "_SILENT_S", 2)
    b = bench(load_w=3000, image=struck.image("panel", "busy"))
    b.run_s(struck.AT_S - 4)
    before = b.state()
    b.run_s(45)
    assert b.meter.wdt_bites == b.meter.restarts == 1
    assert reasons(b) == [process.PWRON_RESET, process.WDT_RESET]
    after = b.state()
    assert after.boots == before.boots + 1
    # The IC counted through the bite, and at most a tick was lost.
    assert all_there(b)


def test_a_critical_task_that_hangs_at_every_start_is_left_to_the_watchdog(bench):
    b = bench(load_w=3000, image=struck.image("guard", "hang", always=True, at_s=0))
    b.run_s(110)
    assert b.meter.wdt_bites == 1
    assert b.crashes()[0].text.decode().startswith("guard\nsilent for 25 s\n")
    assert all_there(b)


# -- heap -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("task, how", [("metering", "exhaust slowly"), ("carddesk", "exhaust")])
def test_heap_exhausted_by_a_task_costs_that_task_only(bench, task, how):
    b = bench(load_w=3000, image=struck.image(task, how))
    b.run_s(90)
    assert b.meter.restarts == 0
    assert any(f"{task}\nMemoryError" in crash.text.decode() for crash in b.crashes())
    assert all_there(b)
    b.insert("good")
    b.run_s(3)
    assert b.state().purchase_count == 1


def test_heap_that_never_comes_back_ends_in_one_restart(bench):
    b = bench(load_w=3000, image=struck.image("watch", "leak"))
    b.run_s(150)
    assert b.meter.wdt_bites == b.meter.restarts == 1
    assert all_there(b)


# -- starts that do not last ----------------------------------------------------------------------


def test_five_starts_that_do_not_last_end_in_safe_mode_which_ends_by_itself(bench):
    b = bench(load_w=3000, image=struck.image("carddesk", "reset", always=True, at_s=0))
    b.run_s(25)
    assert b.meter.restarts == 5
    before = b.state()
    shown = screens(b, 70)  # once round all pages
    assert "Safe mode: no cards Take card out, wait" in shown
    assert codes.FAULT_SAFE_MODE in logged(b, codes.LOG_FAULT)
    # No card can be read, all else is as ever.
    b.insert("good")
    b.run_s(5)
    b.insert(None)
    assert b.state().purchase_count == 0
    assert b.state().import_counts - before.import_counts > 70 * 3000 / COUNT_W_S
    b.load(9600)
    b.run_s(34)
    assert not b.plant.relay.closed and b.state().claims == codes.CLAIM_OVERLOAD
    b.load(3000)
    assert b.meter.restarts == 5
    # After ten minutes it tries again with everything, in vain, and is back in safe mode for longer.
    b.run_s(510)
    assert b.meter.restarts == 7
    # Power off and on is a fresh start.
    b.plug(False)
    b.plug(True)
    b.run_s(0.05)
    assert b.plant.buf[struck.RTC_AT + 2] == 1


def test_a_start_that_lasts_takes_the_count_back(bench):
    b = bench(image=struck.image("panel", "reset", at_s=10))
    b.run_s(20)
    assert b.meter.restarts == 1 and b.plant.buf[struck.RTC_AT + 2] == 2
    b.run_s(320)
    assert b.plant.buf[struck.RTC_AT] == 0


def test_safe_mode_that_does_not_last_either_goes_on_without_the_display(bench):
    b = bench(load_w=3000, image=struck.image("panel", "reset", always=True, at_s=0))
    b.run_s(20)
    assert b.meter.restarts == 8
    counts = b.state().import_counts
    b.run_s(100)
    assert b.meter.restarts == 8
    assert b.state().import_counts - counts > 98 * 3000 / COUNT_W_S


def test_what_asyncio_does_not_catch_ends_in_a_restart(bench):
    b = bench(load_w=3000, image=struck.image("supervisor", "raise"), up_s=60)
    assert b.meter.restarts == 1 and reasons(b) == [process.PWRON_RESET, process.HARD_RESET]
    assert b.crashes()[-1].text.decode().startswith("start\nKeyError: struck\n")
    assert all_there(b)


@pytest.mark.parametrize("name", ["household", "dialogue"])
def test_a_service_that_cannot_be_loaded_costs_itself_only(bench, name):
    papers = documents.as_files(documents.settings(initial_credit="50.00"))
    files = collect(papers, instead={slot_modules()[f"meter.cards.{name}"]: b"M\x06\x00"})
    b = bench(load_w=3000, image=pack(files))
    b.insert("good")
    b.run_s(20)
    assert b.meter.restarts == 0 and b.state().purchase_count == (name == "dialogue")
    (crash,) = set(b.crashes())
    assert crash.text.decode().startswith("carddesk\n")
    assert 'File "meter/cards/desk.py", line' in ledger.explain(crash)
    assert all_there(b)


def test_without_the_code_for_suppliers_cards_they_cost_themselves_only(bench):
    files = collect(documents.as_files(), instead={slot_modules()["meter.cards.supplier"]: b"M\x06\x00"})
    b = bench(load_w=3000, image=pack(files))
    show(b, utility_card(RELAY_TEST), 3)
    assert "carddesk" in {crash.text.decode().split("\n")[0] for crash in b.crashes()}
    b.run_s(30)
    b.insert("good")
    b.run_s(10)
    assert b.meter.restarts == 0 and b.state().purchase_count == 1
    assert all_there(b)


def test_firmware_that_cannot_be_loaded_at_all_is_tried_again_and_files_why(bench):
    files = collect(documents.as_files(), instead={slot_modules()["meter.wiring"]: b"M\x06\x00"})
    b = bench(load_w=3000, image=pack(files), up_s=20)
    assert b.meter.restarts >= 3
    # The same words again and again are one report.
    assert len(b.crashes()) == 1 and b.crashes()[0].text.decode().startswith("start\n")


# -- reports --------------------------------------------------------------------------------------


class Fram:
    def __init__(self):
        self.data = bytearray(0x8000)

    def read_into(self, offset, buf):
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, offset, buf):
        self.data[offset : offset + len(buf)] = buf


_FIRST, _END = crashes.BASE, crashes.BASE + crashes.SLOTS * crashes.SIZE


def test_reports_go_round_and_keep_to_their_place():
    fram = Fram()
    for n in range(1, 12):
        crashes.write(fram, n, 1000 + n, 60 * n, b"panel\nKeyError: %d\npanel:%d" % (n, n) + b"x" * 40 * n)
    slots = [fram.data[at : at + crashes.SIZE] for at in range(_FIRST, _END, crashes.SIZE)]
    found = sorted(crashes.unpack(slot) for slot in slots)
    assert [n for n, *_ in found] == list(range(4, 12))
    assert found[0] == (4, 1004, 240, b"panel\nKeyError: 4\npanel:4" + b"x" * 160)
    assert len(found[-1][3]) == crashes.TEXT_MAX
    assert not any(fram.data[:_FIRST]) and not any(fram.data[_END:])


def test_the_same_words_again_are_not_written_again():
    fram = Fram()
    for n in (1, 2, 3):
        crashes.write(fram, n, None, 1, b"clock\nOSError: 5")
    assert crashes.unpack(fram.data[_FIRST : _FIRST + crashes.SIZE]) == (1, 0, 1, b"clock\nOSError: 5")
    assert not any(fram.data[_FIRST + crashes.SIZE :])


def test_a_damaged_report_reads_as_none_and_its_neighbours_do():
    fram = Fram()
    crashes.write(fram, 1, 7, 8, b"a")
    crashes.write(fram, 2, 7, 8, b"b")
    fram.data[_FIRST + 16] ^= 1
    assert crashes.unpack(fram.data[_FIRST : _FIRST + crashes.SIZE]) is None
    assert crashes.unpack(fram.data[_FIRST + crashes.SIZE : _FIRST + 2 * crashes.SIZE]) == (2, 7, 8, b"b")
