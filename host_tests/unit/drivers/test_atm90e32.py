# SPDX-License-Identifier: Apache-2.0
"""What is the ATM90E32AS driver's own (test_ic_contract.py has what all do): table, phases, every way SPI can fail."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core.errors import ChipError
from meter.drivers.atm90e32 import ic
from meter.drivers.atm90e32.audit import Evidence
from meter.drivers.atm90e32.table import init_table

from host_tests.stands.ic import E32Bench as Bench
from host_tests.stands.ic import S
from scripts.chips.atm90e32 import START_US

# -- frames and numbers ---------------------------------------------------------------------------


def test_a_read_frame_has_the_top_bit_and_the_ten_bit_address():
    tx = bytearray(b"\xff" * 4)
    ic.put_read(tx, 0x2FF)
    assert tx == b"\x82\xff\0\0"


def test_a_write_frame_carries_the_value_high_byte_first():
    tx = bytearray(4)
    ic.put_write(tx, 0x7F, 0x55AA)
    assert tx == b"\x00\x7f\x55\xaa"


@pytest.mark.parametrize(
    "high, low, milli",
    [
        (0, 0, 0),
        (0, 3125, 1000),
        (0xFFFF, 0x10000 - 3125, -1000),
        (0x0123, 0x4567, 0x1234567 * 8 // 25),
        (0xFFFF, 0xFFFF, -1),
    ],
)
def test_power_words_become_milliwatts(high, low, milli):
    assert ic.power_m(high, low) == milli


# -- the table ------------------------------------------------------------------------------------


def table(**setup):
    return {a: v for _, a, v in init_table(SimpleNamespace(**{"phases": 1, "pulse_constant": 3200} | setup))}


def test_the_table_names_every_configuration_register_of_the_data_sheet_once():
    known = [0x01, 0x02, *range(0x05, 0x10), *range(0x14, 0x1D), *range(0x20, 0x30), *range(0x31, 0x3B)]
    known += [*range(0x41, 0x4D), *range(0x51, 0x57), *range(0x61, 0x6D), 0x00]
    rows = list(init_table(SimpleNamespace(phases=1, pulse_constant=3200)))
    assert [addr for _, addr, _ in rows] == known
    assert all(0 <= value <= 0xFFFF for _, _, value in rows)
    assert rows[-1] == ("metering on", 0x00, 1)


@pytest.mark.parametrize(
    "pulses, scale, high, low",
    [(3200, 1, 0x0861, 0xC468), (3200, 2, 0x0430, 0xE234), (1000, 1, 0x1AD2, 0x7480)],
)
def test_the_pulse_constant_is_450_000_000_000_by_pulses(pulses, scale, high, low):
    rows = table(pulse_constant=pulses, current_scale=scale)
    assert (rows[0x31], rows[0x32]) == (high, low)


def test_the_application_notes_thresholds_come_out():
    # Atmel-46103A 4.2.2: 1.65 W is 1424H.
    assert table(start_mw=1650)[0x35] == 0x1424


def test_sag_threshold_is_78_percent_of_nominal():
    # 230 V * 0.78 * 100 * sqrt(2) * 2**14 / Ugain
    assert table()[0x08] == pytest.approx(230 * 0.78 * 100 * 2**0.5 * 2**14 / 0x8000, rel=1e-3)
    calibrated = table(calibration=((0x61, 0x6000),))
    assert calibrated[0x08] == pytest.approx(230 * 0.78 * 100 * 2**0.5 * 2**14 / 0x6000, rel=1e-3)


def test_modes():
    assert table()[0x33] == 0x0084
    assert table(phases=3)[0x33] == 0x0087
    assert table(phases=3, absolute=True)[0x33] == 0x008F


def test_calibration_replaces_rows_and_current_scale_halves_the_calibrated_gain():
    rows = table(calibration=((0x61, 0x7000), (0x62, 0x6D00), (0x47, 0x1475)), current_scale=2)
    assert (rows[0x61], rows[0x62], rows[0x47], rows[0x66]) == (0x7000, 0x3680, 0x1475, 0x4000)


# -- start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phases", [1, 3])
def test_start_configures_the_part_and_closes_the_configuration(phases):
    bench = Bench(phases)
    for _, addr, value in init_table(bench.setup):
        assert bench.register(addr) == value, hex(addr)
    assert bench.register(0x7F) == 0
    assert bench.register(0x79) == 0


def test_start_takes_100_ms_with_a_part_that_is_just_powering_up():
    bench = Bench()
    assert bench.vt.now_us < 100_000
    assert bench.vt.now_us > START_US


def test_start_clears_the_latches():
    bench = Bench(3, start=False)
    bench.load_all(0)
    bench.chip.set_freq(6000, bench.vt.now_us)
    bench.start()
    bench.vt.advance(S)
    assert bench.register(0x72) & 0x8000
    assert bench.register(0x74) == 0


def test_too_fast_a_bus_does_not_start():
    bench = Bench(start=False, baudrate=4_000_000)
    with pytest.raises(ChipError):
        bench.start()


# -- values ---------------------------------------------------------------------------------------


def test_a_tick_fills_the_sample():
    bench = Bench()
    bench.load(-2250, q_var=360, u_v=231, i_ma=10_123)
    s = bench.tick(3)
    assert (s.urms_mv, s.irms_ma, s.p_mw, s.p_total_mw) == (
        [231_000, 0, 0],
        [10_123, 0, 0],
        [-2_250_000, 0, 0],
        -2_250_000,
    )
    assert (s.import_counts, s.export_counts, s.q_import_counts, s.q_export_counts) == (0, 200, 32, 0)


def test_the_slow_read_fills_the_rest():
    bench = Bench(phases=3)
    bench.load(2000, q_var=-1500, i_ma=10_870, phase=2)
    bench.chip.set_freq(4998, bench.vt.now_us)
    bench.tick()
    bench.ic.read_slow(bench.sample)
    s = bench.sample
    assert s.q_mvar == [0, 0, -1_500_000]
    assert s.s_mva == [0, 0, 2_500_100]
    assert s.pf_milli == [0, 0, 800]
    assert s.freq_chz == 4998
    assert s.state0 == bench.register(0x71)
    assert s.state1 == bench.register(0x72)


def test_a_hundred_amperes_with_current_scale_2():
    bench = Bench(current_scale=2)
    bench.load(23_000, i_ma=100_000)
    s = bench.tick(2)
    assert (s.irms_ma[0], s.p_mw[0]) == (100_000, 23_000_000)
    bench.tick(100)
    assert bench.error() == [0, 0, 0, 0]
    assert bench.booked[0] == pytest.approx(102 * 23_000 / 11.25, abs=200)


@pytest.mark.parametrize("phases, tick, audit, every, slow", [(1, 14, 8, 16, 12), (3, 24, 24, 1, 26)])
def test_frames_per_read(phases, tick, audit, every, slow):
    bench = Bench(phases)
    bench.load_all(1000)
    frames = [bench.wire.frames for _ in range(32) if bench.tick()]
    assert frames == ([tick] * (every - 1) + [tick + audit]) * (32 // every)
    bench.wire.frames = 0
    bench.ic.read_slow(bench.sample)
    assert bench.wire.frames == slow
    bench.wire.frames = 0
    bench.ic.check()
    assert bench.wire.frames == 2


def test_a_power_is_never_put_together_from_two_updates():
    # 20 W and 21 W differ in both words; an update falls between every pair of frames at one of these instants.
    seen = set()
    for late_us in range(0, 400, 8):
        bench = Bench()
        bench.load(20)
        bench.vt.advance(2 * S - bench.vt.now_us)
        bench.load(21)
        bench.vt.advance(-bench.vt.now_us % 320_000 + 320_000 - late_us)
        bench.ic.read_tick(bench.sample)
        seen.add(bench.sample.p_mw[0])
    assert seen <= {20_000, *range(20_000, 21_001)}
    assert len(seen) > 1


# -- energy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", [{}, {"phases": 3}, {"phases": 3, "absolute": True}, {"current_scale": 2}])
def test_energy_is_booked_to_the_count_over_an_hour_of_changing_load(setup):
    bench = Bench(**setup)
    rng = random.Random(7)
    for second in range(3600):
        if second % 10 == 0:
            for phase in range(bench.phases):
                p = rng.choice((0, 40, 250, 2000, 9000, -1500))
                bench.load(p, rng.choice((0, p // 4, -p // 3)), phase=phase)
        bench.tick()
    assert bench.error() == [0, 0, 0, 0]
    assert bench.ic.disturbed == 0


def test_a_load_that_turns_round_within_a_tick_is_no_disagreement():
    # Anywhere in the second: fractions of a count, and what flows between two reads, add up in each way.
    bench = Bench(baudrate=100_000)  # computing makes of a microcontroller's frames what takes as long
    rng = random.Random(3)
    for _ in range(1000):
        for p_w in (-2000, 3000):
            bench.vt.advance(S - bench.vt.now_us % S - rng.randrange(20_000, 950_000))
            bench.load(p_w)
            bench.tick(3)
    assert bench.error() == [0, 0, 0, 0]
    assert bench.ic.disturbed == 0


@pytest.mark.parametrize("phases, p_w, q_var", [(1, 2300, 300), (1, -2300, 300), (3, 900, -100)])
def test_no_single_flipped_bit_of_a_tick_loses_or_invents_energy(phases, p_w, q_var):
    # Every bit of every frame of a tick (three phases: every third), both wires: 896 and 1,024 disturbed ticks, 33 to
    # recover after each.
    bench = Bench(phases)
    bench.load_all(p_w, q_var)
    bench.tick(20)
    step = 1 if phases == 1 else 3
    before = bench.error()
    worst = 0
    for frame in range(14 if phases == 1 else 48):
        for bit in range(frame % step, 64, step):
            bench.tick(2, flip=(frame, bit))
            bench.tick(33)
            error = bench.error()
            worst = max(worst, *(abs(a - b) for a, b in zip(error, before, strict=True)))
            before = error
    assert worst <= 2  # held against what follows
    assert all(abs(n) <= 4 for n in bench.error())


@pytest.mark.parametrize("phases, rate, allowed", [(1, 1e-3, 12), (3, 1e-3, 300), (1, 1e-4, 3), (1, 1e-5, 3)])
def test_an_hour_of_noise_costs_a_few_counts(phases, rate, allowed):
    bench = Bench(phases, seed=5)
    rng = random.Random(3)
    bench.load_all(200, 40)
    bench.chip.noise = rate
    for _ in range(360):
        bench.tick(10)
        for phase in range(phases):
            p = rng.choice((80, 200, 300, 450, 2300))
            bench.load(p, p // 5, phase=phase)
    bench.chip.noise = 0
    bench.tick(40)
    assert bench.booked[0] > 90_000 * phases
    assert max(abs(n) for n in bench.error()) <= allowed


# -- apparent energy ------------------------------------------------------------------------------


def apparent(bench, ticks=5):
    """Counts of the slow read after this many ticks."""
    for _ in range(ticks):
        assert bench.tick().va_counts == 0
    bench.ic.read_slow(bench.sample)
    return bench.sample.va_counts


@pytest.mark.parametrize("phases", [1, 3])
def test_apparent_energy_is_booked_to_the_count(phases):
    bench = Bench(phases)
    rng = random.Random(9)
    booked = 0
    for _ in range(200):
        for phase in range(phases):
            bench.load(rng.choice((0, 500, 3000)), rng.choice((0, 900, -2000)), phase=phase)
        booked += apparent(bench)
    assert booked + bench.chip.peek(0x90) == bench.chip.lifetime(0x90)
    assert booked > 200 * 5 * 1000 / 11.25


def test_apparent_energy_is_not_lost_to_a_hit_answer():
    bench = Bench()
    bench.load(1800, q_var=2400, i_ma=13_043)
    apparent(bench)
    whole = apparent(bench)
    bench.tick(5)
    bench.wire.frames = 0
    bench.wire.flip = (10, 48)  # the second data byte of 90H's answer
    bench.ic.read_slow(bench.sample)
    assert bench.wire.log[-2][1] == 0x90 or bench.wire.log[-3][1] == 0x90
    assert abs(bench.sample.va_counts - whole) <= 1


def test_more_apparent_energy_than_the_mains_can_deliver_is_dropped():
    bench = Bench()
    bench.load(1000, i_ma=5_000)
    apparent(bench)
    bench.load(1000, i_ma=400_000)  # 92 kVA, which no fuse lets through
    assert apparent(bench) == 0
    bench.load(1000, i_ma=5_000)
    apparent(bench)
    assert apparent(bench) == pytest.approx(5 * 1150 / 11.25, abs=2)


# -- three phases ---------------------------------------------------------------------------------

BY_PHASE = (0x81, 0x82, 0x83, 0x85, 0x86, 0x87, 0x89, 0x8A, 0x8B, 0x8D, 0x8E, 0x8F)


class ByPhase:
    """An account of what a three-phase bench's samples gave to each phase."""

    def __init__(self, bench):
        self.bench = bench
        self.booked = [0] * 12
        self.counted = [bench.chip.lifetime(addr) for addr in BY_PHASE]

    def tick(self, n=1, flip=None):
        for k in range(n):
            sample = self.bench.tick(1, flip if k == n - 1 else None)
            self.booked = [a + b for a, b in zip(self.booked, sample.phase_counts, strict=True)]

    def error(self):
        """Booked or still in the part, minus counted by it."""
        chip = self.bench.chip
        return [
            booked + chip.peek(addr) - chip.lifetime(addr) + before
            for booked, addr, before in zip(self.booked, BY_PHASE, self.counted, strict=True)
        ]


