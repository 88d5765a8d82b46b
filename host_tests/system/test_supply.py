# SPDX-License-Identifier: Apache-2.0
"""Credit, load and relay, through the whole meter on the real interpreter."""

from meter.core import codes

from host_tests.bench.plant.costs import NONE

PRICE = 273_500  # peak, where the bench's clock starts


def trips(bench):
    return [e.value for e in bench.events() if e.code == codes.LOG_TRIP]


def show(bench, card, seconds=2.0):
    bench.insert(card)
    bench.run_s(seconds)


def test_but_for_computing_it_measures_within_two_seconds_and_decides_within_three(bench):
    b = bench(up_s=0, costs=NONE)
    first = []
    b.plant.meter_ic.on_energy_read = lambda addr, counts, now_us: first.append(now_us)
    b.run_s(3)
    first = [t for t in first if t > first[0] + 100_000]  # what the IC's start reads is not booked
    assert first[0] <= 2_000_000
    assert b.state().relay_closed == 1


def test_energy_and_money_agree_with_what_flowed(bench):
    b = bench(load_w=3000, initial_credit="50.00")
    b.run_s(1200)
    s = b.state()
    assert 0 <= b.plant.meter_ic.lifetime(0x80) - s.import_counts <= 3000 / 11.25 + 1
    assert s.import_counts * 3125 > 3000 * 1200 / 3600 * 1e6
    assert s.rate_counts[2] == s.import_counts
    assert s.credit_micro == 50_000_000 - s.import_counts * PRICE // 320_000


def test_alarm_1_keeps_the_balance_on_the_display_and_lights_the_led(bench):
    b = bench(initial_credit="9.99", up_s=5)
    seen = set()
    for _ in range(60):
        b.run_s(0.5)
        seen.add((b.lcd()[0].split()[1], b.plant.level[b.board.ALARM_LED]))
    assert {text for text, _ in seen} == {"Low"}
    assert {led for _, led in seen} == {0, 1}
    assert b.plant.relay.closed


def test_alarm_2_trips_once_and_a_card_without_a_purchase_restores(bench):
    b = bench(load_w=6000, initial_credit="3.01")
    b.run_s(60)
    assert not b.plant.relay.closed
    assert trips(b) == [codes.CLAIM_REMINDER]
    assert "Low credit" in b.screen() and "Insert card" in b.screen()
    show(b, "empty")
    assert b.plant.relay.closed
    b.insert(None)
    b.run_s(600)
    assert trips(b) == [codes.CLAIM_REMINDER], "the reminder came twice"


def test_no_credit_trips_until_a_purchase(bench):
    b = bench(load_w=9000, initial_credit="0.02", alarm2="0.00", alarm1="0.00", overload_w=0)
    b.run_s(60)
    assert not b.plant.relay.closed
    assert "Credit used up" in b.screen()
    show(b, "empty", 6)
    b.insert(None)
    b.run_s(2)
    assert not b.plant.relay.closed, "a card without a purchase does not buy"
    show(b, "good")
    assert b.plant.relay.closed
    assert b.state().credit_micro > 19_900_000


def test_consumption_past_zero_is_kept_on_its_own(bench):
    b = bench(
        load_w=9000, initial_credit="0.02", alarm2="-1.00", alarm1="0.00", overdraft="1.00", overload_w=0
    )
    b.run_s(120)
    s = b.state()
    assert s.credit_micro < 0
    assert b.plant.relay.closed
    assert 0 < s.overdraft_counts < s.import_counts
    assert abs(s.overdraft_micro + s.credit_micro) <= 9000 / 3600 * PRICE / 1000 + 1


