# SPDX-License-Identifier: Apache-2.0
"""`make replay`: the recorded household through the meter, exact, and the same on every interpreter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from meter.drivers.atm90e32 import energy
from meter.drivers.atm90e32.table import start_threshold

from host_tests.bench.documents import tariff
from host_tests.years import replay, trace, year_oracle

from .replay_forks import Forks

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLD = ROOT / "host_tests/vectors/household-minute.csv"
VARY = ("interpreter", "heap_bytes", "heap_free_min", "heap_free_by_hour", "seconds_real")
HEADER = "local_time,active_kw,reactive_kvar,voltage_v,current_a\n"
ROWS = 20
FLAT = {"name": "Flat", "currency": "EUR", "price": "0.30"}


def run(*args):
    command = [sys.executable, "-m", "host_tests.years.replay", *map(str, args), "--quiet"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ)


def written(tmp_path, text, name="trace.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def refused(capsys):
    """Nothing has run, and one sentence says why. In this process, for a new one takes a second."""
    app = replay.typer.Typer(add_completion=False)
    app.command()(replay.main)

    def check(*args, says):
        with pytest.raises(SystemExit) as exit_:
            app([*map(str, args), "--quiet"])
        out, err = capsys.readouterr()
        assert (exit_.value.code, out) == (2, "")
        assert err.startswith("replay: ") and err.count("\n") == 1
        for text in says:
            assert text in err

    return check


@pytest.fixture(scope="module")
def forks():
    with Forks() as process:
        yield process


def steady(p_mw, lasts_s, begins="2026-03-02T10:00:00", every_s=60):
    """Rows of one power, and their end, as replay_forks takes them."""
    at_s = year_oracle.seconds(year_oracle.datetime.fromisoformat(begins))
    rows = [(at_s + n, p_mw, 0, 230_000, 5000, 2) for n in range(0, lasts_s, every_s)]
    return {"rows": rows, "end_s": at_s + lasts_s}


@pytest.fixture(scope="module")
def results():
    data = trace.read(HOUSEHOLD).first(ROWS)
    return {arch: replay.run(data, tariff(), None, arch) for arch in ("i386", "amd64", "cpython")}


def test_metered_energy_is_the_traces_to_one_count(results):
    for result in results.values():
        assert abs(result["metered_counts"] - result["trace_counts"]) <= 1


def test_cost_is_the_oracles_to_the_last_millionth(results):
    for result in results.values():
        assert result["cost_micro"] == result["oracle_cost_micro"] > 0
        assert result["by_rate_uwh"] == result["oracle_by_rate_uwh"]
        assert result["differences"] == []


def test_three_interpreters_come_to_the_same(results):
    same = [{k: v for k, v in r.items() if k not in (*VARY, "ticks")} for r in results.values()]
    assert same[0] == same[1] == same[2]
    # What a start takes is of the interpreter: CPython loads no .mpy, so its first tick may be a second earlier.
    ticks = [r["ticks"] for r in results.values()]
    assert max(ticks) - min(ticks) <= 1


def test_rate_switches_and_relay_agree_with_the_oracle(tmp_path):
    """An evening from peak to night, and credit that runs out on the way: reminder, then nothing flows."""
    lines = [HEADER]
    for minute in range(25, 55, 2):
        lines.append(f"2026-01-12T20:{minute}:00,{7.5 + minute / 100:.3f},0.1,230.0,35.0\n")
    data = trace.read(written(tmp_path, "".join(lines)))
    rates = tariff()
    rates["days"]["winter weekday"][-1][0] = "20:40"
    whole = replay.run(data, rates, None, "i386")
    assert whole["cost_micro"] == whole["oracle_cost_micro"]
    assert whole["by_rate_uwh"] == whole["oracle_by_rate_uwh"]
    assert sum(1 for uwh in whole["by_rate_uwh"].values() if uwh) == 3
    short = replay.run(data, rates, 3_500_000, "i386")
    assert [trip["reason"] for trip in short["trips"]] == ["reminder"]
    assert short["cost_micro"] == short["oracle_cost_micro"]
    assert short["metered_counts"] < short["trace_counts"]
    assert 2_990_000 < short["credit_micro"] <= 3_000_000


def test_the_last_line_is_one_json_object(tmp_path):
    path = written(tmp_path, HEADER + "".join(f"2026-01-12T09:0{m}:00,1.5,0.2,230.1,6.6\n" for m in range(4)))
    done = run(path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {
        "interpreter", "heap_bytes", "heap_free_min", "seconds_simulated", "seconds_real", "trace_wh",
        "metered_counts", "metered_uwh", "by_rate_uwh", "cost_micro", "credit_micro", "oracle_cost_micro", "trips",
    } <= set(result)  # fmt: skip
    assert result["trace_wh"] == 100.0
    assert result["metered_uwh"] == 100_000_000


GOOD = "2026-01-12T09:0{}:00,1.5,0.2,230.1,6.6\n"


@pytest.mark.parametrize(
    "row, says",
    [
        ("2026-01-12T09:01:00,none,0.2,230.1,6.6", 'active_kw is "none"'),
        ("2026-01-12T09:01:00,1.5,0.2,230.1", "4 cells"),
        ("yesterday,1.5,0.2,230.1,6.6", "local_time 'yesterday'"),
        ("2026-01-12T09:01:00Z,1.5,0.2,230.1,6.6", "without a zone"),
        ("2026-01-12T09:01:00.5,1.5,0.2,230.1,6.6", "whole seconds"),
        ("\u0662\u0660\u0662\u0666-01-12T09:01:00,1.5,0.2,230.1,6.6", "local_time"),
        ("2000-12-31T23:59:00,1.5,0.2,230.1,6.6", "the meter's calendar"),
        ("2026-02-30T09:01:00,1.5,0.2,230.1,6.6", "local_time"),
        ("2026-01-12T09:00:00,1.5,0.2,230.1,6.6", "is the time of line 2"),
        ("2026-01-12T08:59:00,1.5,0.2,230.1,6.6", "is before that of line 2"),
        ("2026-01-12T09:01:00,nan,0.2,230,6.6", "active_kw"),
        ("2026-01-12T09:01:00,1e999999,0.2,230,6.6", "active_kw"),
        ("2026-01-12T09:01:00,1_0,0.2,230,6.6", "active_kw"),
        ("2026-01-12T09:01:00,\u0661,0.2,230,6.6", "active_kw"),
        ("2026-01-12T09:01:00,1.0000001,0.2,230,6.6", "at most 6 digits"),
        ("2026-01-12T09:01:00,1.5,0.2,2300,6.6", "voltage_v"),
        ("2026-01-12T09:01:00,1.5,0.2,230,-6.6", "current_a"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_named_by_its_line_and_nothing_runs(refused, tmp_path, row, says):
    path = written(tmp_path, HEADER + GOOD.format(0) + row + "\n" + GOOD.format(2))
    refused(path, says=("trace.csv, line 3: ", says))


@pytest.mark.parametrize(
    "row, says",
    [
        ("40,0,230,0", 'active_kw is "40", and -35 to 35'),
        ("-35.000001,0,230,0", "active_kw"),
        ("1,36,230,5", "reactive_kvar"),
        ("0.001,0,230,0.004", "counts nothing up to 0.001"),
        ("0,-0.0005,230,0.004", "reactive_kvar is -0.0005"),
        ("1,0,480.001,5", "0 to 480"),
        ("1,0,230,65.536", "0 to 65.535"),
        ("3,0,0,13", "active_kw is 3 at 0 V"),
        ("0,3,0,13", "reactive_kvar is 3 at 0 V"),
        ("0,0,0,13", "current_a is 13 at 0 V"),
    ],
)
def test_a_row_the_part_cannot_count_is_named_by_its_line_value_and_limit(refused, tmp_path, row, says):
    path = written(tmp_path, HEADER + GOOD.format(0) + f"2026-01-12T09:01:00,{row}\n" + GOOD.format(2))
    refused(path, says=("trace.csv, line 3: ", says))


def test_limits_of_a_row_are_those_of_driver_and_part():
    assert trace.MOST_M == 1000 * energy._MAX_VA
    assert trace.MOST_MV * trace.MOST_MA <= 1000 * trace.MOST_M
    assert start_threshold(object()) * 8 // 25 == trace.START_M
    assert trace.MOST_MA == 0xFFFF


def test_rows_at_the_limits_are_counted(forks):
    at_s = year_oracle.seconds(year_oracle.datetime(2026, 3, 2, 10))
    most, least = trace.MOST_M, trace.START_M + 1
    rows = [
        (at_s, most, most, trace.MOST_MV, trace.MOST_MA, 2),
        (at_s + 30, -most, -most, trace.MOST_MV, trace.MOST_MA, 3),
        (at_s + 60, least, least, 1, 0, 4),
    ]
    result = forks.run(rows=rows, end_s=at_s + 120, tariff_doc=tariff(), credit=None)
    assert result["differences"] == []
    assert result["metered_counts"] == (30 * most + 60 * least) // 11_250


@pytest.mark.parametrize(
    "content, says",
    [
        ((HEADER + GOOD.format(0)).encode("utf-16"), "UTF-16"),
        ((HEADER + GOOD.format(0)).encode() + b"\xff", "not UTF-8"),
        (HEADER, "no rows"),
        (HEADER + GOOD.format(0), "two rows"),
        ("", "empty"),
        (HEADER.replace(",", ";") + GOOD.format(0), "semicolons"),
        (HEADER + GOOD.format(0) + '"', "quotation mark"),
        (HEADER + "2099-12-31T00:00:00,1,0,230,5\n2099-12-31T23:59:00,1,0,230,5\n", "lasts longer"),
    ],
)
def test_a_file_that_is_no_trace_is_a_sentence(refused, tmp_path, content, says):
    refused(written(tmp_path, content), says=("trace.csv", says))


def test_a_byte_order_mark_is_taken(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + (HEADER + GOOD.format(0) + GOOD.format(1)).encode())
    document = written(tmp_path, b"\xef\xbb\xbf" + json.dumps(FLAT).encode(), "tariff.json")
    done = run(path, "--tariff", document, "--arch", "cpython")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metered_uwh"] == 50_000_000


def test_a_hole_is_reported_and_the_row_before_it_held(tmp_path):
    rows = [f"2026-01-12T09:{m:02d}:00,1.2,0.0,230.0,5.2\n" for m in (0, 1, 2, 3, 13, 14)]
    done = run(written(tmp_path, HEADER + "".join(rows)))
    assert done.returncode == 0
    assert "trace.csv, line 6: 600 s after" in done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["holes"] == 1
    assert result["metered_uwh"] == 300_000_000


@pytest.mark.parametrize(
    "args, says",
    [
        (["nowhere.csv"], "nowhere.csv: it cannot be read"),
        ([ROOT], "it is a folder"),
        ([HOUSEHOLD, "--tariff", "nowhere.json"], "nowhere.json: it cannot be read"),
        ([HOUSEHOLD, "--tariff", ROOT], "it is a folder"),
        ([HOUSEHOLD, "--credit", "plenty"], "CREDIT=plenty"),
        ([HOUSEHOLD, "--credit", "-3"], "CREDIT=-3"),
        ([HOUSEHOLD, "--credit", "1_0"], "CREDIT=1_0"),
        ([HOUSEHOLD, "--credit", "1/3"], "CREDIT=1/3"),
        ([HOUSEHOLD, "--credit", "1e999999"], "CREDIT=1e999999"),
        ([HOUSEHOLD, "--credit", "\u0663"], "CREDIT="),
        ([HOUSEHOLD, "--rows", "-1"], "--rows"),
        ([HOUSEHOLD, "--billing-day", "29"], "BILLING_DAY=29"),
        ([HOUSEHOLD, "--arch", "arm"], "ARCH=arm"),
        ([HOUSEHOLD, "--heap", "much"], "--heap much"),
        ([HOUSEHOLD, "--heap", "64k", "--arch", "cpython"], "no heap to choose"),
    ],
)
def test_a_wrong_argument_is_a_sentence(refused, args, says):
    refused(*args, says=[says])


def test_a_refusal_is_all_that_is_printed():
    done = run("nowhere.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "replay: nowhere.csv: it cannot be read: No such file or directory. Name another file.\n"


def test_a_heap_that_is_too_small_is_a_sentence(tmp_path):
    done = run(written(tmp_path, HEADER + GOOD.format(0) + GOOD.format(1)), "--heap", "24k")
    assert done.returncode == 1
    assert done.stderr.startswith("replay: the meter") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda d: d["days"]["weekend"].pop(0), "a day must begin at 00:00"),
        (lambda d: d["days"]["weekend"].insert(2, ["07:00", "day"]), "times must rise"),
        (lambda d: d["days"]["weekend"][1].__setitem__(1, "dusk"), 'no rate is called "dusk"'),
        (lambda d: d["rates"][0].__setitem__("price", "-0.10"), "is below 0"),
        (lambda d: d["rates"][0].pop("price"), "rates[0].price"),
        (lambda d: d.pop("weeks"), "weeks: is missing"),
        (lambda d: d.__setitem__("stading", "1"), 'did you mean "standing"'),
        (lambda d: d.__setitem__("currency", "eur"), "three capitals"),
    ],
)
def test_a_tariff_the_meter_refuses_is_named_and_nothing_runs(refused, tmp_path, change, says):
    doc = tariff()
    change(doc)
    path = written(tmp_path, json.dumps(doc), "tariff.json")
    refused(HOUSEHOLD, "--tariff", path, says=("tariff.json: ", says))


@pytest.mark.parametrize(
    "content, says",
    [
        (json.dumps(FLAT).encode("utf-16"), "UTF-16"),
        ('{"name": "x", "currency": "EUR", "price": NaN}', "line 1: NaN"),
        ('{"name": "x",\n"currency": "EUR", "price": 0.3}', "line 2"),
        ('{"name": "x", "currency": "EUR", "price": "0.3", "price": "0.9"}', '"price" is there twice'),
        ('{"name": "\\ud800", "currency": "EUR", "price": "0.3"}', "surrogate"),
        ('{"name": ' + "[" * 5000 + "]" * 5000 + "}", "nested"),
        ('{"steps": [[1e999999, "1"]]}', "line 1"),
        ("[1]", "not a JSON object"),
        ("{", "no JSON"),
        ("", "empty"),
    ],
)
def test_a_file_that_is_no_tariff_is_a_sentence(refused, tmp_path, content, says):
    refused(HOUSEHOLD, "--tariff", written(tmp_path, content, "tariff.json"), says=("tariff.json", says))


@pytest.mark.parametrize(
    "later, says",
    [
        (FLAT, '"from"'),
        ({**FLAT, "currency": "USD", "from": "2026-03-02 10:01"}, "USD"),
        ({**FLAT, "from": "tomorrow"}, "from"),
    ],
)
def test_a_later_tariff_that_cannot_follow_is_a_sentence(refused, tmp_path, later, says):
    refused(HOUSEHOLD, "--later", written(tmp_path, json.dumps(later), "later.json"), says=("later.json", says))


# -- the whole tariff language --------------------------------------------------------------------------


def test_a_tariff_of_one_day_needs_no_weeks(forks):
    doc = {
        "name": "Two", "currency": "EUR", "fallback": "hi", "days": {"all": [["00:00", "lo"], ["10:01", "hi"]]},
        "rates": [{"name": "lo", "price": "0.10"}, {"name": "hi", "price": "0.40"}],
    }  # fmt: skip
    result = forks.run(**steady(1_200_000, 180), tariff_doc=doc, credit=None)
    # A second, and what flows until the tick is read, is booked to what holds from 10:01 on; a count is a millionth.
    assert result["cost_micro"] == result["oracle_cost_micro"] and abs(result["cost_micro"] - 18_099) <= 2
    assert result["by_rate_uwh"] == result["oracle_by_rate_uwh"]
    assert abs(result["by_rate_uwh"]["lo"] - 19_668_750) <= 2 * 3125
    assert result["differences"] == []


def test_steps_are_priced_by_what_lies_beyond_them(forks):
    """30 kW for four minutes are 2 kWh, one of them beyond the step."""
    result = forks.run(**steady(30_000_000, 240), tariff_doc={**FLAT, "steps": [[1, "0.20"]]}, credit=None)
    assert result["cost_micro"] == result["oracle_cost_micro"] == 800_000
    assert result["differences"] == []


@pytest.mark.parametrize(("billing_day", "cost_micro"), [(6, 1_100_000), (7, 1_300_000)])
def test_steps_begin_anew_on_the_billing_day(forks, billing_day, cost_micro):
    """1.5 kWh before midnight and as much from then on; a kWh of each month, or of both days, lies before the step."""
    job = steady(30_000_000, 360, "2026-03-05T23:57:00")
    doc = {**FLAT, "steps": [[1, "0.20"]]}
    result = forks.run(**job, tariff_doc=doc, credit=None, billing_day=billing_day)
    assert result["cost_micro"] == result["oracle_cost_micro"] == cost_micro
    assert result["differences"] == []


def test_a_day_costs_its_standing_charge_when_it_begins(forks):
    job = steady(0, 120, "2026-03-05T23:59:00")
    result = forks.run(**job, tariff_doc={**FLAT, "standing": "0.25"}, credit=None)
    assert result["cost_micro"] == result["charges_micro"] == result["oracle_cost_micro"] == 250_000


def test_a_trace_that_begins_at_midnight_pays_for_its_first_day(forks):
    job = steady(0, 120, "2026-03-06T00:00:00")
    result = forks.run(**job, tariff_doc={**FLAT, "standing": "0.25"}, credit=None)
    assert (result["charges_micro"], result["differences"]) == (250_000, [])


def test_a_signals_price_takes_the_place_of_the_rates(forks):
    doc = {**FLAT, "signals": [["2026-03-02 10:01", "2026-03-02 10:02", "0.90", "Peak"]]}
    result = forks.run(**steady(30_000_000, 180), tariff_doc=doc, credit=None)
    assert result["cost_micro"] == result["oracle_cost_micro"]
    assert result["cost_micro"] == pytest.approx(750_000, abs=10_000)
    assert result["differences"] == []


def test_a_later_tariff_takes_its_place_at_its_time(forks):
    later = {**FLAT, "price": "0.90", "from": "2026-03-02 10:01"}
    result = forks.run(**steady(30_000_000, 120), tariff_doc=FLAT, credit=None, later=later)
    assert result["cost_micro"] == result["oracle_cost_micro"]
    assert result["cost_micro"] == pytest.approx(600_000, abs=10_000)
    assert result["differences"] == []


# -- a difference shows ------------------------------------------------------------------------------------


def test_a_difference_is_told_in_words_and_the_exit_code_is_1(tmp_path):
    rows = "".join(f"2026-01-12T09:0{m}:00,30,0,230,50\n" for m in range(4))
    document = written(tmp_path, json.dumps({**FLAT, "steps": [[1, "0.20"]]}), "tariff.json")
    code = (
        "from host_tests.years import replay, year_oracle; year_oracle.Prices.over_steps = lambda self, used: 0; "
        "replay.typer.run(replay.main)"
    )
    args = (written(tmp_path, HEADER + rows), "--tariff", document, "--arch", "cpython", "--quiet")
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 1
    said = "replay: cost by rate, in millionths, flat: the meter has 800000, the oracle 600000: 200000 too many\n"
    assert said in done.stderr and "Traceback" not in done.stderr
    assert len(json.loads(done.stdout)["differences"]) == done.stderr.count("\n") == 2
