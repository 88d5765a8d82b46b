# SPDX-License-Identifier: Apache-2.0
"""The error the firmware adds to the metering IC's: a few points of `make accuracy`, and that it would see an error."""

import importlib
import json
import xml.etree.ElementTree as ET

import pytest
from meter.core import account
from meter.drivers.atm90e32.ic import Atm90e32
from typer.testing import CliRunner

from host_tests.measure.accuracy import cli, points, rig


@pytest.fixture(autouse=True)
def shorter(monkeypatch):
    # A count is 5 ppm then: still half of what is allowed.
    monkeypatch.setattr(rig, "COUNTS", 200_000)
    monkeypatch.setattr(rig, "READS", 40)


@pytest.mark.parametrize("point", points.few(), ids=lambda p: f"{p.series}, {p.i_ma} mA")
def test_at_a_point_of_the_load_table_next_to_nothing_is_added(point):
    result = rig.measure(point)
    assert result.booked_counts >= 200_000
    assert result.lost == 0
    assert abs(result.added_ppm) <= rig.ADDED_PPM


@pytest.mark.parametrize("of", points.START_MA)
def test_the_starting_current_registers(of):
    assert rig.start_up(of).passed


@pytest.mark.parametrize("of", points.START_MA)
def test_without_load_nothing_is_counted(of):
    check = rig.no_load(of)
    assert (check.counts, check.seconds) == (0, 164)  # 600e6 / (3200 * 3 * 230 * 100) = 2.717 minutes


def test_above_the_threshold_the_no_load_test_fails(monkeypatch):
    monkeypatch.setattr(rig, "_CREEP_UW", 3_000_000)
    assert not rig.no_load("1").passed


# -- what it would not let pass -----------------------------------------------------------------------


def test_a_single_count_lost_is_seen(monkeypatch):
    genuine = account.book

    def forgetful(s, counts, *more):
        left = 1 if not s.import_counts and counts > 2 else 0
        return genuine(s, counts - left, *more)

    monkeypatch.setattr(rig.account, "book", forgetful)
    result = rig.measure(points.Point(5_000))
    assert abs(result.added_ppm) <= rig.ADDED_PPM
    assert result.lost == 1 and not result.passed


def test_a_driver_that_reads_a_little_too_much_is_seen(monkeypatch):
    genuine = Atm90e32.read_tick

    def greedy(self, sample):
        genuine(self, sample)
        sample.import_counts += sample.import_counts // 4000

    monkeypatch.setattr(Atm90e32, "read_tick", greedy)
    result = rig.measure(points.Point(100_000))
    assert result.added_ppm > rig.ADDED_PPM and not result.passed


def test_a_wrong_pulse_constant_is_seen(monkeypatch):
    from meter.drivers.atm90e32 import table

    genuine = table.init_table

    def wrong(setup):
        for stage, addr, value in genuine(setup):
            yield stage, addr, value + (addr == 0x31)

    monkeypatch.setattr(importlib.import_module("meter.drivers.atm90e32.start"), "init_table", wrong)
    result = rig.measure(points.Point(5_000))
    assert abs(result.added_ppm) > rig.ADDED_PPM


# -- the table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point, class_1, class_05s",
    [
        (points.Point(20), None, None),
        (points.Point(50), None, 10),
        (points.Point(250), 15, 5),
        (points.Point(500), 10, 5),
        (points.Point(100_000), 10, 5),
        (points.Point(100, points.L05), None, 10),
        (points.Point(500, points.L05), 15, 6),
        (points.Point(1_000, points.C08), 10, 6),
        (points.Point(250, points.PF1, (1,)), None, 6),
        (points.Point(500, points.PF1, (1,)), 20, 6),
        (points.Point(500, points.L05, (2,)), None, 10),
        (points.Point(1_000, points.L05, (2,)), 20, 10),
    ],
)
def test_limits_are_those_of_the_standards(point, class_1, class_05s):
    assert point.limits() == {"1": class_1, "0.5S": class_05s}


def test_the_load_table_goes_from_20_ma_to_100_a_at_three_power_factors():
    table = points.load_table()
    assert (min(p.i_ma for p in table), max(p.i_ma for p in table)) == (20, 100_000)
    assert {p.pf for p in table} == {points.PF1, points.L05, points.C08}
    assert {p.loaded for p in table} == {(0, 1, 2), (0,), (1,), (2,)}
    assert len(set(table)) == len(table) > 60


# -- the command -------------------------------------------------------------------------------------


def test_the_command_prints_json_and_draws_a_picture(tmp_path):
    done = CliRunner().invoke(cli.app, ["--few", "--json", "--plot", str(tmp_path / "a.svg")])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["met"] and len(said["points"]) == len(points.few()) and len(said["checks"]) == 4
    root = ET.fromstring((tmp_path / "a.svg").read_text())
    circles = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(points.few())
    at = {round(float(c.get("cx"))) for c in circles}
    assert len(at) == len({p.i_ma for p in points.few()})


def test_a_missed_point_is_named_and_ends_in_1(tmp_path, monkeypatch):
    monkeypatch.setattr(rig, "ADDED_PPM", -1)
    done = CliRunner().invoke(cli.app, ["--few", "--plot", str(tmp_path / "a.svg")])
    assert done.exit_code == 1 and "balanced, PF 1 at 50 mA" in done.stderr and "MISSED" in done.stdout


def test_a_picture_that_cannot_be_written_ends_in_2(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(cli.app, ["--few", "--plot", str(tmp_path / "file" / "a.svg")])
    assert done.exit_code == 2 and "--plot" in done.stderr
