# SPDX-License-Identifier: Apache-2.0
"""`make replay`: the recorded household through the meter, exact, and the same on every interpreter."""

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from host_tests.bench import replay, trace
from host_tests.bench.documents import tariff

ROOT = Path(__file__).resolve().parents[2]
HOUSEHOLD = ROOT / "host_tests/vectors/household-minute.csv"
VARY = ("interpreter", "heap_bytes", "heap_free_min", "heap_free_by_hour", "seconds_real")
HEADER = "local_time,active_kw,reactive_kvar,voltage_v,current_a\n"
ROWS = 20


def run(*args):
    command = [sys.executable, "-m", "host_tests.bench.replay", *map(str, args), "--quiet"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ)


def written(tmp_path, text, name="trace.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


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
    short = replay.run(data, rates, Fraction(7, 2), "i386")
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


@pytest.mark.parametrize(
    "rows, says",
    [
        ("2026-01-12T09:00:00,1.5,0.2,230.1,6.6\n2026-01-12T09:01:00,none,0.2,230.1,6.6\n", "line 3: active_kw"),
        ("2026-01-12T09:00:00,1.5,0.2,230.1\n2026-01-12T09:01:00,1.5,0.2,230.1,6.6\n", "line 2: 4 fields"),
        ("yesterday,1.5,0.2,230.1,6.6\n2026-01-12T09:01:00,1.5,0.2,230.1,6.6\n", "line 2: local_time"),
        ("2026-01-12T09:01:00,1.5,0.2,230,6.6\n2026-01-12T09:00:00,1.5,0.2,230,6.6\n", "line 3: local_time"),
        ("2026-01-12T09:00:00,nan,0.2,230,6.6\n2026-01-12T09:01:00,1.5,0.2,230,6.6\n", "line 2: active_kw"),
        ("2026-01-12T09:00:00,1.5,0.2,2300,6.6\n2026-01-12T09:01:00,1.5,0.2,230,6.6\n", "line 2: voltage_v"),
        ("2026-01-12T09:00:00,1.5,0.2,230,-6.6\n2026-01-12T09:01:00,1.5,0.2,230,6.6\n", "line 2: current_a"),
        ("2026-01-12T09:00:00,1.5,0.2,230,6.6\n\n2026-01-12T09:01:00,1.5,0.2,230,6.6\n", "line 3: 0 fields"),
        ("", "at least two rows"),
    ],
)
def test_a_malformed_row_is_named_by_its_line_and_nothing_runs(tmp_path, rows, says):
    done = run(written(tmp_path, HEADER + rows))
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_hole_is_reported_and_the_row_before_it_held(tmp_path):
    rows = [f"2026-01-12T09:{m:02d}:00,1.2,0.0,230.0,5.2\n" for m in (0, 1, 2, 3, 13, 14)]
    done = run(written(tmp_path, HEADER + "".join(rows)))
    assert done.returncode == 0
    assert "line 6: 600 s after" in " ".join(done.stderr.split())
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["holes"] == 1
    assert result["metered_uwh"] == 300_000_000


@pytest.mark.parametrize(
    "args, says",
    [
        (["nowhere.csv"], "nowhere.csv is not there"),
        ([HOUSEHOLD, "--credit", "plenty"], "CREDIT=plenty"),
        ([HOUSEHOLD, "--credit", "-3"], "CREDIT=-3"),
        ([HOUSEHOLD, "--arch", "arm"], "--arch arm"),
    ],
)
def test_a_wrong_argument_is_a_sentence(args, says):
    done = run(*args)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda d: d["days"]["weekend"].pop(0), "a day must begin at 00:00"),
        (lambda d: d["days"]["weekend"].insert(2, ["07:00", "day"]), "times must rise"),
        (lambda d: d["days"]["weekend"][1].__setitem__(1, "dusk"), 'no rate is called "dusk"'),
        (lambda d: d["rates"][0].__setitem__("price", "-0.10"), "is below 0"),
    ],
)
def test_a_bad_tariff_is_named_and_nothing_runs(tmp_path, change, says):
    doc = tariff()
    change(doc)
    done = run(HOUSEHOLD, "--tariff", written(tmp_path, json.dumps(doc), "tariff.json"))
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert done.stdout == ""
