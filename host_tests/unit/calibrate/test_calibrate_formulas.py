# SPDX-License-Identifier: Apache-2.0
"""Calibration arithmetic: the application note's examples (Atmel-46103A), and round trips through the chip model."""

from math import acos, cos, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.calibrate import formulas
from scripts.calibrate.errors import RangeError
from scripts.calibrate.guide import Plan, calibrate
from scripts.calibrate.ic import Ic
from scripts.calibrate.sim import SimLink
from scripts.calibrate.verify import residuals

# -- worked examples ----------------------------------------------------------------------------------


def test_voltage_gain_of_the_application_note():
    # 220 / 123.453 * 32768 = 58394.49; the note prints E41BH, which is the next one above.
    assert 0xE41B - formulas.rms_gain(0x8000, 123_453, 220_000) == 1
    assert formulas.rms_gain(0x8000, 123_452, 220_000) == 0xE41B


def test_power_gain_of_the_application_note():
    # An error of -13.78 %.
    assert formulas.pq_gain(10_000 - 1_378, 10_000) == 0x1475


def test_a_power_that_reads_high_gets_a_negative_gain():
    # e = +1 %: -0.01 / 1.01 * 32768 = -324.4
    assert formulas.pq_gain(10_100, 10_000) == 0x10000 - 324


def test_a_gain_found_with_another_in_force_is_their_product():
    assert formulas.pq_gain(10_000, 10_000, old=0x1475) == 0x1475
    assert formulas.rms_gain(0xE41B, 220_000, 220_000) == 0xE41B


def test_voltage_offset_takes_the_25_upper_bits_away():
    # 0.10 V and 64/256 of the least bit: 10.25 * 65536 >> 7 = 5248
    assert formulas.rms_offset(10 << 16 | 0x4000) == 0x10000 - 5248


def test_power_offset_takes_the_power_away():
    assert formulas.power_offset(3125) == 0x10000 - 3125  # 1 W
    assert formulas.power_offset(0x1_0000_0000 - 3125) == 3125
    assert formulas.power_offset(0) == 0


@pytest.mark.parametrize("hz, counts", [(50, 38), (60, 31)])
def test_phase_counts_of_one_percent(hz, counts):
    assert formulas.phi(10_100, 10_000, hz=hz) == counts
    assert formulas.phi(9_900, 10_000, hz=hz) == 0x8000 | counts


@pytest.mark.parametrize("hz, factor", [(50, formulas.PHI_50_HZ), (60, formulas.PHI_60_HZ)])
def test_the_phase_factor_is_that_of_a_2_048_mhz_clock(hz, factor):
    # dP/P = tan(60 degrees) * angle, a count is 2 pi f / 2.048 MHz
    assert factor / 1000 == pytest.approx(2_048_000 / (2 * pi * hz) / 3**0.5, rel=1e-5)


def test_phase_is_sign_and_count_and_adds_to_what_is_there():
    assert formulas.phi_counts(0x8003) == -3 and formulas.phi_counts(3) == 3
    assert formulas.phi(10_000, 10_000, old=0x8003) == 0x8003
    assert formulas.phi(10_100, 10_000, old=0x8003) == 35


# -- what no register can hold ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: formulas.rms_gain(0x8000, 100, 201),
        lambda: formulas.rms_gain(0x8000, 0, 230),
        lambda: formulas.rms_gain(0x8000, 230, 0),
        lambda: formulas.pq_gain(49, 100),
        lambda: formulas.pq_gain(-100, 100),
        lambda: formulas.pq_gain(100, 0),
        lambda: formulas.rms_offset(0x8001 << 7),
        lambda: formulas.power_offset(0x8001),
        lambda: formulas.phi(10_700, 10_000),
        lambda: formulas.phi(1, 0),
    ],
)
def test_out_of_range_is_refused_with_a_remedy(call):
    with pytest.raises(RangeError) as e:
        call()
    assert str(e.value).count(".") >= 1 and str(e.value).endswith(".")


@given(st.integers(-(10**12), 10**12), st.integers(-(10**6), 10**6).filter(bool))
def test_rounding_is_to_the_nearest(n, d):
    assert abs(2 * (formulas.rounded(n, d) * d - n)) <= abs(d)


# -- round trip --------------------------------------------------------------------------------------


