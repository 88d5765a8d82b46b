# SPDX-License-Identifier: Apache-2.0
"""The ATM90E32AS model against the datasheet's rules and printed figures (Atmel-46003B)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.chips.atm90e32 import CRC_PASS_US, START_US, Atm90e32Chip

AP_T, AP_A, AN_T, RP_T, RN_T, SA_T = 0x80, 0x81, 0x84, 0x88, 0x8C, 0x90
LAST, CRC, KEY = 0x78, 0x79, 0x7F
S = 1_000_000
PJ_PER_COUNT = 11_250_000_000_000  # at 3,200 pulses/kWh: 3,125 uWh


class Bench:
    """A part that has powered up, with metering on and its clock; frames as a master makes them."""

    def __init__(self, phases=1, metering=True):
        self.chip = Atm90e32Chip()
        self.now_us = START_US
        if metering:
            self.write(KEY, 0x55AA)
            self.write(0x33, 0x0087 if phases == 3 else 0x0084)
            self.write(0x00, 1)

    def frame(self, tx: bytes, mode=3, baudrate=1_000_000) -> bytes:
        self.chip.spi_select(self.now_us)
        rx = self.chip.spi_transfer(tx, mode, baudrate, self.now_us)
        self.chip.spi_deselect(self.now_us)
        return rx

    def read(self, addr, **spi) -> int:
        return int.from_bytes(self.frame(bytes((0x80, addr, 0, 0)), **spi)[2:4], "big")

    def write(self, addr, value):
        self.frame(bytes((0, addr, value >> 8, value & 0xFF)))

    def power(self, addr) -> int:
        """A 32-bit power register in its own unit."""
        word = self.read(addr) << 16 | self.read(addr + 0x10)
        return word - (1 << 32) if word >> 31 else word

    def load(self, p_w, q_var=0, u_v=230, i_ma=0, phase=0):
        self.chip.set_phase(phase, u_v * 1000, i_ma, p_w * 1000, q_var * 1000, self.now_us)

    def wait(self, us):
        self.now_us += us


@pytest.fixture
def bench():
    return Bench()


# -- SPI, DS 4.2 ----------------------------------------------------------------------------------


def test_a_write_takes_effect_when_chip_select_rises(bench):
    bench.load(3600)
    bench.chip.spi_select(bench.now_us)
    bench.chip.spi_transfer(b"\x00\x00\x00\x00", 3, 1_000_000, bench.now_us)  # metering off
    bench.wait(S)
    bench.chip.spi_deselect(bench.now_us)
    bench.wait(S)
    assert bench.read(AP_T) == 320


@pytest.mark.parametrize("clocks", [24, 40, 64])
def test_a_write_of_other_than_32_clocks_is_dropped(bench, clocks):
    bench.frame(b"\x00\x08\x12\x34\x56\x78\x9a\xbc"[: clocks // 8])
    assert bench.read(0x08) == 0x1000


def test_a_frame_may_come_in_pieces(bench):
    bench.chip.spi_select(bench.now_us)
    for byte in b"\x00\x08\x12\x34":
        bench.chip.spi_transfer(bytes((byte,)), 3, 1_000_000, bench.now_us)
    bench.chip.spi_deselect(bench.now_us)
    assert bench.read(0x08) == 0x1234


def test_one_register_per_chip_select(bench):
    rx = bench.frame(b"\x80\x31\x00\x00\x80\x32\x00\x00")
    assert rx[2:4] == b"\x08\x61"
    assert rx[6:8] == b"\0\0"


def test_five_address_bits_are_ignored(bench):
    assert bench.frame(b"\xfc\x31\x00\x00")[2:] == b"\x08\x61"


def test_addresses_beyond_the_registers_read_zero(bench):
    assert bench.frame(b"\x81\x31\x00\x00")[2:] == b"\0\0"


def test_last_spi_data_repeats_the_last_read_and_the_last_write(bench):
    bench.read(0x31)
    assert bench.read(LAST) == 0x0861
    assert bench.read(LAST) == 0x0861
    bench.write(0x08, 0x1234)
    assert bench.read(LAST) == 0x1234


def test_energy_is_cleared_by_being_read_and_stays_in_last_spi_data(bench):
    bench.load(3600)
    bench.wait(S)
    assert bench.read(AP_T) == 320
    assert bench.read(LAST) == 320
    assert bench.read(AP_T) == 0
    assert bench.read(LAST) == 0


def test_sixteen_clocks_are_enough_to_fetch_and_clear_and_eight_are_not(bench):
    bench.load(3600)
    bench.wait(S)
    bench.frame(b"\x80")
    assert bench.read(LAST) != 320
    bench.frame(b"\x80\x80")
    assert bench.read(LAST) == 320
    assert bench.read(AP_T) == 0


def test_a_write_to_an_energy_register_changes_nothing(bench):
    bench.load(3600)
    bench.wait(S)
    bench.write(AP_T, 0x5555)
    assert bench.read(AP_T) == 320


def test_wrong_spi_mode_shifts_what_is_read(bench):
    assert bench.read(0x31, mode=0) == 0x0861 << 1
    assert bench.read(0x31, mode=1) != 0x0861


def test_too_fast_and_too_slow_a_clock_garble(bench):
    assert [bench.read(0x31, baudrate=1_100_000) for _ in range(50)] == [0x0861] * 50
    assert [bench.read(0x31, baudrate=2_000_000) for _ in range(50)] != [0x0861] * 50
    assert [bench.read(0x31, baudrate=300) for _ in range(50)] != [0x0861] * 50


def test_no_answer_until_40_ms_after_power_up_and_reset():
    bench = Bench(metering=False)
    bench.chip.power_on(bench.now_us)
    bench.wait(START_US - 1)
    assert bench.read(0x31) == 0
    bench.wait(1)
    assert bench.read(0x31) == 0x0861
    bench.write(0x08, 0x1234)
    bench.write(0x70, 0x789A)
    assert bench.read(0x31) == 0
    bench.wait(START_US)
    assert bench.read(0x08) == 0x1000
    assert bench.read(0x70) == 0


def test_only_the_key_resets(bench):
    bench.write(0x70, 0x789B)
    assert bench.read(0x31) == 0x0861


def test_absent_unselected_and_unpowered(bench):
    assert bench.chip.spi_transfer(b"\x80\x31\0\0", 3, 1_000_000, bench.now_us) == b"\xff" * 4
    bench.chip.absent = True
    assert bench.read(0x31) == 0xFFFF
    bench.chip.absent = False
    bench.chip.power_off(bench.now_us)
    assert bench.read(0x31) == 0


def test_another_part_takes_no_writes(bench):
    bench.chip.wrong_id = True
    bench.write(KEY, 0x1234)
    assert bench.read(LAST) not in (0x1234, 0, 0xFFFF)


def test_noise_flips_about_as_many_bits_as_asked_and_repeats_with_its_seed():
    def flipped(seed):
        chip = Atm90e32Chip(seed)
        chip.noise = 0.01
        bits = 0
        for n in range(2000):
            chip.spi_select(START_US + n)
            rx = chip.spi_transfer(b"\x80\x1d\0\0", 3, 1_000_000, START_US + n)
            chip.spi_deselect(START_US + n)
            bits += int.from_bytes(rx[:2], "big").bit_count()
        return bits

    assert flipped(1) == flipped(1)
    assert flipped(1) == pytest.approx(2000 * 16 * 0.01, rel=0.2)


# -- energy, DS 3.5 -------------------------------------------------------------------------------


def test_the_datasheets_worked_example(bench):
    # 0.005, -0.004, -0.005, -0.007 pulses: forward stays, reverse gains 0.01 in the last step.
    def flow(thousandths, more_mw=0):
        # A thousandth of a pulse is 1.125 J.
        bench.chip.set_phase(0, 230_000, 0, thousandths * 1125 + more_mw, 0, bench.now_us)
        bench.wait(S)
        return bench.read(AP_T), bench.read(AN_T)

    assert [flow(n) for n in (5, -4, -5, -7)] == [(0, 0), (0, 0), (0, 0), (0, 1)]
    # What is left is -0.001: not quite 0.009 more backwards make no count, a little more does.
    assert flow(-9, more_mw=1) == (0, 0)
    bench.wait(1000)
    assert bench.read(AN_T) == 1


def test_one_kilowatt_hour_is_320_000_counts_at_3200_pulses():
    bench = Bench()
    bench.load(1000)
    counts = 0
    for _ in range(60):
        bench.wait(60 * S)
        counts += bench.read(AP_T)
    assert counts == 320_000


@pytest.mark.parametrize("pulses, pl", [(3200, 140_625_000), (1600, 281_250_000), (1000, 450_000_000)])
def test_pl_constant_sets_the_worth_of_a_count(pulses, pl):
    bench = Bench()
    bench.write(0x31, pl >> 16)
    bench.write(0x32, pl & 0xFFFF)
    bench.load(1000)
    bench.wait(360 * S)
    assert bench.read(AP_T) == pulses * 10
    assert Fraction(10**9, pulses * 100) == Fraction(pl * 80_000, 3_600_000_000)  # uWh, by DS and by ours


def test_the_power_on_pulse_constant_is_that_of_3200_pulses(bench):
    assert (bench.read(0x31) << 16 | bench.read(0x32)) == 450_000_000_000 // 3200


steps = st.lists(st.tuples(st.integers(-25_000_000, 25_000_000), st.integers(1, 400_000)), min_size=1, max_size=20)


@given(steps)
def test_counts_are_the_exact_integral(schedule):
    bench = Bench()
    net = forward = reverse = 0
    for p_mw, us in schedule:
        bench.chip.set_phase(0, 230_000, 0, p_mw, 0, bench.now_us)
        bench.wait(us)
        net += p_mw * us
        forward += bench.read(AP_T)
        reverse += bench.read(AN_T)
    assert abs(Fraction(net, PJ_PER_COUNT // 1000) - (forward - reverse)) < 1
    assert bench.chip.lifetime(AP_T) == forward
    assert bench.chip.lifetime(AN_T) == reverse


@given(steps, st.integers(1, 7))
def test_how_often_registers_are_read_changes_nothing(schedule, pieces):
    totals = []
    for parts in (1, pieces):
        bench = Bench()
        sums = [0, 0]
        for p_mw, us in schedule:
            bench.chip.set_phase(0, 230_000, 0, p_mw, 0, bench.now_us)
            for n in range(parts):
                bench.wait(us * (n + 1) // parts - us * n // parts)
                sums[0] += bench.read(AP_T)
                sums[1] += bench.read(AN_T)
        totals.append(sums)
    assert totals[0] == totals[1]


def test_registers_are_16_bits_wide(bench):
    bench.load(36_000)
    bench.wait(21 * S)
    assert bench.read(AP_T) == 21 * 3200 - 65536
    bench.chip.saturates = True
    bench.wait(21 * S)
    assert bench.read(AP_T) == 0xFFFF


def test_reactive_and_apparent_energy_have_their_own_registers(bench):
    bench.load(3600, q_var=-1800, u_v=230, i_ma=20_000)  # 4,600 VA
    bench.wait(S)
    assert [bench.read(a) for a in (AP_T, AN_T, RP_T, RN_T, SA_T)] == [320, 0, 0, 160, 408]


def test_the_plant_is_told_of_each_energy_read(bench):
    seen = []
    bench.chip.on_energy_read = lambda addr, counts, now_us: seen.append((addr, counts, now_us))
    bench.load(3600)
    bench.wait(S)
    bench.read(AP_T)
    assert seen == [(AP_T, 320, START_US + S)]


def test_nothing_is_counted_while_metering_is_off(bench):
    bench.load(3600)
    bench.wait(1000)  # 0.32 count
    bench.write(0x00, 0)
    bench.wait(S)
    bench.write(0x00, 1)
    bench.wait(S)
    assert bench.read(AP_T) == 320
    bench.wait(1000)
    assert bench.read(AP_T) == 0


def test_nothing_is_counted_without_power(bench):
    bench.load(3600)
    bench.chip.power_off(bench.now_us)
    bench.wait(S)
    bench.chip.power_on(bench.now_us)
    bench.wait(START_US)
    assert bench.read(AP_T) == 0
    assert bench.read(0x00) == 0


# -- sums and thresholds, DS 3.5.4 ----------------------------------------------------------------


def loaded(mode, powers):
    bench = Bench(phases=3)
    bench.write(0x33, mode)
    for phase, w in enumerate(powers):
        bench.load(w, phase=phase)
    for addr in range(0x80, 0x88):
        bench.read(addr)
    bench.wait(S)
    return [bench.read(addr) for addr in range(0x80, 0x88)]


@pytest.mark.parametrize(
    "mode, powers, total, reverse",
    [
        (0x0087, (3600, 1800, 0), 480, 0),
        (0x0087, (3600, -1800, 0), 160, 0),
        (0x0087, (-3600, 1800, 0), 0, 160),
        (0x008F, (-3600, 1800, 0), 480, 0),
        (0x0084, (3600, 1800, 900), 320, 0),
        (0x0081, (3600, 1800, 900), 80, 0),
    ],
)
def test_totals_are_the_sum_the_mode_asks_for(mode, powers, total, reverse):
    counts = loaded(mode, powers)
    assert (counts[0], counts[4]) == (total, reverse)


def test_each_phase_keeps_its_own_sign():
    assert loaded(0x008F, (-3600, 1800, 0))[1:4] == [0, 160, 0]
    assert loaded(0x008F, (-3600, 1800, 0))[5:8] == [320, 0, 0]


def test_below_the_start_threshold_nothing_is_counted(bench):
    bench.write(0x35, 0x1424)  # 1.65 W
    bench.chip.set_phase(0, 230_000, 0, 1649, 0, bench.now_us)
    bench.wait(100 * S)
    assert bench.read(AP_T) == 0
    assert bench.read(0x71) & 0x0020
    bench.chip.set_phase(0, 230_000, 0, 1650, 0, bench.now_us)
    bench.wait(100 * S)
    assert bench.read(AP_T) == 14
    assert not bench.read(0x71) & 0x0020


def test_a_phase_below_its_threshold_is_left_out_of_the_sum():
    bench = Bench(phases=3)
    bench.write(0x38, 31250)  # 10 W
    bench.load(9, phase=0)
    bench.load(3600, phase=1)
    bench.load(4, q_var=7, phase=2)  # |P| + |Q| = 11
    bench.wait(100 * S)
    assert [bench.read(a) for a in (0x80, 0x81, 0x82, 0x83)] == [32_035, 0, 32_000, 35]


# -- measurements, DS 3.6, 5.6 --------------------------------------------------------------------


def test_register_formats(bench):
    bench.load(-2300, q_var=400, u_v=231, i_ma=10_123)
    bench.wait(S)
    assert bench.power(0xB1) == -7_187_500  # 0.00032 W
    assert bench.power(0xB0) == -7_187_500
    assert bench.power(0xB5) == 1_250_000
    assert bench.power(0xB9) == round(231 * 10.123 / 0.00032)
    assert bench.read(0xD9) == 23_100
    assert bench.read(0xDD) == 10_123
    assert bench.read(0xF8) == 5000
    assert bench.read(0xBD) == 0x10000 - 984  # -2300 / 2338.4
    assert bench.read(0xFC) == 25


def test_current_stops_at_65_amperes_and_halving_the_gain_doubles_the_range(bench):
    bench.load(23_000, i_ma=100_000)
    bench.wait(S)
    assert bench.read(0xDD) == 0xFFFF
    bench.read(AP_T)
    bench.write(0x62, 0x4000)
    bench.wait(S)
    assert bench.read(0xDD) == 50_000
    assert bench.power(0xB1) == 35_937_500
    assert bench.read(AP_T) == 1022


def test_values_are_means_over_320_ms(bench):
    bench.now_us = 320_000 * 10  # windows are counted from power-up
    bench.load(1000)
    bench.wait(160_000)
    bench.load(3000)
    bench.wait(159_999)
    assert bench.power(0xB1) == 0
    bench.wait(1)
    assert bench.power(0xB1) == 6_250_000
    bench.wait(320_000)
    assert bench.power(0xB1) == 9_375_000


def test_high_and_low_word_tear_across_an_update(bench):
    bench.wait(2 * S)
    bench.load(20)  # 62,500: high word 0
    bench.wait(2 * S)
    bench.load(21)  # 65,625: high word 1
    torn = set()
    for _ in range(320_000 // 8_000 * 2):
        high = bench.read(0xB1)
        bench.wait(8_000)
        low = bench.read(0xC1)
        torn.add(high << 16 | low)
    assert 65_625 in torn
    assert any(word < 1000 for word in torn)  # old high word, new low word


# -- states, DS table 10 --------------------------------------------------------------------------


def test_sag_and_phase_loss_show_after_their_window_and_end_at_once(bench):
    bench.write(0x08, 12685)  # 179.4 V
    bench.load(0, u_v=170)
    bench.wait(62_000)
    assert not bench.read(0x72) & 0x4000
    bench.wait(2_000)
    assert bench.read(0x72) & 0x4400 == 0x4000
    bench.load(0, u_v=5)
    bench.wait(64_000)
    assert bench.read(0x72) & 0x4400 == 0x4400
    bench.load(0, u_v=230)
    assert bench.read(0x72) & 0x4400 == 0


def test_a_latch_remembers_a_change_until_ones_are_written(bench):
    bench.load(0)
    bench.wait(S)
    bench.write(0x73, 0xFFFF)
    bench.write(0x74, 0xFFFF)
    bench.load(0, u_v=5)
    bench.wait(100_000)
    bench.load(0, u_v=230)
    assert bench.read(0x74) & 0x4000
    bench.write(0x74, 0x0001)
    assert bench.read(0x74) & 0x4000
    bench.write(0x74, 0x4000)
    assert not bench.read(0x74) & 0x4000


def test_direction_bits_follow_the_energy_register_that_moved_last(bench):
    bench.load(-3600)
    bench.wait(S)
    assert bench.read(0x71) & 0x0008
    assert bench.read(0x72) & 0x000C == 0x000C
    bench.load(3600)
    assert bench.read(0x72) & 0x0008
    bench.wait(S)
    assert not bench.read(0x72) & 0x000C


def test_frequency_and_over_limits(bench):
    bench.load(0)
    bench.chip.set_freq(4650, bench.now_us)
    assert bench.read(0x72) & 0x8800 == 0x0800
    bench.chip.set_freq(5200, bench.now_us)
    assert bench.read(0x72) & 0x8800 == 0x8000
    bench.write(0x06, 18_000)  # 254 V
    bench.write(0x0B, 7_071)  # 10 A
    bench.load(0, u_v=260, i_ma=11_000)
    assert bench.read(0x71) & 0x9000 == 0x9000


# -- configuration CRC, DS 5.2.1 ------------------------------------------------------------------


def closed(bench):
    bench.write(KEY, 0)
    bench.wait(CRC_PASS_US)
    assert bench.read(CRC) == 0
    return bench


def test_an_upset_shows_after_the_next_pass(bench):
    closed(bench)
    bench.chip.corrupt(0x31, 0x0860)
    assert bench.read(CRC) == 0
    bench.wait(CRC_PASS_US)
    assert bench.read(CRC) == 1


def test_a_write_without_the_key_is_taken_and_shows_as_an_error(bench):
    closed(bench)
    bench.write(0x08, 0x1234)
    bench.wait(CRC_PASS_US)
    assert bench.read(0x08) == 0x1234
    assert bench.read(CRC) == 1


def test_what_changes_while_open_belongs_to_the_next_golden_crc(bench):
    closed(bench)
    bench.write(KEY, 0x55AA)
    bench.write(0x08, 0x1234)
    closed(bench)
    bench.wait(S)
    assert bench.read(CRC) == 0


def test_registers_beyond_6f_are_not_covered(bench):
    closed(bench)
    bench.write(0x75, 0xFFFF)
    bench.wait(S)
    assert bench.read(CRC) == 0