def test_each_phase_has_its_own_counts_by_direction():
    bench = Bench(3)
    bench.load(3600, q_var=360, phase=0)
    bench.load(-1800, phase=1)
    bench.load(900, q_var=-1800, phase=2)
    bench.tick()
    s = bench.tick()
    assert s.phase_counts == pytest.approx([320, 0, 80, 0, 160, 0, 32, 0, 0, 0, 0, 160], abs=1)
    assert (s.import_counts, s.neutral_ma) == (240, -1)


def test_with_one_phase_they_are_zero():
    bench = Bench(1)
    bench.load(3600)
    bench.tick(20)
    assert list(bench.sample.phase_counts) == [0] * 12


@pytest.mark.parametrize("absolute", [False, True])
def test_phases_are_booked_to_the_count_over_an_hour_of_changing_load(absolute):
    bench = Bench(3, absolute=absolute)
    account = ByPhase(bench)
    rng = random.Random(11)
    for second in range(3600):
        if second % 10 == 0:
            for phase in range(3):
                p = rng.choice((0, 40, 250, 2000, 9000, -1500))
                bench.load(p, rng.choice((0, p // 4, -p // 3)), phase=phase)
        account.tick()
    assert account.error() == [0] * 12
    assert bench.error() == [0, 0, 0, 0]
    assert bench.ic.disturbed == 0


def test_a_restart_of_the_driver_keeps_the_phases_counts():
    bench = Bench(3)
    account = ByPhase(bench)
    bench.load_all(1200, 300)
    account.tick(3)
    bench.vt.advance(5 * S)
    bench.restart()
    bench.start()
    account.tick(2)
    assert account.error() == [0] * 12


def test_what_a_refused_tick_held_is_the_phases_with_the_next():
    bench = Bench(3)
    account = ByPhase(bench)
    bench.load_all(2300)
    account.tick(2)
    bench.load(2300, q_var=118_000, i_ma=60_000)
    with pytest.raises(ChipError, match="energy"):
        account.tick()
    bench.load_all(2300)
    bench.start()
    account.tick()
    assert account.error()[:6] == [0] * 6


def test_a_flipped_bit_in_a_phases_read_costs_that_phase_a_few_counts_at_most():
    # Phases unlike each other; every bit of the phases' active energy reads, both wires.
    bench = Bench(3)
    account = ByPhase(bench)
    for phase, p in enumerate((2300, 700, 1500)):
        bench.load(p, p // 5, phase=phase)
    account.tick(20)
    bench.ic.read_slow(bench.sample)  # reactive powers
    before = account.error()
    worst = 0
    # 16 frames of U, I, P and CRC; the totals' 8; then each phase's forward and reverse with their checks.
    for frame in range(24, 36):
        for bit in range(64):
            account.tick(2, flip=(frame, bit))
            account.tick(3)
            error = account.error()
            worst = max(worst, *(abs(a - b) for a, b in zip(error, before, strict=True)))
            before = error
    assert worst <= 6
    assert max(abs(n) for n in account.error()) <= 40


@pytest.mark.parametrize("rate, allowed", [(1e-4, 60), (1e-5, 12)])
def test_in_noise_the_phases_still_add_up_to_the_totals(rate, allowed):
    bench = Bench(3, seed=5)
    account = ByPhase(bench)
    rng = random.Random(3)
    bench.load_all(200, 40)
    bench.chip.noise = rate
    for _ in range(360):
        account.tick(10)
        for phase in range(3):
            p = rng.choice((80, 200, 300, 450, 2300))
            bench.load(p, p // 5, phase=phase)
    bench.chip.noise = 0
    account.tick(40)
    imported = sum(account.booked[:3]) - sum(account.booked[3:6])
    assert abs(imported - bench.booked[0] + bench.booked[1]) <= allowed
    assert max(abs(n) for n in account.error()) <= 5 * allowed


# -- three wires ----------------------------------------------------------------------------------


def test_three_wires_have_their_mode_and_thresholds_of_the_voltage_between_phases():
    rows = table(phases=3, three_wire=True)
    assert rows[0x33] == 0x0185
    assert rows[0x08] == pytest.approx(398 * 0.78 * 100 * 2**0.5 * 2**14 / 0x8000, rel=2e-3)
    assert table(phases=3, three_wire=True, absolute=True)[0x33] == 0x018D


def test_with_three_wires_a_and_c_are_metered_and_b_is_nothing():
    bench = Bench(3, three_wire=True)
    account = ByPhase(bench)
    bench.load(3600, u_v=400, phase=0)
    bench.load(0, u_v=230, phase=1)  # picked up by an open input
    bench.load(1800, u_v=400, phase=2)
    account.tick(60)
    bench.ic.read_slow(bench.sample)
    bench.ic.check()
    s = bench.sample
    assert (s.urms_mv, s.p_mw) == ([400_000, 0, 400_000], [3_600_000, 0, 1_800_000])
    assert (s.import_counts, s.phase_counts[:3]) == (480, [320, 0, 160])
    assert bench.error() == [0, 0, 0, 0]
    assert account.error() == [0] * 12
    assert bench.ic.disturbed == 0


def test_three_phases_of_a_hundred_amperes():
    bench = Bench(3, current_scale=2)
    for phase in range(3):
        bench.load(23_000, i_ma=100_000, phase=phase)
    s = bench.tick(2)
    assert (s.irms_ma, s.p_total_mw) == ([100_000] * 3, 69_000_000)
    account = ByPhase(bench)
    account.tick(100)
    assert bench.error() == [0, 0, 0, 0]
    assert sum(account.booked[:3]) == pytest.approx(100 * 69_000 / 11.25, abs=300)
    apparent(bench)
    assert apparent(bench) == pytest.approx(5 * 69_000 / 11.25, abs=10)


# -- upsets ---------------------------------------------------------------------------------------


def test_check_reports_the_crc_status():
    bench = Bench()
    bench.chip.corrupt(0x0C, 1)
    bench.vt.advance(20_000)
    with pytest.raises(ChipError, match="configuration CRC"):
        bench.ic.check()


# -- the audit's judgement ------------------------------------------------------------------------


def settled(reads, expect, sign=-1, diff=0, taken=0):
    """Outcome for reads like "T 17", "W 17", "T- 3" (reverse), "T 1041/17" (a second candidate)."""
    e = Evidence(diff, sign, 3000, *expect)
    for read in reads.split(", "):
        what, value = read.split()
        counts, _, other = value.partition("/")
        addr = 0x80 + (what[0] == "W") + 4 * what.endswith("-")
        e.read(addr, int(counts), int(other) if other else -1)
    e.taken(taken)
    e.settle(1)
    return e.forward, e.reverse, e.diff


@pytest.mark.parametrize(
    "reads, expect, outcome",
    [
        ("T 17, W 17, T 0, W 0", (17, 17), (17, 0, 0)),
        ("T 900, W 17, T 17, W 0", (17, 17), (17, 0, 0)),  # the first read was void
        ("T 17, W 528, T 0, W 17", (17, 17), (17, 0, 0)),  # the phase's was
        ("T 17, W 0, T 17, W 0", (17, 17), (17, 0, 0)),  # the total's read took the phase's
        ("T 0, W 17, T 17, W 0", (17, 17), (17, 0, 0)),  # late is not lost
        ("T 204, T- 0, W 0, W- 204, T 0, T- 0, W 0, W- 0", (-204, -204), (0, 204, 0)),  # reverse read as forward
        ("T 1041/17, W 17, T 0, W 0", (17, 17), (17, 0, 0)),
        ("T 17, W 0, T 0, W 0", (17, 17), (17, 0, 0)),  # the phase's counts went elsewhere
        ("T 0, W 17, T 0, W 0", (17, 17), (17, 0, 0)),  # the total's did
        ("T 50000, W 50000, T 17, W 17", (17, 17), (17, 0, 0)),  # agreeing, but impossible
        ("T 500, W 500, T 0, W 0", (17, 17), (500, 0, 0)),  # agreeing, and merely odd
    ],
)
def test_the_likeliest_story_wins(reads, expect, outcome):
    assert settled(reads, expect) == outcome


def test_counts_that_another_read_took_are_given_back():
    assert settled("T 0, W 27, T 0, W 0", (0, 0), taken=27) == (27, 0, 0)


@given(st.integers(0, 2500), st.integers(0, 65535), st.sampled_from(["T", "W"]))
def test_one_void_read_never_changes_the_outcome_by_more_than_the_margin(true, void, side):
    first = {"T": true, "W": true} | {side: void}
    # A void read leaves the register's counts for the second round.
    second = {"T": 0, "W": 0} | {side: true}
    forward, reverse, _ = settled(f"T {first['T']}, W {first['W']}, T {second['T']}, W {second['W']}", (true, true))
    assert abs(forward - true) <= 2
    assert reverse == 0