def test_overload_trips_after_the_hold_and_the_pulse_follows_within_100_ms(bench):
    b = bench(load_w=600, up_s=10, overload_hold_s=30, initial_credit="50.00")
    b.load(9600)
    began_us = b.plant.clock.now_us
    b.run_s(28)
    assert b.plant.relay.closed
    b.run_s(6)
    (coil, start_us, _length) = b.plant.relay.pulses[-1]
    assert coil == "open"
    decided_s = -(-began_us // 1_000_000) + 30
    assert abs(start_us - decided_s * 1_000_000) < 1_500_000
    tick_us = max(t for t in b.tick_reads_us if t <= start_us)
    assert start_us - tick_us <= 100_000
    assert "Load too high" in b.screen()
    b.load(600)
    show(b, "empty")
    assert b.plant.relay.closed


def test_overload_shorter_than_the_hold_does_not_trip(bench):
    b = bench(initial_credit="50.00")
    for _ in range(3):
        b.load(9600)
        b.run_s(25)
        b.load(600)
        b.run_s(5)
    assert trips(b) == []


def test_welded_relay_is_a_fault_and_its_energy_is_booked_as_such(bench):
    b = bench(load_w=6000, initial_credit="3.01")
    b.fault("relay", "welded")
    b.run_s(90)
    assert b.plant.relay.closed
    assert "Relay fault" in b.screen() or "Low credit" in b.screen()
    assert codes.LOG_RELAY_FAULT in [e.code for e in b.events()]
    assert codes.CLAIM_FAULT & b.state().claims


def test_a_power_cut_changes_no_claim_and_owes_no_second_reminder(bench):
    b = bench(load_w=6000, initial_credit="3.01")
    b.run_s(60)
    before = b.state()
    b.plug(False)
    b.run_s(600)
    b.plug(True)
    b.run_s(10)
    after = b.state()
    assert (after.claims, after.latches) == (before.claims, before.latches)
    assert after.credit_micro == before.credit_micro
    assert not b.plant.relay.closed
    assert trips(b) == [codes.CLAIM_REMINDER]
    show(b, "empty")
    assert b.plant.relay.closed
    b.insert(None)
    b.plug(False)
    b.run_s(5)
    b.plug(True)
    b.run_s(120)
    assert trips(b) == [codes.CLAIM_REMINDER]


def test_a_power_cut_between_closing_and_sensing_is_no_relay_fault(bench):
    b = bench(load_w=6000, initial_credit="3.01")
    b.run_s(60)
    assert not b.plant.relay.closed
    b.insert("empty")
    while len(b.plant.relay.pulses) < 2:
        b.run_s(0.001)
    b.plug(False)
    b.insert(None)
    b.plug(True)
    b.run_s(10)
    assert b.plant.relay.closed
    assert codes.LOG_RELAY_FAULT not in [e.code for e in b.events()]
    assert [coil for coil, _, _ in b.plant.relay.pulses] == ["open", "close"]


def test_voltage_behind_an_open_contact_inhibits_closing(bench):
    b = bench(load_w=6000, initial_credit="3.01")
    b.run_s(60)
    b.plant.relay.generator = True
    b.insert("empty")
    b.run_s(15)
    assert not b.plant.relay.closed
    assert codes.CLAIM_FAULT & b.state().claims
    b.plant.relay.generator = False
    b.run_s(15)
    assert b.plant.relay.closed


def test_pulling_the_plug_loses_at_most_a_tick(bench):
    b = bench(load_w=9000, initial_credit="50.00")
    cuts = 5
    flowed = 0
    for n in range(cuts):
        b.run_s(7.3 + n / 7)
        flowed += b.plant.meter_ic.lifetime(0x80)
        b.plug(False)
        b.run_s(20)
        b.plug(True)
        b.run_s(4)
    b.load(0)
    b.run_s(3)
    lost = flowed + b.plant.meter_ic.lifetime(0x80) - b.state().import_counts
    assert 0 <= lost <= cuts * 1.1 * 9000 / 11.25
    assert b.state().boots == cuts + 1
    assert [e.code for e in b.events()].count(codes.LOG_POWER_UP) == cuts + 1


def test_a_dead_phase_a_of_three_is_no_reason_to_pulse_the_relay(bench):
    b = bench(phases=3)
    b.plant.house.set_voltage(1, 230_000)
    b.plant.house.set_voltage(2, 230_000)
    b.run_s(30)
    pulses = len(b.plant.relay.pulses)
    b.plant.house.set_voltage(0, 0)
    b.run_s(120)
    assert len(b.plant.relay.pulses) == pulses
    assert codes.LOG_RELAY_FAULT not in [e.code for e in b.events()]
    b.plant.house.set_voltage(0, 230_000)
    b.run_s(30)
    assert len(b.plant.relay.pulses) == pulses and b.state().relay_closed == 1
