# SPDX-License-Identifier: Apache-2.0
"""What the driver of every metering IC does, whichever IC it is: start, loss-free energy, and faults with a name."""

import pytest
from meter.core.errors import ChipError

from host_tests.stands.ic import ICS, S


@pytest.fixture(params=ICS, ids=lambda bench: bench.driver.__name__)
def ic(request):
    """ic(...): a bench with this IC."""
    return request.param


# -- start ----------------------------------------------------------------------------------------


def test_start_discards_what_was_counted_until_it_ended(ic):
    bench = ic(start=False)
    bench.load(23_000)
    bench.start()
    started_us = bench.vt.now_us
    assert bench.tick().import_counts == pytest.approx((S - started_us) * 23_000 / 11_250_000, abs=ic.start_counts)


@pytest.mark.parametrize("away_s", [5, 50])
def test_a_second_start_keeps_what_a_part_that_kept_power_has_counted(ic, away_s):
    bench = ic()
    bench.load(3600)
    bench.tick(3)
    bench.vt.advance(away_s * S)
    bench.restart()
    bench.start()
    assert bench.tick().import_counts == 320 * (away_s + 1)
    assert bench.error() == [0, 0, 0, 0]


def test_a_second_start_resets_a_part_whose_configuration_differs(ic):
    addr, wrong, right = ic.upset
    bench = ic()
    bench.load(3600)
    bench.chip.corrupt(addr, wrong)
    bench.vt.advance(5 * S)
    bench.start()
    assert bench.register(addr) == right
    assert 0 < bench.tick().import_counts < 320


def test_a_part_that_takes_longer_to_reset_than_its_data_sheet_says_is_waited_for(ic):
    bench = ic(start=False)
    bench.chip.start_us = 120_000
    bench.vt.advance(S)  # it is up, and will be reset
    bench.start()
    bench.load(3600)
    assert bench.tick(2).import_counts == 320


@pytest.mark.parametrize("silence", ["absent", "unpowered"])
def test_no_answer_says_what_to_look_at(ic, silence):
    bench = ic(start=False)
    if silence == "absent":
        bench.chip.absent = True
    else:
        bench.chip.power_off(0)
    with pytest.raises(ChipError, match=ic.silent):
        bench.start()


def test_another_part_is_named_by_what_it_took(ic):
    bench = ic(start=False)
    bench.chip.wrong_id = True
    with pytest.raises(ChipError, match=ic.another):
        bench.start()


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_wrong_spi_mode_does_not_start(ic, mode):
    bench = ic(start=False, mode=mode)
    with pytest.raises(ChipError, match=r"SPI mode 3|no answer"):
        bench.start()


def test_a_register_that_does_not_keep_its_value_is_named(ic):
    bench = ic(start=False)
    write = bench.wire.write_readinto

    def stuck(tx, rx):
        write(tx, rx)
        bench.chip.corrupt(ic.stuck, 0x0100)

    bench.wire.write_readinto = stuck
    with pytest.raises(ChipError, match=f"read-back, register {ic.stuck:02X}H: does not keep its value"):
        bench.start()


@pytest.mark.parametrize("seed", range(10))
def test_start_gets_through_noise(ic, seed):
    bench = ic(start=False, seed=seed)
    bench.chip.noise = 1e-3
    bench.start()
    bench.chip.noise = 0
    for _, addr, value in ic.table(bench.setup):
        assert bench.register(addr) == value
    for addr, value in ic.runs:
        assert bench.register(addr) == value
    bench.load(3600)
    bench.tick()
    assert bench.tick().import_counts == 320


# -- energy ---------------------------------------------------------------------------------------


def test_the_check_of_an_energy_register_is_the_very_next_frame(ic):
    """Another register read between the two, and a read that failed could not be told from one that did not."""
    bench = ic()
    bench.wire.log.clear()
    bench.tick()
    log = bench.wire.log
    for addr in ic.registers:
        assert log[log.index(ic.read_frame(addr)) + 1] == ic.read_frame(ic.logged)


def test_pulses_of_load_shorter_than_a_tick_are_not_mistaken_for_errors(ic):
    bench = ic()
    bench.load(0)
    for second in range(200):
        bench.vt.advance(400_000)
        bench.load((second - 100) * 100, (100 - second) * 30)
        bench.vt.advance(150_000)
        bench.load(0)
        bench.tick()
    assert bench.error() == [0, 0, 0, 0]
    assert bench.ic.disturbed == 0


def test_a_late_tick_loses_nothing(ic):
    bench = ic()
    bench.load(9000)
    for seconds in (1, 7, 2, 20, 1):
        bench.vt.advance((seconds - 1) * S)
        bench.tick()
    assert bench.error() == [0, 0, 0, 0]


def test_more_than_the_mains_can_deliver_is_not_booked(ic):
    bench = ic()
    bench.load(2300)
    bench.tick(2)
    bench.load(99_000, i_ma=60_000)
    with pytest.raises(ChipError, match=f"energy, register {ic.registers[0]:02X}H: .* more than mains can deliver"):
        bench.tick()


def test_what_can_be_believed_of_a_refused_tick_is_booked_in_the_next(ic):
    bench = ic()
    bench.load(2300)
    bench.tick(2)
    bench.load(2300, q_var=99_000, i_ma=60_000)
    with pytest.raises(ChipError, match=f"energy, register {ic.registers[2]:02X}H"):
        bench.tick()
    bench.load(2300)
    bench.start()
    bench.tick()
    assert bench.error()[:2] == [0, 0]


# -- a part that fails while it runs --------------------------------------------------------------


def test_a_part_that_stops_answering_is_named_before_anything_is_booked(ic):
    bench = ic()
    bench.load(2300)
    bench.tick(3)
    booked = list(bench.booked)
    bench.chip.absent = True
    with pytest.raises(ChipError, match="no answer"):
        bench.tick()
    assert bench.booked == booked
    bench.chip.absent = False
    bench.start()
    bench.tick()
    assert bench.error() == [0, 0, 0, 0]


def test_a_dead_bus_of_zeros_is_no_reading(ic):
    bench = ic()
    bench.load(2300)
    bench.tick()
    bench.chip.power_off(bench.vt.now_us)
    with pytest.raises(ChipError, match="no answer"):
        bench.tick()


def test_a_part_reset_behind_our_back_is_noticed_in_the_same_tick(ic):
    bench = ic()
    bench.load(2300)
    bench.tick()
    bench.chip.power_off(bench.vt.now_us)
    bench.chip.power_on(bench.vt.now_us)
    with pytest.raises(ChipError, match=ic.reset):
        bench.tick()


@pytest.mark.parametrize(
    "ic, addr",
    [pytest.param(ic, addr, id=f"{ic.driver.__name__} {addr:02X}H") for ic in ICS for addr in ic.checked],
)
def test_an_upset_register_is_reported_before_its_energy_is_booked_and_start_mends_it(ic, addr):
    bench = ic()
    bench.load(2300)
    bench.tick(3)
    booked = list(bench.booked)
    bench.chip.corrupt(addr, 0x0001 ^ bench.chip.peek(addr))
    with pytest.raises(ChipError, match=ic.config):
        bench.tick()
    assert bench.booked == booked
    bench.start()
    bench.ic.check()
    bench.tick(2)
    assert bench.sample.import_counts == pytest.approx(204, abs=ic.step)
