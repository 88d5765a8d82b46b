# SPDX-License-Identifier: Apache-2.0
"""A sample of the power cuts that `make powercut` tries whole, and proof that its checks can fail."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from host_tests.bench.plant.flash import Profile
from host_tests.powercut import __main__ as command
from host_tests.powercut import matrix, report, scenario, wear
from host_tests.powercut.world import World

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
DAY = scenario.SHORT


@pytest.fixture(scope="module")
def counted():
    """The operations of a day without a cut: {case: (what, step)}."""
    outcome, found = matrix.count(DAY)
    assert outcome.wrong == []
    return found


def cut(cases, **kwargs):
    outcomes = []
    matrix.explore(cases, outcomes.append, day=DAY, **kwargs)
    return {outcome.case: outcome for outcome in outcomes}


def one_of(found, kind, how, what="", step=""):
    """The first case of this kind."""
    return next(
        case for case, (is_what, is_step) in found.items()
        if case.startswith(kind) and case.endswith(how) and what in is_what and step in is_step
    )  # fmt: skip


def test_the_day_has_every_kind_of_operation(counted):
    for kind in ("fram", "flash", "rtc", "relay", "card", "pull"):
        assert any(case.startswith(kind) for case in counted), kind


@pytest.mark.parametrize(
    "what",
    [
        "registers", "readings",
        "program 692 bytes at 0x29d010 (midnights)", "erase of block 669 (midnights)",
        "program 692 bytes at 0x2b5010 (month-ends)", "erase of block 693 (month-ends)",
        "program 56 bytes at 0x2bf010 (incidents)", "erase of block 703 (incidents)",
    ],
)  # fmt: skip
def test_the_day_writes_what_full_metering_keeps(counted, what):
    assert any(what in is_what for is_what, _ in counted.values())


def test_a_sample_of_cuts_loses_nothing_where_slots_run_in_place(monkeypatch):
    monkeypatch.setattr(World, "profile", Profile.PLACE)
    whole, found = matrix.count(DAY)
    assert whole.wrong == []
    outcomes = cut(matrix.spread([case for case in found if not case.startswith("pull")], 12))
    assert len(outcomes) == 12
    assert not {case: outcome.wrong for case, outcome in outcomes.items() if outcome.wrong}


def test_a_sample_of_cuts_loses_nothing(counted):
    cases = matrix.spread([case for case in counted if not case.startswith("pull")], 24)
    outcomes = cut(cases)
    assert {case: o.wrong for case, o in outcomes.items() if o.wrong} == {}
    assert set(outcomes) == set(cases)


def test_every_write_of_registers_readings_and_incidents_may_be_cut(counted):
    kept = ("registers", "readings", "(midnights)", "(month-ends)", "(incidents)")
    cases = [case for case, (what, _) in counted.items() if what.startswith(kept) or what.endswith(kept)]
    outcomes = cut(matrix.spread(cases, 20))
    assert {case: o.wrong for case, o in outcomes.items() if o.wrong} == {}


def test_a_sample_of_cuts_loses_nothing_of_three_phases():
    whole, found = matrix.count(scenario.THREE_PHASES)
    assert whole.wrong == []
    outcomes = []
    cases = matrix.spread([case for case in found if not case.startswith("pull")], 12)
    matrix.explore(cases, outcomes.append, day=scenario.THREE_PHASES)
    assert {o.case: o.wrong for o in outcomes if o.wrong} == {}
    assert len(outcomes) == len(cases)


@pytest.mark.parametrize("name", scenario.MORE)
def test_a_sample_of_cuts_loses_nothing_of_other_days(name):
    day = scenario.MORE[name]
    whole, found = matrix.count(day)
    assert whole.wrong == []
    outcomes = []
    cases = matrix.spread([case for case in found if not case.startswith("pull")], 8)
    matrix.explore(cases, matrix.named(day, outcomes.append), day=day)
    assert {o.case: o.wrong for o in outcomes if o.wrong} == {}
    assert len(outcomes) == len(cases) and outcomes[0].case.startswith(f"{name}:")


def test_a_case_of_another_day_can_be_run_again_by_its_name():
    outcome = matrix.replay("fell:fram-0005-half")
    assert outcome.case == "fell:fram-0005-half" and outcome.kind == "fram" and outcome.wrong == []


def test_a_card_pulled_at_any_exchange_is_served_when_it_comes_again(counted):
    outcomes = []
    cases = matrix.spread([case for case in counted if case.startswith("pull")], 6)
    matrix.explore_pulls(cases, outcomes.append)
    assert [(o.case, o.wrong) for o in outcomes if o.wrong] == []
    assert len(outcomes) == len(cases)


@pytest.mark.parametrize("second", ["fram-0001-half", "fram-0003-none", "relay-0001-mid"])
def test_a_cut_while_the_meter_recovers_from_one_loses_nothing(counted, second):
    first = one_of(counted, "fram", "half", "ledger", "alarm 2")
    if second.startswith("relay"):
        first = one_of(counted, "relay", "before", "open", "alarm 2")
    outcome = matrix.replay(f"{first}+{second}", DAY)
    assert outcome.wrong == []


def test_branches_of_one_run_and_real_kills_leave_the_same_memories(counted):
    cases = [
        one_of(counted, "fram", "half", "ledger", "a purchase"),
        one_of(counted, "relay", "mid", "open"),  # a step may end while the pulse goes on
        one_of(counted, "card", "heard", step="a purchase"),
        one_of(counted, "flash", "half", step="another tariff"),
    ]
    branches = cut(cases)
    for case in cases:
        assert matrix.replay(case, DAY) == branches[case]


def test_a_case_that_is_not_there_is_said():
    assert matrix.replay("fram-9999-none", DAY).wrong == ["there is no operation fram-9999-none in this run"]


# -- the checks can fail --------------------------------------------------------------------------

BROKEN = {
    "the ledger has one copy, written in place": (
        "storage/ledger.py",
        ("slot = SLOT_B if sequence & 1 else SLOT_A", "slot = SLOT_A"),
        ("fram", "half", "ledger", "a purchase"),
        "no tick was booked",
    ),
    "credit is committed before the count of the purchase": (
        "books/purchases.py",
        (
            "account.purchase(s, amount_micro, debt_micro, cfg.debt_percent)\n",
            "s.credit_micro += amount_micro\n    s.purchased_micro += amount_micro\n    books.commit()\n"
            "    s.purchase_count += 1\n    s.last_purchase_micro = amount_micro\n",
        ),
        ("fram", "none", "ledger", "a purchase"),
        "credited, 25123456 sold",
    ),
    "the event log does not look past the ledger's mark": (
        "storage/events.py",
        ("while number < end + _AHEAD:", "while False:"),
        ("fram", "all", "event", "alarm 2"),
        "was written after event",
    ),
    "two ticks of three are not committed": (
        "books/books.py",
        ("        self.commit()\n        if begins", "        self.uptime_s % 3 or self.commit()\n        if begins"),
        ("fram", "none", "ledger", "alarm"),
        "a tick had been under way",
    ),
    "a day that was charged is not marked so": (
        "core/days.py",
        ("    s.day = today\n    if far", "    s.day = today if far else s.day\n    if far"),
        ("fram", "all", "ledger", "midnight"),
        "0 days were charged 20003",
    ),
    "the relay is closed without saying so before": (
        "metering/guard.py",
        ("            if wanted:\n                books.relay_moves()\n", ""),
        ("relay", "after", "close", ""),
        "tells of a fault: code 18",
    ),
    "registers have one copy, written in place": (
        "storage/twin.py",
        ("self._fram.keep(self._slots[sequence & 1], buf)", "self._fram.keep(self._slots[0], buf)"),
        ("fram", "half", "registers", "midnight"),
        "registers None are there",
    ),
    "what a rate came to is forgotten when the next begins": (
        "storage/registers.py",
        ("*self.in_rate(totals, self.rate))\n        struct", "*[0] * 4)\n        struct"),
        ("fram", "all", "registers", "comes back"),
        "the rates add up to",
    ),
    "a day is frozen at each start": (
        "books/billing.py",
        ("    if newest >= last:", "    if newest > last:"),
        ("fram", "all", "ledger", "midnight"),
        "was written twice",
    ),
    "a day is frozen only by who saw midnight": (
        "books/day.py",
        ("jumped) if today >= s.day else None", "jumped) if n is not None else None"),
        ("flash", "none", "692 bytes", "midnight"),
        "there are 0 readings for",
    ),
    "incidents begin again with each start": (
        "storage/incidents.py",
        ("        self.ring.open()\n", ""),
        ("fram", "all", "ledger", "voltage gone"),
        "incident 1 was written after",
    ),
}


# Three of them each time, all of them in `make long`.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if n > 2 else []) for n, name in enumerate(BROKEN)]
)
def test_a_broken_meter_is_found_out(name, tmp_path):
    where, (right, wrong), (kind, how, what, step), said = BROKEN[name]
    firmware = tmp_path / "firmware"
    shutil.copytree(FIRMWARE, firmware)
    source = firmware / "meter" / where
    text = source.read_text()
    assert text.count(right) == 1, f"{where} is not what this test breaks any more"
    source.write_text(text.replace(right, wrong))
    _, found = matrix.count(DAY, firmware)
    cases = [
        case for case, (is_what, is_step) in found.items()
        if case.startswith(kind) and case.endswith(how) and what in is_what and step in is_step
    ]  # fmt: skip
    outcomes = cut(cases[:6], firmware=firmware)
    assert any(said in sentence for o in outcomes.values() for sentence in o.wrong), [
        (o.case, o.wrong[:2]) for o in outcomes.values()
    ]


# -- commands and reports -------------------------------------------------------------------------


def test_one_case_can_be_run_again_by_its_name():
    import typer

    app = typer.Typer()
    app.command()(command.main)
    done = CliRunner().invoke(app, ["--case", "pull-0003-heard", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.output)["wrong"] == []


def test_the_report_names_what_failed():
    outcomes = [
        matrix.Outcome("fram-0001-none", "ledger record 1", "first start", [], 0, 700, 900, 1000),
        matrix.Outcome("card-0002-heard", "exchange 5A", "a purchase", ["nothing is left"], 0, 900, 10, 20),
    ]
    result = report.summary(outcomes)
    assert result["all"] == {
        "cases": 2, "failed": 1, "lost_uwh_max": 900, "tick_ms_max": 900, "first_tick_ms_max": 1000,
    }  # fmt: skip
    text = report.markdown(result, outcomes, 3)
    assert '- `card-0002-heard` (exchange 5A, in step "a purchase"): nothing is left' in text


def test_the_report_says_what_other_days_are_about_and_counts_their_steps_apart():
    names = ("fram-0001-none", "clock:fram-0001-none", "clock:fram-0001-half")
    outcomes = [matrix.Outcome(name, "ledger record 1", "at rest") for name in names]
    text = report.markdown(report.summary(outcomes), outcomes, 3)
    assert "\n| at rest | 1 |\n" in text and "\n| `clock:` at rest | 2 |\n" in text
    assert f"\n- `clock:` {scenario.CLOCK.about}\n" in text
    assert all(day.about for day in scenario.MORE.values())


def test_memories_last_for_twenty_years():
    rows = {row.area: row for row in wear.measure("esp32_devkit", 1)}
    assert set(rows) == {
        "FRAM: ledger", "FRAM: readings", "FRAM: event log", "FRAM: registers", "FRAM: seal", "flash: load profile",
        "flash: midnights", "flash: month-ends", "flash: incidents", "flash: file system",
    }  # fmt: skip
    assert all(row.met for row in rows.values()), rows
    # Each second one of two copies is written, each minute both are read back, a few bytes of each twice.
    assert 1920 * 730 <= rows["FRAM: ledger"].month < 2000 * 730
    # Each minute of a climbing quarter hour one of two copies, and its heads twice; before that, and each night, they
    # are read.
    assert wear.CLIMBS * 15 // 2 < rows["FRAM: registers"].month < wear.CLIMBS * 20 * 24


def test_wear_that_comes_too_early_is_seen():
    assert wear.Row("board", "area", wear.FLASH_CYCLES, 416).met
    assert not wear.Row("board", "area", wear.FLASH_CYCLES, 420).met
