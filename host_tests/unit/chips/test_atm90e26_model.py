# SPDX-License-Identifier: Apache-2.0
"""The ATM90E26 model against the datasheet's rules and printed figures (Atmel-46002B, Atmel-46102)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.chips.atm90e26 import PASS_US, START_US, Atm90e26Chip

AP, AN, AT, RP, RN, RT = range(0x40, 0x46)
STATUS, LAST, LSB, CAL, CS1, ADJ, CS2, EN = 0x01, 0x06, 0x08, 0x20, 0x2C, 0x30, 0x3B, 0x46
S = 1_000_000
PULSE_W_S = 1125  # at 3200 pulses per kWh


class Bench:
    """A part that has powered up, measuring and metering unchecked, and its clock; frames as a master makes them."""

    def __init__(self, running=True):
        self.chip = Atm90e26Chip()
        self.now_us = START_US
        if running:
            self.write(CAL, 0x5678)
            self.write(ADJ, 0x5678)
            self.write(0x27, 0)  # counts from nothing on
            self.write(0x29, 0)

    def frame(self, tx: bytes, mode=3, baudrate=150_000) -> bytes:
        self.chip.spi_select(self.now_us)
        rx = self.chip.spi_transfer(tx, mode, baudrate, self.now_us)
        self.chip.spi_deselect(self.now_us)
        return rx

    def read(self, addr, **spi) -> int:
        return int.from_bytes(self.frame(bytes((0x80 | addr, 0, 0)), **spi)[1:3], "big")

    def signed(self, addr) -> int:
        word = self.read(addr)
        return word - 0x10000 if word >> 15 else word

    def write(self, addr, value):
        self.frame(bytes((addr, value >> 8, value & 0xFF)))

    def load(self, p_w, q_var=0, u_v=230, i_ma=0):
        self.chip.set_phase(0, u_v * 1000, i_ma, p_w * 1000, q_var * 1000, self.now_us)

    def wait(self, us):
        self.now_us += us


@pytest.fixture
def bench():
    return Bench()


# -- SPI, DS 4.1 ----------------------------------------------------------------------------------


def test_a_read_is_one_bit_seven_bits_of_address_and_the_word(bench):
    assert bench.frame(b"\xa2\0\0") == b"\0\xd1\x74"


@pytest.mark.parametrize("clocks", [8, 16, 32, 48])
def test_a_write_of_other_than_24_clocks_is_dropped(bench, clocks):
    bench.write(0x34, 0x0123)
    bench.frame(b"\x34\x12\x34\x56\x78\x9a"[: clocks // 8])
    assert bench.read(0x34) == 0x0123


def test_a_write_takes_effect_when_chip_select_rises(bench):
    bench.chip.spi_select(bench.now_us)
    bench.chip.spi_transfer(b"\x34\x12\x34", 3, 150_000, bench.now_us)
    assert bench.chip.peek(0x34) == 0
    bench.chip.spi_deselect(bench.now_us)
    assert bench.chip.peek(0x34) == 0x1234


def test_more_than_24_clocks_read_the_first_word_only(bench):
    assert bench.frame(b"\xa2\0\0\xa2\0\0") == b"\0\xd1\x74\0\0\0"


def in_pieces(bench, tx, pause_us):
    bench.chip.spi_select(bench.now_us)
    rx = b""
    for byte in tx:
        rx += bench.chip.spi_transfer(bytes((byte,)), 3, 150_000, bench.now_us)
        bench.wait(8_000_000 // 150_000 + pause_us)
    bench.chip.spi_deselect(bench.now_us)
    return rx


@pytest.mark.parametrize("pause_us, kept", [(4, 0x1234), (5_900, 0x1234), (6_100, 0)])
def test_a_clock_that_rests_for_6_ms_ends_the_frame(bench, pause_us, kept):
    in_pieces(bench, b"\x34\x12\x34", pause_us)
    assert bench.read(0x34) == kept


def test_a_read_that_timed_out_takes_no_energy(bench):
    bench.load(3600)
    bench.wait(S)
    in_pieces(bench, b"\xc0\0\0", 6_100)
    assert bench.read(AP) >= 32


def test_last_data_repeats_what_was_read_or_written_last(bench):
    bench.read(0x22)
    assert [bench.read(LAST), bench.read(LAST)] == [0xD174, 0xD174]
    bench.write(0x34, 0x1234)
    assert bench.read(LAST) == 0x1234


def test_a_partial_read_neither_clears_nor_updates_last_data(bench):
    bench.load(3600)
    bench.wait(S)
    bench.frame(b"\xc0\0")
    assert bench.read(LAST) != 32
    assert bench.read(AP) == 32
    assert bench.read(LAST) == 32
    assert bench.read(AP) == 0


def test_invalid_addresses_read_zero_and_keep_nothing(bench):
    for addr in (0x05, 0x07, 0x10, 0x2D, 0x3F, 0x47, 0x50, 0x69, 0x7F):
        bench.write(addr, 0x1234)
        assert bench.read(addr) == 0, hex(addr)


def test_wrong_spi_modes_shift_what_is_read(bench):
    assert bench.read(0x22, mode=0) == 0xD174 << 1 & 0xFFFF
    assert bench.read(0x22, mode=1) != 0xD174


@pytest.mark.parametrize("baudrate, right", [(160_000, True), (200_000, False), (200, True), (150, False)])
def test_the_clock_is_200_bits_to_160_kbit_a_second(bench, baudrate, right):
    assert ([bench.read(0x22, baudrate=baudrate) for _ in range(50)] == [0xD174] * 50) == right


def test_absent_unselected_unpowered_and_starting(bench):
    assert bench.chip.spi_transfer(b"\xa2\0\0", 3, 150_000, bench.now_us) == b"\xff" * 3
    bench.chip.absent = True
    assert bench.read(0x22) == 0xFFFF
    bench.chip.absent = False
    bench.chip.power_off(bench.now_us)
    assert bench.read(0x22) == 0
    bench.chip.power_on(bench.now_us)
    bench.wait(START_US - 1)
    assert bench.read(0x22) == 0
    bench.wait(1)
    assert bench.read(0x22) == 0xD174


def test_only_the_key_resets(bench):
    bench.write(0x34, 0x1234)
    bench.write(0x00, 0x789B)
    assert bench.read(0x34) == 0x1234
    bench.write(0x00, 0x789A)
    bench.wait(START_US)
    assert (bench.read(0x34), bench.read(CAL)) == (0, 0x6886)


def test_another_part_takes_no_writes(bench):
    bench.chip.wrong_id = True
    bench.write(0x34, 0x1234)
    assert bench.read(LAST) not in (0x1234, 0, 0xFFFF)


def test_noise_flips_about_as_many_bits_as_asked_and_repeats_with_its_seed():
    def flipped(seed):
        chip = Atm90e26Chip(seed)
        chip.noise = 0.01
        bits = 0
        for n in range(2000):
            chip.spi_select(START_US + n)
            bits += chip.spi_transfer(b"\x85\0\0", 3, 150_000, START_US + n)[0].bit_count()
            chip.spi_deselect(START_US + n)
        return bits

    assert flipped(1) == flipped(1)
    assert flipped(1) == pytest.approx(2000 * 8 * 0.01, rel=0.2)


# -- registers, DS table 10 -----------------------------------------------------------------------


def test_power_on_values():
    bench = Bench(running=False)
    printed = {
        0x01: 0, 0x02: 0x000C, 0x03: 0x1D6A, 0x20: 0x6886, 0x21: 0x0015, 0x22: 0xD174, 0x27: 0x08BD, 0x29: 0x0AEC,
        0x2B: 0x9422, 0x30: 0x6886, 0x31: 0x6720, 0x32: 0x7A13, 0x33: 0x7530, 0x46: 0xC800,
    }  # fmt: skip
    assert {addr: bench.read(addr) for addr in printed} == printed


def test_pl_constant_takes_effect_with_its_low_word(bench):
    bench.load(36_000)
    bench.write(0x21, 0x0000)
    bench.wait(S)
    assert bench.read(AP) == 320
    bench.write(0x22, 0x5745)  # now 22341, a 64th
    bench.wait(S)
    assert bench.read(AP) == pytest.approx(320 * 64, rel=1e-3)


def test_the_application_notes_pulse_constant_is_the_power_on_one():
    # Atmel-46102: 838860800 * GL * VL * VU / (MC * Un * Ib) with GL 24, VL * VU 250 mV2, 3200 pulses, 220 V, 5 A.
    assert 838_860_800 * 24 * 250 // (3200 * 220 * 5) == 0x15D174


def test_what_can_only_be_read_stays(bench):
    bench.load(3600)
    bench.wait(S)
    for addr in (AP, AT, EN, 0x48, 0x49):
        bench.write(addr, 0x5555)
        assert bench.read(addr) != 0x5555
    assert bench.chip.lifetime(AP) == 320


# -- calibration states and checksums, DS 5.3 -----------------------------------------------------


def checksum(words):
    data = b"".join(word.to_bytes(2, "big") for word in words)
    high = 0
    for byte in data:
        high ^= byte
    return high << 8 | sum(data) & 0xFF


def checked(bench):
    """Metering and measurement on, under the sums the part itself has calculated."""
    bench.wait(PASS_US)
    for check, command in ((CS1, CAL), (CS2, ADJ)):
        bench.write(check, bench.read(check))
        bench.write(command, 0x8765)
    assert bench.read(STATUS) & 0xF000 == 0
    return bench


def test_the_power_on_checksums():
    bench = Bench(running=False)
    assert (bench.read(CS1), bench.read(CS2)) == (0x55CB, 0x6BB9)


def test_a_checksum_reads_as_calculated_whatever_was_written(bench):
    bench.write(CS1, 0x1234)
    bench.write(0x23, 0x0102)
    bench.wait(PASS_US)
    assert bench.read(CS1) == checksum(bench.read(addr) for addr in range(0x21, 0x2C))
    bench.write(0x35, 0xA55A)
    assert bench.read(CS2) == 0x6BB9  # not yet calculated again
    bench.wait(PASS_US)
    assert bench.read(CS2) == checksum(bench.read(addr) for addr in range(0x31, 0x3B))


def test_metering_and_measurement_are_off_after_power_on():
    bench = Bench(running=False)
    bench.load(3600, i_ma=15_000)
    bench.wait(S)
    assert [bench.read(addr) for addr in (AP, AT, 0x48, 0x49, 0x4A, STATUS)] == [0] * 6


def test_5678_runs_unchecked_and_restores_the_registers_behind_it(bench):
    bench.write(0x23, 0x1234)
    bench.write(0x33, 0x1234)
    bench.write(CAL, 0x5678)
    assert (bench.read(0x23), bench.read(0x33)) == (0, 0x1234)
    bench.write(ADJ, 0x5678)
    assert bench.read(0x33) == 0x7530
    bench.load(3600)
    bench.wait(S)
    assert bench.read(AP) == 32
    assert bench.read(STATUS) == 0


def test_8765_runs_with_the_right_sums(bench):
    bench = checked(bench)
    bench.load(3600, i_ma=15_652)
    bench.wait(S)
    assert (bench.read(AP), bench.read(0x48)) == (32, 15_652)


def test_8765_with_a_wrong_cs1_stops_metering_only(bench):
    bench = checked(bench)
    bench.write(CS1, bench.read(CS1) ^ 1)
    bench.write(CAL, 0x8765)
    bench.load(3600, i_ma=15_652)
    bench.wait(S)
    assert (bench.read(AP), bench.read(0x48)) == (0, 15_652)
    assert bench.read(STATUS) & 0xF000 == 0xC000


def test_8765_with_a_wrong_cs2_stops_measurement_only(bench):
    bench = checked(bench)
    bench.write(CS2, bench.read(CS2) ^ 1)
    bench.write(ADJ, 0x8765)
    bench.load(3600, i_ma=15_652)
    bench.wait(S)
    assert (bench.read(AP), bench.read(0x48)) == (32, 0)
    assert bench.read(STATUS) & 0xF000 == 0x3000


@pytest.mark.parametrize("command, addr, error", [(CAL, AP, 0xC000), (ADJ, 0x49, 0x3000)])
def test_any_other_command_stops_and_reports(bench, command, addr, error):
    bench.load(3600)
    bench.write(command, 0x8764)
    bench.wait(S)
    assert bench.read(addr) == 0
    assert bench.read(STATUS) & 0xF000 == error


def test_6886_stops_and_reports_nothing(bench):
    bench.load(3600)
    bench.write(CAL, 0x6886)
    bench.wait(S)
    assert (bench.read(AP), bench.read(STATUS)) == (0, 0)


def test_an_upset_stops_metering_with_the_next_calculation_until_it_is_started_again(bench):
    bench = checked(bench)
    bench.load(3600)
    bench.wait(S)
    bench.read(STATUS)
    bench.chip.corrupt(0x23, 1)
    bench.wait(9 * S)
    assert bench.read(STATUS) & 0xC000 == 0xC000
    assert bench.read(AP) in (32, 33)
    bench.write(0x23, 0)
    bench.wait(S)
    assert bench.read(AP) == 0
    bench.write(CAL, 0x8765)
    bench.read(STATUS)
    bench.wait(S)
    assert bench.read(AP) == 32
    assert bench.read(STATUS) & 0xC000 == 0


def test_an_error_is_cleared_by_being_read_and_comes_back(bench):
    bench = checked(bench)
    bench.chip.corrupt(0x36, 1)
    bench.wait(PASS_US)
    assert bench.read(STATUS) == 0x3000
    assert bench.read(STATUS) == 0
    bench.wait(PASS_US)
    assert bench.read(STATUS) == 0x3000


# -- energy, DS 5.4 -------------------------------------------------------------------------------


def test_the_datasheets_worked_example(bench):
    # Forward 12.34, reverse 1.23, absolute 13.57 pulses; then +0.005, -0.004, -0.003. The model counts hundredths.
    def flow(thousandths):
        bench.chip.set_phase(0, 230_000, 0, thousandths * PULSE_W_S, 0, bench.now_us)
        bench.wait(S)
        bench.chip.advance(bench.now_us)
        return [bench.chip.lifetime(addr) for addr in (AP, AN, AT)]

    assert flow(12_340) == [1234, 0, 1234]
    assert flow(-1_230) == [1234, 123, 1357]
    assert flow(5) == [1234, 123, 1357]  # 12.345 | 1.23 | 13.575
    assert flow(-4) == [1234, 123, 1357]  # 12.341 | 1.23 | 13.579
    assert flow(-3) == [1234, 123, 1358]  # 12.34 | 1.232 | 13.582
    assert flow(-8) == [1234, 124, 1359]  # 1.24 | 13.59: the reverse energy began at 12.34


def test_registers_step_by_a_tenth_of_a_pulse(bench):
    bench.chip.set_phase(0, 230_000, 0, PULSE_W_S * 99, 0, bench.now_us)
    bench.wait(S)
    assert bench.read(AP) == 0
    bench.wait(S)
    assert bench.read(AP) == 1  # 0.198
    bench.wait(S)
    assert bench.read(AP) == 1  # 0.297: what was below a step has not gone


def test_registers_wrap(bench):
    bench.load(36_000)
    bench.wait(205 * S)
    assert bench.read(AP) == 205 * 320 - 65536
    assert bench.read(AP) == 0


def test_one_kilowatt_hour_is_32_000_steps_at_3200_pulses(bench):
    bench.load(1000)
    steps = 0
    for _ in range(60):
        bench.wait(60 * S)
        steps += bench.read(AP)
    assert steps == 32_000


def test_directions_and_reactive_energy(bench):
    bench.load(-3600, q_var=1800)
    bench.wait(S)
    assert [bench.read(addr) for addr in range(AP, RT + 1)] == [0, 32, 32, 16, 0, 16]
    bench.load(3600, q_var=-1800)
    bench.wait(S)
    assert [bench.read(addr) for addr in range(AP, RT + 1)] == [32, 0, 32, 0, 16, 16]


steps = st.lists(st.tuples(st.integers(-25_000_000, 25_000_000), st.integers(1, 400_000)), min_size=1, max_size=20)


@given(steps, st.integers(1, 5))
def test_counts_are_the_exact_integral_however_often_they_are_read(schedule, pieces):
    bench = Bench()
    net = absolute = 0
    for p_mw, us in schedule:
        bench.chip.set_phase(0, 230_000, 0, p_mw, 0, bench.now_us)
        for n in range(pieces):
            bench.wait(us * (n + 1) // pieces - us * n // pieces)
            bench.read(AP)
        net += p_mw * us
        absolute += abs(p_mw) * us
    bench.chip.advance(bench.now_us)
    forward, reverse, both = (bench.chip.lifetime(addr) for addr in (AP, AN, AT))
    count = 11_250_000_000  # mW us
    assert abs(Fraction(net, count) - (forward - reverse)) < 1
    assert both == absolute // count
    assert forward + reverse <= both + 1


def test_the_plant_is_told_of_each_energy_read(bench):
    seen = []
    bench.chip.on_energy_read = lambda addr, steps, now_us: seen.append((addr, steps, now_us))
    bench.load(3600)
    bench.wait(S)
    bench.read(AP)
    assert seen == [(AP, 32, START_US + S)]


def test_cf1_gives_a_pulse_a_hundred_counts_in_either_direction(bench):
    bench.load(1125)
    bench.wait(7_500_000)
    bench.load(-1125)
    bench.wait(3 * S)
    assert bench.chip.pulses(bench.now_us) == 10
    bench.chip.cf1_dead = True
    assert bench.chip.pulses(bench.now_us) == 0


# -- thresholds, lines, DS 3.2, 3.4 ---------------------------------------------------------------


def test_the_power_on_threshold_is_0_4_percent_of_1100_w():
    bench = Bench()
    bench.write(0x27, 0x08BD)
    bench.chip.set_phase(0, 230_000, 0, 4399, 0, bench.now_us)
    bench.wait(100 * S)
    assert bench.read(AP) == 0
    assert bench.read(EN) & 0x4000
    bench.chip.set_phase(0, 230_000, 0, 4401, 0, bench.now_us)
    bench.wait(100 * S)
    assert bench.read(AP) == 3
    assert not bench.read(EN) & 0x4000


def test_once_started_it_counts_down_to_the_no_load_threshold(bench):
    bench.write(0x27, 0x08BD)
    bench.write(0x28, 0x0400)  # 2.01 W
    bench.load(5)
    bench.load(3)
    bench.wait(100 * S)
    assert bench.read(AP) == 2
    bench.load(2)
    bench.wait(100 * S)
    assert bench.read(AP) == 0


def test_the_neutral_carries_what_the_line_does_unless_told_otherwise(bench):
    bench.load(2300, i_ma=10_000)
    bench.wait(S)
    assert (bench.read(0x68), bench.read(0x6A)) == (10_000, 2300)
    bench.chip.set_neutral(4_000, bench.now_us)
    bench.wait(S)
    assert (bench.read(0x68), bench.read(0x6A), bench.read(0x6F)) == (4_000, 920, 920)


def test_the_larger_line_is_metered_beyond_the_threshold_and_the_change_is_reported(bench):
    bench.load(2300, i_ma=10_000)
    bench.wait(S)
    bench.chip.set_neutral(10_300, bench.now_us)  # 3 %: less than 3.125
    assert bench.read(EN) & 0x0800
    bench.chip.set_neutral(10_400, bench.now_us)
    assert not bench.read(EN) & 0x0800
    assert bench.read(STATUS) & 0x80
    bench.read(AP)
    bench.wait(10 * S)
    assert bench.read(AP) == pytest.approx(23_920 / 112.5, abs=1)
    bench.chip.set_neutral(9_800, bench.now_us)  # back only beyond the threshold, too
    assert not bench.read(EN) & 0x0800
    bench.chip.set_neutral(9_600, bench.now_us)
    assert bench.read(EN) & 0x0800


@pytest.mark.parametrize("mode, watts", [(1, 1000), (2, 3000), (3, 1000)])
def test_the_pins_choose_the_line(mode, watts):
    bench = Bench()
    bench.chip.ln_mode = mode
    bench.load(1000, i_ma=5_000)
    bench.chip.set_neutral(10_000, bench.now_us)
    bench.wait(90 * S)
    assert bench.read(AP) == watts * 90 // 112.5
    assert bench.read(EN) & 3 == mode


def test_in_flexible_mode_lnsel_chooses():
    bench = Bench()
    bench.chip.ln_mode = 3
    bench.load(1000, i_ma=5_000)
    bench.chip.set_neutral(10_000, bench.now_us)
    bench.write(0x2B, 0x9022)
    bench.wait(90 * S)
    assert bench.read(AP) == 1600


# -- measurements, DS 5.5 -------------------------------------------------------------------------


def test_register_formats(bench):
    bench.load(-2300, q_var=400, u_v=231, i_ma=10_123)
    bench.chip.set_freq(4998, bench.now_us)
    bench.wait(S)
    assert bench.read(0x49) == 23_100
    assert bench.read(0x48) == 10_123
    assert bench.signed(0x4A) == -2300
    assert bench.signed(0x4B) == 400
    assert bench.read(0x4C) == 4998
    assert bench.read(0x4D) == 0x8000 | 984  # sign and magnitude: -2300 / 2338.4
    assert bench.read(0x4E) == 1701  # 170.1 degrees
    assert bench.read(0x4F) == 2338


def test_power_factor_and_angle_carry_their_sign_in_the_top_bit(bench):
    bench.load(-1000, i_ma=4_348)
    bench.wait(S)
    assert bench.read(0x4D) == 0x83E8
    bench.load(1000, q_var=-1000, i_ma=6_149)
    bench.wait(S)
    assert bench.read(0x4E) == 0x8000 | 450


def test_lsb_has_what_is_below_the_last_value_read(bench):
    bench.chip.set_phase(0, 230_004, 0, 1_500_250, 0, bench.now_us)
    bench.wait(S)
    assert (bench.read(0x4A), bench.read(LSB)) == (1500, 0x4000)
    assert (bench.read(0x49), bench.read(LSB)) == (23_000, 256 * 4 // 10 << 8)
    bench.read(0x4C)
    assert bench.read(LSB) & 0xFF == 0


def test_gains_by_the_application_notes_formulas(bench):
    # The part shows 2 % too little of U, 3 % of I: Ugain 26400 / 0.98, IgainL 31251 / 0.97.
    bench.load(2300, u_v=230, i_ma=10_000)
    bench.write(0x31, 26_939)
    bench.write(0x32, 32_218)
    bench.wait(S)
    assert bench.read(0x49) == pytest.approx(23_000 / 0.98, abs=2)
    assert bench.read(0x48) == pytest.approx(10_000 / 0.97, abs=2)
    assert bench.read(0x4A) == pytest.approx(2300 / 0.98 / 0.97, abs=2)


def test_metering_gain_is_2s_complement_of_an_error_by_2_to_the_15(bench):
    # 2 % too much: -0.02 / 1.02 * 2**15.
    bench.write(0x23, -643 & 0xFFFF)
    bench.load(10_200)
    bench.wait(90 * S)
    assert bench.read(AP) == pytest.approx(8000, abs=2)


def test_values_are_means_over_320_ms(bench):
    bench.now_us = 10 * 320_000  # windows are counted from power-up
    bench.load(1000)
    bench.wait(160_000)
    bench.load(3000)
    bench.wait(159_999)
    assert bench.read(0x4A) == 0
    bench.wait(1)
    assert bench.read(0x4A) == 2000
    bench.wait(320_000)
    assert bench.read(0x4A) == 3000


def test_values_stop_at_their_registers_ends(bench):
    bench.load(40_000, i_ma=100_000)
    bench.wait(S)
    assert (bench.read(0x48), bench.read(0x4A), bench.read(0x4F)) == (0xFFFF, 0x7FFF, 23_000)


# -- states ---------------------------------------------------------------------------------------


def test_sag_is_reported_after_a_period_if_enabled(bench):
    bench.write(0x03, 7530)  # 0.78 of 220 V
    bench.load(0, u_v=160)
    bench.wait(60_000)
    assert bench.read(STATUS) & 2 == 0
    bench.load(0, u_v=230)
    bench.write(0x02, 0x002C)
    bench.load(0, u_v=172)
    bench.wait(60_000)
    assert bench.read(STATUS) & 2 == 0  # 171.6 V is the threshold
    bench.load(0, u_v=171)
    bench.wait(19_000)
    assert bench.read(STATUS) & 2 == 0
    bench.wait(1_000)
    assert bench.read(STATUS) & 2
    assert bench.read(STATUS) & 2 == 0


def test_direction_bits_follow_the_last_pulse_and_their_change_is_reported(bench):
    bench.load(-3600, q_var=-3600)
    bench.wait(300_000)
    assert bench.read(EN) & 0x3000 == 0  # no whole pulse yet
    bench.wait(S)
    assert bench.read(EN) & 0x3000 == 0x3000
    assert bench.read(STATUS) & 0x60 == 0x60
    bench.write(0x02, 0x0008)
    bench.load(3600, q_var=3600)
    bench.wait(S)
    assert bench.read(EN) & 0x3000 == 0
    assert bench.read(STATUS) & 0x60 == 0x40