def calibrated(link, phases, scale, phase=0):
    ic, plan = Ic(link, phases, scale), Plan()
    calibrate(ic, link, plan, phase, lambda text: None)
    return ic, residuals(ic, link, plan, phase)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1, 2])
def test_a_wrong_front_end_measures_right_afterwards(seed, scale):
    link = SimLink(f"{seed}", 3)
    ic = Ic(link, 3, scale)
    plan = Plan()
    before = None
    for phase in range(3):
        ic.words.clear()
        ic.configure()
        before = max(r.worst_ppm() for r in residuals(ic, link, plan, phase))
        calibrate(ic, link, plan, phase, lambda text: None)
        after = max(r.worst_ppm() for r in residuals(ic, link, plan, phase))
        assert after < 500 < 5_000 < before  # 0.05 %, 0.5 %


ERRORS = {
    "voltage": {"u_ppm": 30_000},
    "current": {"i_ppm": -45_000},
    "voltage offset": {"u_offset_uv": 100_000},
    "current offset": {"i_offset_ua": 5_000},
    "power offset": {"p_offset_uw": 2_000_000, "q_offset_uvar": -1_000_000},
    "phase": {"lead_udeg": 800_000},
    "phase the other way": {"lead_udeg": -800_000},
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_alone_is_found_by_its_step(name):
    link = SimLink(errors=False)
    link.chip.front[0].err(**ERRORS[name])
    link.chip.rewire(link.now_us)
    ic, left = calibrated(link, 1, 1)
    assert max(r.worst_ppm() for r in left) < 200
    expected = {
        "voltage": {0x61}, "current": {0x62}, "voltage offset": {0x63}, "current offset": {0x64},
        "power offset": {0x41, 0x42}, "phase": {0x48}, "phase the other way": {0x48},
    }[name]  # fmt: skip
    far = {a for a, w in ic.words.items() if abs(formulas.signed(w) - (-0x8000 if a in (0x61, 0x62) else 0)) > 10}
    assert far == expected


def test_an_ideal_front_end_needs_nothing():
    ic, left = calibrated(SimLink(errors=False), 1, 1)
    assert set(ic.words.values()) == {0, 0x8000} and max(r.worst_ppm() for r in left) < 20


def test_a_leading_current_is_delayed():
    link = SimLink(errors=False)
    link.chip.front[0].err(lead_udeg=500_000)
    link.chip.rewire(link.now_us)
    ic, _ = calibrated(link, 1, 1)
    assert ic.words[0x48] == round(0.5 / 360 * 2_048_000 / 50)


def test_a_front_end_beyond_the_registers_is_refused():
    link = SimLink(errors=False)
    link.chip.front[0].err(lead_udeg=4_000_000)
    link.chip.rewire(link.now_us)
    with pytest.raises(RangeError, match="conductor"):
        calibrated(link, 1, 1)


# -- the model: offsets and delays as the datasheet has them ------------------------------------------


def test_a_voltage_offset_register_counts_in_512ths_of_10_mv():
    link = SimLink(errors=False)
    ic = Ic(link, 1, 1)
    ic.configure()
    link.load(0, 230_000, 0, 0)
    ic.put(0x63, 512)
    assert ic.shown(0).u_uv == 230_010_000
    ic.put(0x63, 0x10000 - 512)
    assert ic.shown(0).u_uv == 229_990_000


def test_a_current_offset_register_counts_in_512ths_of_a_milliampere():
    link = SimLink(errors=False)
    ic = Ic(link, 1, 1)
    ic.configure()
    link.load(0, 230_000, 1_150_000, 0)
    ic.put(0x64, 256)
    assert ic.shown(0).i_ua == 5_000_500


@pytest.mark.parametrize("word, sign", [(100, 1), (0x8064, -1)])
def test_a_phase_register_turns_the_power_by_its_delay(word, sign):
    link = SimLink(errors=False)
    ic = Ic(link, 1, 1)
    ic.configure()
    link.load(0, 230_000, 500_000, 866_025)
    link.wait(1000)
    before = ic.shown(0)
    angle = acos(before.p_uw / 1_000_000_000)
    ic.put(0x48, word)
    after = ic.shown(0)
    delay = 2 * pi * 50 * 100 / 2_048_000
    assert after.p_uw == pytest.approx(1_000_000_000 * cos(angle + sign * delay), rel=1e-5)
