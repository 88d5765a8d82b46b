# SPDX-License-Identifier: Apache-2.0
"""What is the ATM90E26 driver's own (test_ic_contract.py has what all do): table, steps, neutral, apparent energy."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core.errors import ChipError
from meter.drivers.atm90e26 import start
from meter.drivers.atm90e26.audit import judge
from meter.drivers.atm90e26.table import init_table

from host_tests.stands.ic import E26Bench as Bench
from host_tests.stands.ic import S
from scripts.chips.atm90e26 import START_US

STEP = Bench.step


# -- the table ------------------------------------------------------------------------------------


def table(**setup):
    return {a: v for _, a, v in init_table(SimpleNamespace(**{"pulse_constant": 3200} | setup))}


def test_the_table_names_every_configuration_register_of_the_data_sheet_once():
    rows = list(init_table(SimpleNamespace(pulse_constant=3200)))
    assert [addr for _, addr, _ in rows] == [0x02, 0x03, 0x04, *range(0x21, 0x2C), *range(0x31, 0x3B)]
    assert all(0 <= value <= 0xFFFF for _, _, value in rows)


@pytest.mark.parametrize("pulses, pl", [(3200, 0x15D174), (1600, 0x2BA2E8), (1000, 0x45D173)])
def test_the_pulse_constant_is_the_examples_by_pulses(pulses, pl):
    rows = table(pulse_constant=pulses)
    assert rows[0x21] << 16 | rows[0x22] == pl


def test_the_sag_threshold_is_the_data_sheets_formula():
    assert table(u_nominal_v=220)[0x03] == 0x1D6A
    assert table(calibration=((0x31, 0x7000),))[0x03] == pytest.approx(
        230 * 100 * 2**0.5 * 0.78 / (4 * 0x7000 / 32768), rel=1e-3
    )


def test_the_start_threshold_is_the_application_notes_formula():
    # 93.2067556 * GL * VL * VU * KS, of the example; 4.4 W is 0.4 % of 1100 W.
    assert table(start_mw=4400)[0x27] == pytest.approx(93.2067556 * 24 * 250 * 0.004, abs=1)
    assert table(start_mw=4400)[0x28] == table(start_mw=4400)[0x27] // 2


def test_calibration_replaces_rows_and_current_scale_halves_the_calibrated_gains():
    rows = table(calibration=((0x23, 0xFD7D), (0x32, 0x7000), (0x34, 3)), current_scale=2)
    assert (rows[0x23], rows[0x32], rows[0x33], rows[0x34]) == (0xFD7D, 0x3800, 0x3A98, 3)


@pytest.mark.parametrize("setup", [{}, {"calibration": ((0x23, 0xFD7D), (0x35, 0xFFFE), (0x3A, 7))}])
def test_the_drivers_checksums_are_those_the_part_calculates(setup):
    bench = Bench(**setup)
    assert (bench.register(0x2C), bench.register(0x3B)) == start.checksums(bench.setup)
    assert bench.register(0x01) & 0xF000 == 0


# -- start ----------------------------------------------------------------------------------------


def test_start_configures_the_part_and_runs_it_under_its_checksums():
    bench = Bench()
    for _, addr, value in init_table(bench.setup):
        assert bench.register(addr) == value, hex(addr)
    assert (bench.register(0x20), bench.register(0x30)) == (0x8765, 0x8765)


def test_start_takes_150_ms_with_a_part_that_is_just_powering_up():
    bench = Bench()
    assert START_US < bench.vt.now_us < 150_000


def test_frames_of_a_start():
    bench = Bench()
    first = bench.wire.frames
    bench.wire.frames = 0
    bench.start()
    assert (first, bench.wire.frames) == (118, 60)


def test_a_second_start_sets_a_part_going_that_had_stopped_itself():
    bench = Bench()
    bench.load(3600)
    value = bench.chip.peek(0x23)
    bench.chip.corrupt(0x23, 1)
    bench.vt.advance(S)
    bench.chip.advance(bench.vt.now_us)
    bench.chip.corrupt(0x23, value)
    with pytest.raises(ChipError, match="metering stopped"):
        bench.tick()
    bench.start()
    bench.tick()
    assert bench.tick().import_counts == 320


def test_the_other_ics_bus_rate_does_not_start():
    bench = Bench(start=False, baudrate=1_000_000)
    with pytest.raises(ChipError):
        bench.start()


def test_the_high_half_of_the_pulse_constant_is_in_force_even_if_its_write_went_astray():
    bench = Bench(start=False, pulse_constant=1000)
    write = bench.wire.write_readinto
    astray = []

    def hit(tx, rx):
        if tx[0] == 0x21 and not astray:
            astray.append(1)
            tx = b"\x23" + bytes(tx[1:])
        write(tx, rx)

    bench.wire.write_readinto = hit
    bench.start()
    assert astray
    bench.load(3600)
    bench.tick()
    assert bench.tick(10).import_counts == 100
    assert bench.register(0x23) == 0


# -- values ---------------------------------------------------------------------------------------


def test_a_tick_fills_the_sample():
    bench = Bench()
    bench.load(-2250, q_var=360, u_v=231, i_ma=10_123)
    bench.chip.set_neutral(10_001, bench.vt.now_us)
    s = bench.tick(3)
    assert (s.urms_mv, s.irms_ma, s.neutral_ma) == ([231_000, 0, 0], [10_123, 0, 0], 10_001)
    assert (s.p_mw, s.p_total_mw) == ([-2_250_000, 0, 0], -2_250_000)
    assert (s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts) == (0, 200, 30, 0)
    assert list(s.phase_counts) == [0] * 12


def test_the_slow_read_fills_the_rest():
    bench = Bench()
    bench.load(-2000, q_var=-1500, i_ma=10_870)
    bench.chip.set_freq(4998, bench.vt.now_us)
    bench.tick(3)
    bench.ic.read_slow(bench.sample)
    s = bench.sample
    assert (s.q_mvar[0], s.s_mva[0], s.pf_milli[0], s.freq_chz) == (-1_500_000, 2_500_000, -800, 4998)
    assert (s.state0, s.state1) == (0, 0x00CC)  # reverse, active and reactive, in the other IC's places


def test_sag_and_no_load_are_shown_where_the_other_ic_shows_them():
    bench = Bench()
    bench.load(0)
    bench.tick()
    bench.load(0, u_v=170)
    bench.tick(2)
    bench.ic.read_slow(bench.sample)
    assert (bench.sample.state0, bench.sample.state1) == (0x0060, 0x4000)
    bench.load(0)
    bench.tick()
    bench.ic.read_slow(bench.sample)
    assert bench.sample.state1 == 0


def test_a_hundred_amperes_with_current_scale_2():
    bench = Bench(current_scale=2)
    bench.load(23_000, i_ma=100_000)
    s = bench.tick(2)
    # Half a gain is not always a whole number.
    assert (s.irms_ma[0], s.neutral_ma, s.p_mw[0]) == pytest.approx((100_000, 100_000, 23_000_000), rel=1e-4)
    bench.tick(100)
    assert bench.error() == [0, 0, 0, 0]
    assert bench.booked[0] == pytest.approx(102 * 23_000 / 11.25, abs=250)


def test_frames_per_read():
    bench = Bench()
    bench.load(1000)
    bench.tick()
    assert [bench.wire.frames for _ in range(40) if bench.tick()] == [20] * 40
    bench.wire.frames = 0
    bench.ic.read_slow(bench.sample)
    assert bench.wire.frames == 4
    bench.wire.frames = 0
    bench.ic.check()
    assert bench.wire.frames == 4


def test_apparent_energy_is_what_mean_apparent_power_comes_to_and_loses_no_remainder():
    bench = Bench()
    bench.load(1800, q_var=2400, i_ma=13_043)  # 3000 VA
    bench.tick()
    bench.ic.read_slow(bench.sample)
    va = 0
    for _ in range(120):
        bench.tick(5)
        assert bench.sample.va_counts == 0
        bench.ic.read_slow(bench.sample)
        va += bench.sample.va_counts
    # The register shows whole VA: 2999 of 2999.9.
    assert va == 600 * 2999 * 1000 // 11_250 or abs(va - 600 * 2999 * 1000 // 11_250) == 1


@pytest.mark.parametrize("bit", range(48))
def test_a_flipped_bit_of_the_apparent_power_adds_at_most_what_u_and_i_allow(bit):
    bench = Bench()
    bench.load(1800, q_var=2400, i_ma=13_043)
    bench.tick()
    bench.ic.read_slow(bench.sample)
    # After status, checksums, U, I and P.
    bench.tick(1, flip=(6, bit))
    bench.ic.read_slow(bench.sample)
    assert 1800 / 11.25 - 1 <= bench.sample.va_counts <= 3003 / 11.25 + 1


# -- energy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", [{}, {"current_scale": 2}, {"pulse_constant": 1000}])
def test_energy_is_booked_to_the_step_over_an_hour_of_changing_load(setup):
    bench = Bench(**setup)
    rng = random.Random(7)
    for second in range(3600):
        if second % 10 == 0:
            p = rng.choice((0, 40, 250, 2000, 9000, -1500))
            bench.load(p, rng.choice((0, p // 4, -p // 3)))
        bench.tick()
    assert bench.error() == [0, 0, 0, 0]
    assert bench.ic.disturbed == 0


def test_counts_are_the_energy():
    bench = Bench()
    bench.load(3000)
    bench.tick(1)
    booked = bench.booked[0]
    bench.tick(3600)
    assert bench.booked[0] - booked == pytest.approx(3 * 320_000, abs=STEP)


def test_power_that_swings_about_zero_cancels_in_two_registers_and_not_in_the_third():
    # Five swings a second within 0.01 pulse: forward and reverse stand still, absolute energy does not.
    bench = Bench()
    for n in range(600):
        for k in range(10):
            bench.load(50 if k % 2 else -50)
            bench.vt.advance(90_000)
        bench.tick()
        assert n < 2 or bench.sample.import_counts + bench.sample.export_counts <= STEP
    assert bench.error() == [0, 0, 0, 0]
    assert bench.chip.lifetime(0x42) > 2000


@pytest.mark.parametrize("p_w, q_var", [(2300, 300), (-2300, 300), (150, -40), (11_000, 5_000)])
def test_no_single_flipped_bit_of_a_tick_loses_or_invents_more_than_two_steps(p_w, q_var):
    # Every bit of every frame of a tick, both wires: 960 disturbed ticks, five to recover after each.
    bench = Bench()
    bench.load(p_w, q_var)
    bench.tick(20)
    before = bench.error()
    worst = 0
    for frame in range(20):
        for bit in range(48):
            bench.tick(1, flip=(frame, bit))
            bench.tick(5)
            error = bench.error()
            worst = max(worst, *(abs(a - b) for a, b in zip(error, before, strict=True)))
            before = error
    assert worst <= 2 * STEP
    assert all(abs(n) <= 6 * STEP for n in bench.error())


@pytest.mark.parametrize("rate, allowed", [(1e-3, 200), (1e-4, 50), (1e-5, 20)])
def test_an_hour_of_noise_costs_a_few_steps(rate, allowed):
    bench = Bench(seed=5)
    rng = random.Random(3)
    bench.load(200, 40)
    bench.chip.noise = rate
    for _ in range(360):
        for _ in range(10):
            try:
                bench.tick()
            except ChipError:
                bench.start()
        p = rng.choice((80, 200, 300, 450, 2300))
        bench.load(p, p // 5)
    bench.chip.noise = 0
    bench.tick(10)
    assert bench.booked[0] > 90_000
    assert max(abs(n) for n in bench.error()) <= allowed


def test_with_the_line_bypassed_power_and_energy_are_the_neutrals():
    bench = Bench()
    bench.load(690, i_ma=3_000)
    bench.chip.set_neutral(10_000, bench.vt.now_us)
    bench.tick(2)
    bench.ic.read_slow(bench.sample)
    s = bench.tick(2)
    assert (s.irms_ma[0], s.neutral_ma, s.p_total_mw) == (3_000, 10_000, 2_300_000)
    assert s.import_counts == pytest.approx(2300 / 11.25, abs=STEP)
    assert bench.error() == [0, 0, 0, 0]


# -- upsets ---------------------------------------------------------------------------------------


def test_an_upset_is_found_even_if_the_status_that_told_of_it_was_lost():
    bench = Bench()
    bench.load(2300)
    bench.tick(3)
    bench.vt.advance(500_000)
    bench.chip.advance(bench.vt.now_us)
    bench.chip.corrupt(0x23, 0x0400)
    bench.vt.advance(20_000)
    assert bench.register(0x01) & 0xC000  # clears it
    with pytest.raises(ChipError, match="configuration checksum, register 2CH"):
        bench.ic.read_tick(bench.sample)


# -- the judge ------------------------------------------------------------------------------------


def judged(first, second, expect, open_=0):
    """Outcome for (forward, reverse, absolute) of both rounds."""
    reads = []
    for values in (first, second):
        for value in values:
            reads += value if isinstance(value, tuple) else (value, -1)
    return judge(reads, open_, *expect, 2, 320)


@pytest.mark.parametrize(
    "first, second, expect, outcome",
    [
        ((20, 0, 0), (20, 0, 0), (20, 20), (20, 0, 0)),  # forward's read took the absolute's
        ((900, 0, 20), (20, 0, 0), (20, 20), (20, 0, 0)),  # forward's read was void
        ((20, 0, 300), (0, 0, 20), (20, 20), (20, 0, 0)),  # the absolute's was
        ((0, 0, 20), (0, 0, 0), (20, 20), (20, 0, 0)),  # another's read took the forward's
        ((20, 0, 0), (0, 0, 0), (20, 20), (20, 0, 0)),  # ... or the absolute's
        ((20, 0, 20), (0, 0, 0), (-20, -20), (0, 20, 0)),  # reverse was read as forward
        ((20, 0, 20), (0, 0, 0), (0, 0), (20, 0, 0)),  # agreeing, and merely odd
        (((1044, 20), 0, 20), (0, 0, 0), (20, 20), (20, 0, 0)),  # a second candidate
    ],
)
def test_the_likeliest_story_wins(first, second, expect, outcome):
    assert judged(first, second, expect) == outcome


def test_what_no_story_brings_within_the_limit_is_refused():
    assert judged((3000, 0, 3000), (0, 0, 0), (20, 20)) is None


@given(st.integers(0, 300), st.integers(0, 65535), st.integers(0, 2))
def test_one_void_read_never_changes_the_outcome_by_more_than_two_steps(true, void, which):
    first, second = [true, 0, true], [0, 0, 0]
    # A void read leaves the register's counts for the second round.
    second[which], first[which] = first[which], void
    found = judged(first, second, (true, true))
    assert found is not None
    assert abs(found[0] - true) <= 2
    assert found[1] <= 2
