# SPDX-License-Identifier: Apache-2.0
"""What people read: figures, words, and four rows of exactly twenty characters whatever the books hold."""

import builtins
import sys
from array import array
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.cards import pages as cardpages
from meter.cards import refusals
from meter.core import codes
from meter.panel import figures, loaded, order, pages, troubles
from meter.panel import text as texts

from host_tests.stands.panel_books import PanelBooks, Tariff

BOLT, LOCK, CARD, WARN, IMPORT, EXPORT, HALF, FULL = "\x00\x01\x02\x03\x04\x05\x06\x07"
ALL_CLAIMS = (1, 2, 4, 8, 16, 32)
ALL_FAULTS = 13
ALL_CARD_CODES = range(1, 15)


def is_frame(rows):
    return len(rows) == 4 and all(len(row) == 20 and all(ord(ch) < 0x7F for ch in row) for row in rows)


def page(books, n):
    """Page n, or the next there is: its number and its rows."""
    rows = pages.live(books, n)
    return (n, rows) if rows else loaded.page(books, n)


def numbered_pages(books):
    found = []
    n = 0
    while n <= order.STATUS:
        n, rows = page(books, n)
        found.append((n, rows))
        n += 1
    return found


def all_pages(books):
    return [rows for _, rows in numbered_pages(books)]


def energy(books, n=0):
    return page(books, order.ENERGY + n)[1]


def words(rows):
    return " ".join(" ".join(rows).split())


# --- figures ---


@pytest.mark.parametrize(
    ("micro", "decimals", "text"),
    [
        (0, 2, "0.00"),
        (1_230_000, 2, "1.23"),
        (1_239_999, 2, "1.23"),
        (-1_239_999, 2, "-1.23"),
        (-1, 2, "0.00"),
        (-9_999, 2, "0.00"),
        (-10_000, 2, "-0.01"),
        (999_999, 0, "0"),
        (-1_500_000, 0, "-1"),
        (250_100, 4, "0.2501"),
        (1, 6, "0.000001"),
        (10**15, 2, "1000000000.00"),
        (50_000, 2, "0.05"),
    ],
)
def test_money_is_cut_toward_zero_and_a_zero_has_no_sign(micro, decimals, text):
    assert texts.money(micro, decimals) == text


def test_weekdays_begin_with_monday():
    books = PanelBooks()
    days = []
    for number in range(7):
        books.time = (2026, 10, 12 + number, number, 14, 30, 5)
        days.append(pages.clock(books)[0].split()[0])
    assert days == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_money_is_within_one_last_digit_below_the_exact_amount(micro, decimals):
    shown = Fraction(texts.money(micro, decimals))
    exact = Fraction(micro, 10**6)
    assert abs(shown) <= abs(exact) < abs(shown) + Fraction(1, 10**decimals)
    assert shown == 0 or (shown > 0) == (exact > 0)


@given(st.integers(0, 2**40))
def test_energy_is_within_one_last_digit_below_the_exact_energy(counts):
    books = PanelBooks()
    books.s.import_counts = counts
    for rows in (figures.energy(books)[0][6:], cardpages.figure(books, 3)[2]):
        figure, unit = rows.split()
        shown = Fraction(figure)
        assert unit == "kWh" and shown <= Fraction(counts, 320_000) < shown + Fraction(1, 100)


@given(st.text(alphabet="abc ", max_size=30), st.integers(0, 10**24).map(str))
def test_a_row_with_a_figure_is_twenty_wide_and_never_shows_a_cut_figure(label, figure):
    row = texts.pair(label, figure)
    assert len(row) == 20
    assert row.endswith(figure) if len(figure) <= 20 else row == "#" * 20


# --- words ---


def test_every_reason_is_two_rows_of_its_own():
    rows = [troubles.reason(number) for number in range(6)] + [troubles.reason(0, True)]
    assert all(len(row) == 20 for pair in rows for row in pair)
    assert len({pair[0] for pair in rows}) == len(rows)


def test_every_fault_has_a_name_and_a_remedy():
    rows = [troubles.fault(number) for number in range(ALL_FAULTS)]
    assert all(len(row) == 20 and row.strip() for pair in rows for row in pair)
    assert len({name for name, _ in rows}) == ALL_FAULTS


@pytest.mark.parametrize("code", ALL_CARD_CODES)
def test_every_card_error_is_four_rows_with_a_reason_and_a_remedy(code):
    rows = refusals.refused(code)
    assert is_frame(rows) and all(row.strip() for row in rows)


def test_card_errors_all_read_differently():
    assert len({refusals.refused(code) for code in ALL_CARD_CODES}) == len(ALL_CARD_CODES)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (codes.CARD_FOREIGN, "another meter"),
        (codes.CARD_REPLAYED, "used already"),
        (codes.CARD_SKIPPED, "missing"),
        (codes.CARD_MALFORMED, "damaged"),
        (codes.CARD_PULLED, "too soon"),
        (codes.CARD_OLD_GENERATION, "replaced"),
        (codes.CARD_HOARD, "too much credit"),
        (codes.CARD_STORAGE, "stays on the card"),
        (codes.CARD_AUTH, "key"),
        (codes.CARD_UNKNOWN, "Not a card"),
        (codes.CARD_READER, "cannot be read"),
        (codes.CARD_LOCKED, "not genuine"),
        (codes.CARD_OUTDATED, "older"),
    ],
)
def test_a_card_error_says_what_it_is(code, said):
    assert said in words(refusals.refused(code))


def test_missing_keys_are_called_the_same_on_the_page_of_the_fault_and_when_a_card_is_put_in():
    assert refusals.no_keys()[1:3] == troubles.fault(8) == ("Card keys missing   ", "Provision this meter")


def test_a_calibration_that_is_missing_refused_or_not_known_has_the_last_of_the_fault_bits():
    assert troubles.fault(12) == ("Calibration in doubt", "Call your supplier  ")


# --- pages ---


def test_the_pages_come_in_this_order():
    books = PanelBooks()
    books.faults = codes.FAULT_CLOCK | codes.FAULT_RELAY
    books.tariff = Tariff("Peak", "Shoulder", "Off-peak")
    books.spending.month_cost_micro = array("q", [0] * 9)
    assert all_pages(books) == [
        pages.balance(books),
        troubles.fault_page(books, 2),
        troubles.fault_page(books, 5),
        energy(books, 0),
        energy(books, 1),
        figures.purchases(books),
        figures.costs(books),
        tuple(figures.month(books)),
        pages.power(books),
        pages.clock(books),
        figures.status(books),
    ]


def test_a_household_with_two_rates_and_no_fault_turns_eight_pages():
    books = PanelBooks()
    books.spending.month_cost_micro = array("q", [0] * 9)
    assert len(all_pages(books)) == 8


def test_a_page_has_the_same_number_whatever_else_is_shown():
    books = PanelBooks()
    few = dict(numbered_pages(books))
    books.faults = 0x1FFF
    books.tariff = Tariff(*"ABCDEFGH")
    books.s.export_counts = books.s.open_counts = books.s.overdraft_counts = 1
    books.spending.month_cost_micro = array("q", [0] * 9)
    assert set(few) < set(dict(numbered_pages(books)))
    assert [number for number, _ in numbered_pages(books)] == [
        0, *range(1, 14), *range(17, 21), 21, 22, 23, 24, 25, 26, 27, 28,
    ]  # fmt: skip


def test_only_balance_power_and_clock_are_drawn_from_memory():
    books = PanelBooks()
    assert [n for n in range(-2, 29) if pages.live(books, n)] == [order.BALANCE, order.POWER, order.CLOCK]


def test_no_module_of_a_page_stays_after_it_is_drawn():
    books = PanelBooks()
    books.faults = books.s.claims = 1
    for n in (order.STARTING, order.OFF, *range(1, 29)):
        loaded.page(books, n)
        assert not {"meter.panel.troubles", "meter.panel.figures"} & set(sys.modules)


@pytest.mark.parametrize("module", ["troubles", "figures"])
def test_without_the_heap_to_load_a_page_the_balance_is_shown(module, monkeypatch):
    books = PanelBooks()
    books.s.claims = books.faults = 1
    monkeypatch.setattr(builtins, "__import__", short_of_heap(module))
    number = {"troubles": order.OFF, "figures": order.COSTS}[module]
    assert loaded.page(books, number) == (number, pages.balance(books))
    books.ready = False
    assert "123.45" not in words(loaded.page(books, number)[1])  # nothing is known yet


def short_of_heap(module):
    real = builtins.__import__

    def load(name, globals=None, locals=None, fromlist=(), level=0):
        if module in fromlist:
            raise MemoryError
        return real(name, globals, locals, fromlist, level)

    return load


def test_every_page_is_four_rows_of_twenty_in_every_state():
    for phases in (1, 3):
        books = PanelBooks(phases=phases, overload_w=9000, currency="IDR", decimals=0)
        books.tariff = Tariff("A", "Twelve chars", "C", "D", "E", "F", "G", "H")
        for micro in (0, -(10**15), 10**17):
            books.s.credit_micro = books.s.purchased_micro = micro
            spending = books.spending
            spending.daily_micro = spending.yesterday_micro = spending.day_spent_micro = abs(micro)
            books.s.debt_micro = abs(micro)
            books.s.rate_cost_micro = [abs(micro)] * 8
            books.spending.month_cost_micro = array("q", [0] * 9) if micro else None
            books.s.import_counts = books.s.open_counts = abs(micro)
            books.s.purchase_count = 2**32 - 1
            books.terms.price_micro = 999_999_999
            for alarm in range(4):
                books.alarm = alarm
                for faults in (0, 0x7FFF):
                    books.faults = faults
                    assert all(is_frame(rows) for rows in all_pages(books))


def test_without_clock_and_without_sample_every_page_still_stands():
    books = PanelBooks()
    books.utc_s = books.sample = None
    assert all(is_frame(rows) for rows in all_pages(books))


def test_balance_page_shows_credit_rate_price_load_and_its_cost():
    assert pages.balance(PanelBooks()) == (
        BOLT + " Credit       14:30",
        "EUR           123.45",
        "Day       0.2501/kWh",
        IMPORT + " 1.234 kW    0.30/h",
    )


@pytest.mark.parametrize(("alarm", "said"), [(1, "Low credit"), (2, "Very low credit"), (3, "Credit used up")])
def test_balance_page_warns_and_says_what_to_do(alarm, said):
    books = PanelBooks()
    books.alarm = alarm
    rows = pages.balance(books)
    assert said in rows[0] and rows[0].endswith(WARN) and rows[2].startswith("Top up ")


def test_balance_page_says_that_the_credit_is_lent():
    books = PanelBooks()
    books.alarm, books.s.latches = 2, codes.LATCH_EMERGENCY
    assert pages.balance(books)[0].startswith(BOLT + " Emergency credit")


def test_a_price_signal_stands_in_the_place_of_the_rate():
    books = PanelBooks()
    books.terms.signal = "Saver"
    assert pages.balance(books)[2] == "Saver     0.2501/kWh"
    assert pages.clock(books)[2] == "Rate           Saver"
    books.utc_s = None
    assert page(books, order.CLOCK)[1][3] == "rate is        Saver"


def household(books):
    """Since the month began 40.30, since midnight 1.50, of both the standing charge 0.30; yesterday 3.25."""
    s = books.s
    s.rate_cost_micro[0], s.rate_cost_micro[1], s.charges_micro = 130_000_000, 60_000_000, 9_000_000
    books.spending.month_cost_micro = array("q", [100_000_000, 50_000_000, 0, 0, 0, 0, 0, 0, 8_700_000])
    books.spending.day_spent_micro, books.spending.yesterday_micro = 197_500_000, 3_250_000
    books.s.credit_micro, books.spending.daily_micro = 30_000_000, 2_500_000


def test_costs_page_says_what_was_spent_and_how_long_credit_lasts():
    books = PanelBooks()
    household(books)
    assert page(books, order.COSTS)[1] == (
        "Today EUR       1.50",
        "Yesterday       3.25",
        "This month     40.30",
        "Lasts        12 days",
    )


def test_costs_that_are_not_known_yet_are_dashes():
    assert page(PanelBooks(), order.COSTS)[1] == (
        "Today EUR          -",
        "Yesterday          -",
        "This month         -",
        "Lasts              -",
    )


def test_a_day_that_has_cost_nothing_yet_is_no_dash():
    books = PanelBooks()
    books.spending.day_spent_micro = books.spending.yesterday_micro = 0
    books.spending.month_cost_micro = array("q", [0] * 9)
    assert [row.split()[-1] for row in page(books, order.COSTS)[1]] == ["0.00", "0.00", "0.00", "-"]


def test_credit_that_is_used_up_lasts_no_day():
    books = PanelBooks()
    books.s.credit_micro, books.spending.daily_micro = -1, 2_500_000
    assert page(books, order.COSTS)[1][3] == "Lasts         0 days"


def test_month_page_says_what_each_rate_has_cost_since_the_month_began():
    books = PanelBooks()
    household(books)
    books.terms.rate = 1
    assert page(books, order.MONTH)[1] == (
        "This month in EUR   ",
        "  Day          30.00",
        "~ Night        10.00",
        " " * 20,
    )


def test_more_than_three_rates_of_the_month_take_another_page():
    books = PanelBooks()
    books.tariff = Tariff("Peak", "Shoulder", "Off-peak", "Weekend")
    books.spending.month_cost_micro = array("q", [0] * 9)
    books.s.rate_cost_micro[3] = 1_230_000
    assert page(books, order.MONTH)[1][3] == "  Off-peak      0.00"
    assert page(books, order.MONTH + 1) == (order.MONTH + 1, ("  Weekend       1.23", " " * 20, " " * 20, " " * 20))
    assert page(books, order.MONTH + 2)[0] == order.POWER


def test_there_is_no_month_page_before_the_month_is_known_or_with_a_single_rate():
    books = PanelBooks()
    assert page(books, order.MONTH)[0] == order.POWER
    books.spending.month_cost_micro = array("q", [0] * 9)
    assert page(books, order.MONTH)[0] == order.MONTH
    books.tariff = Tariff("Day")
    assert page(books, order.MONTH)[0] == order.POWER


def test_balance_page_shows_the_contact_not_the_wish():
    books = PanelBooks()
    books.s.relay_closed = 0
    assert pages.balance(books)[0].startswith(LOCK)


def test_feeding_in_costs_nothing_and_has_its_own_arrow():
    books = PanelBooks()
    books.sample.p_total_mw = -850_000
    assert pages.balance(books)[3] == EXPORT + " 0.850 kW    0.00/h"


def test_a_lost_clock_says_set_clock_on_balance_and_time_page():
    books = PanelBooks()
    books.utc_s = None
    assert "Set clock" in pages.balance(books)[2]
    assert page(books, order.CLOCK)[1] == (
        WARN + " Set clock         ",
        "The time is lost:   ",
        "until it is set the ",
        "rate is          Day",
    )
    assert not any("14:30" in row for rows in all_pages(books) for row in rows)


def test_a_dead_metering_chip_is_named_wherever_its_figures_would_be():
    books = PanelBooks()
    books.sample = None
    books.faults = codes.FAULT_METER_IC
    assert "Meter chip fault" in pages.balance(books)[3]
    assert "Meter chip fault" in words(page(books, order.POWER)[1])
    assert words(page(books, 1)[1]) == WARN + " Attention Meter chip fault Call your supplier"


def test_every_fault_gets_its_page_right_after_the_balance():
    books = PanelBooks()
    books.faults = codes.FAULT_CLOCK | codes.FAULT_RELAY
    assert words(all_pages(books)[1]) == WARN + " Attention 1/2 Clock fault Set or check clock"
    assert words(all_pages(books)[2]) == WARN + " Attention 2/2 Relay fault Call your supplier"
    assert "Faults: 2" in words(figures.status(books))


def test_the_page_of_a_program_fault_says_what_fell():
    books = PanelBooks()
    books.faults, books.trouble = codes.FAULT_PROGRAM, "guard: BusError"
    assert page(books, 1)[1] == (
        WARN + " Attention         ",
        "Program fault       ",
        "It was restarted    ",
        "guard: BusError     ",
    )


def test_energy_page_shows_all_and_this_months_then_each_rate_with_an_arrow_at_the_one_now():
    books = PanelBooks()
    books.terms.rate = 1
    s = books.s
    s.import_counts, s.month, s.month_counts = 12_345 * 320_000, 321, 12_300 * 320_000
    s.rate_counts[0], s.rate_counts[1] = 12_000 * 320_000, 345 * 320_000 - 1
    assert energy(books) == (
        IMPORT + " Used  12345.00 kWh",
        "  Month    45.00 kWh",
        "  Day   12000.00 kWh",
        "~ Night   344.99 kWh",
    )


def test_consumption_of_a_month_that_is_not_known_is_a_dash():
    assert energy(PanelBooks())[1] == "  Month            -"


def test_a_single_rate_has_no_row_of_its_own():
    books = PanelBooks()
    books.tariff = Tariff("Day")
    assert energy(books)[2:] == (" " * 20, " " * 20)


def test_more_rates_take_another_page():
    books = PanelBooks()
    before = len(all_pages(books))
    books.tariff = Tariff("Peak", "Shoulder", "Off-peak", "Weekend")
    assert len(all_pages(books)) == before + 1
    assert [row.split()[0] for row in energy(books, 1)[:2]] == ["Off-peak", "Weekend"]


@pytest.mark.parametrize(
    ("register", "row"),
    [
        ("export_counts", EXPORT + " Fed in    0.50 kWh"),
        ("open_counts", WARN + " While off 0.50 kWh"),
        ("overdraft_counts", WARN + " Past zero 0.50 kWh"),
    ],
)
def test_energy_fed_in_used_while_off_or_past_zero_is_shown_only_when_there_is_some(register, row):
    books = PanelBooks()
    assert not any(row[:6] in shown for rows in all_pages(books) for shown in rows)
    setattr(books.s, register, 160_000)
    assert any(row == shown for rows in all_pages(books) for shown in rows)


def test_purchases_page():
    books = PanelBooks()
    s = books.s
    s.purchase_count, s.purchased_micro, s.last_purchase_micro = 12, 480_000_000, 50_000_000
    assert page(books, order.PURCHASES)[1] == (
        CARD + " Purchases       12",
        "Total EUR     480.00",
        "Last  EUR      50.00",
        "No debt             ",
    )
    s.debt_micro = 7_000_000
    assert page(books, order.PURCHASES)[1][3] == "Debt            7.00"


def test_power_page_of_one_phase():
    assert pages.power(PanelBooks()) == (
        "Power         1234 W",
        "Voltage      230.1 V",
        "Current       5.36 A",
        "PF 0.99     50.00 Hz",
    )


def test_power_page_shows_how_near_the_limit_is():
    books = PanelBooks(overload_w=2000)
    assert pages.power(books)[0] == "Power " + FULL * 3 + HALF + "--  1234 W"


@pytest.mark.parametrize(
    ("watts", "bar"),
    [
        (-5, "------"),
        (0, "------"),
        (8, "------"),
        (9, HALF + "-----"),
        (17, FULL + "-----"),
        (99, FULL * 5 + HALF),
        (100, FULL * 6),
        (400, FULL * 6),
    ],
)
def test_the_bar_of_the_power_page_grows_by_half_cells(watts, bar):
    books = PanelBooks(overload_w=100)
    books.sample.p_total_mw = watts * 1000
    assert pages.power(books)[0] == "Power " + bar + f"{watts} W".rjust(8)


def test_power_page_of_three_phases_is_a_table():
    assert page(PanelBooks(phases=3), order.POWER)[1] == (
        "    V    A    kW  PF",
        "1 230  5.3  1.23 .99",
        "2 229 12.0  2.70 .97",
        "3 231  0.0 -0.01 .56",
    )


def test_with_three_wires_nothing_is_said_of_phase_b():
    assert page(PanelBooks(phases=3, three_wire=True), order.POWER)[1] == (
        "    V    A    kW  PF",
        "1 230  5.3  1.23 .99",
        "3 231  0.0 -0.01 .56",
        " " * 20,
    )


def test_time_page_shows_local_time_and_the_rate_it_gives():
    assert pages.clock(PanelBooks()) == (
        "Sun       2026-10-18",
        "Time        14:30:05",
        "Rate             Day",
        "Price     0.2501/kWh",
    )


def test_status_page_names_the_meter_and_its_firmware():
    books = PanelBooks()
    books.s.card_uid = b"\x04345678"
    assert figures.status(books) == (
        "Meter      PW-000042",
        texts.pair("Pennywatt", figures.VERSION),
        BOLT + " Supply on     card",
        "All parts work      ",
    )


def test_status_page_says_when_the_meter_is_not_provisioned():
    assert "Not provisioned" in words(figures.status(PanelBooks(provisioned=False)))


# --- supply off ---


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        (codes.CLAIM_REMOTE, "Disconnected by supplier"),
        (codes.CLAIM_NO_CREDIT, "Credit used up Buy and insert card"),
        (codes.CLAIM_REMINDER, "Low credit Insert card to go on"),
        (codes.CLAIM_OVERLOAD, "Load too high Reduce, insert card"),
        (codes.CLAIM_TAMPER, "blocked Call your supplier"),
        (codes.CLAIM_FAULT, "not safe Call your supplier"),
    ],
)
def test_off_page_says_the_reason_the_remedy_and_the_balance(claim, said):
    books = PanelBooks()
    books.s.claims = claim
    books.s.credit_micro = -1_230_000
    rows = troubles.off(books, 0)
    assert is_frame(rows)
    assert rows[0].startswith(LOCK + " Supply is off")
    assert said in words(rows[1:3])
    assert rows[3] == "Credit EUR     -1.23"


def test_off_page_turns_through_several_reasons_the_gravest_first():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_NO_CREDIT | codes.CLAIM_TAMPER | codes.CLAIM_REMINDER
    turns = [troubles.off(books, turn) for turn in range(4)]
    assert "blocked" in turns[0][1] and turns[0][0].endswith("1/3")
    assert {rows[1] for rows in turns} == {troubles.reason(number)[0] for number in (1, 2, 4)}
    assert turns[3] == turns[0]


def test_off_page_of_a_remote_disconnection_tells_when_a_key_will_do():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_REMOTE
    books.s.latches = codes.LATCH_REMOTE_READY
    assert "press button or card" in words(troubles.off(books, 0))


def test_off_page_of_an_overload_that_ends_by_itself_says_wait_unless_only_a_card_will_do():
    books = PanelBooks(overload_w=5000, overload_wait_s=180)
    books.s.claims = codes.CLAIM_OVERLOAD
    assert "Reduce load and wait" in troubles.off(books, 0)
    books.s.latches = codes.LATCH_CARD_ONLY
    assert "Reduce, insert card " in troubles.off(books, 0)


def test_off_page_of_a_relay_fault_names_it():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_FAULT
    books.faults = codes.FAULT_RELAY
    assert "Relay fault" in words(troubles.off(books, 0))


def test_before_the_ledger_is_read_no_figure_is_shown():
    books = PanelBooks()
    books.ready = False
    rows = troubles.starting(books)
    assert is_frame(rows) and "Starting" in words(rows) and "123.45" not in words(rows)
    books.faults = codes.FAULT_FRAM
    assert "Memory fault" in words(troubles.starting(books))


# --- large amounts, and currencies with other decimals ---

LARGE = (10**15, 999_999_999_999_999, -999_999_999_999_999, -(10**15))


def large(micro, decimals, price_micro=1_444_700_000, **settings):
    """A household whose every amount is as large."""
    books = PanelBooks(decimals=decimals, currency="IDR", **settings)
    books.tariff, books.terms.price_micro = Tariff("R-1 1300VA", "Twelve chars"), price_micro
    s = books.s
    s.credit_micro = micro
    s.purchased_micro = s.last_purchase_micro = s.debt_micro = books.spending.day_spent_micro = abs(micro)
    s.rate_cost_micro[0] = 2 * abs(micro)
    books.spending.yesterday_micro = abs(micro)
    books.spending.month_cost_micro = array("q", [abs(micro)] + [0] * 8)
    books.spending.daily_micro = 1
    return books


@pytest.mark.parametrize("decimals", range(5))
@pytest.mark.parametrize("micro", LARGE)
def test_an_amount_of_a_thousand_million_is_whole_on_each_page_at_all_decimals(micro, decimals):
    books = large(micro, decimals)
    amount, paid = texts.money(micro, decimals), texts.money(abs(micro), decimals)
    shown = dict(numbered_pages(books))
    assert all(is_frame(rows) and "##" not in "".join(rows) for rows in shown.values())
    assert shown[order.BALANCE][1] == "IDR" + amount.rjust(17)
    assert [row.split()[-1] for row in shown[order.PURCHASES][1:]] == [paid] * 3
    assert [row.split()[-1] for row in shown[order.COSTS][:3]] == [paid] * 3
    assert shown[order.MONTH][1].endswith(paid)
    books.s.claims = codes.CLAIM_NO_CREDIT
    off = loaded.page(books, order.OFF)[1]
    assert is_frame(off) and off[3].endswith(" " + amount) and off[3].startswith("Cre")


@pytest.mark.parametrize("decimals", range(5))
@pytest.mark.parametrize("micro", LARGE)
def test_an_amount_of_a_thousand_million_is_whole_in_each_dialogue_of_a_card_at_all_decimals(micro, decimals):
    books = large(micro, decimals)
    amount, paid = texts.money(micro, decimals), texts.money(abs(micro), decimals)
    said = [
        (cardpages.result(books, abs(micro)), {1: paid, 3: amount}),
        (cardpages.unfinished(books, abs(micro)), {0: paid}),
        (cardpages.remove(books), {3: amount}),
        *((cardpages.figure(books, n), {2: text}) for n, text in ((0, paid), (2, paid), (4, amount))),
    ]
    for rows, amounts in said:
        assert is_frame(rows) and "##" not in "".join(rows)
        for row, text in amounts.items():
            assert text in rows[row].split()


@pytest.mark.parametrize("decimals", range(5))
@pytest.mark.parametrize("price", ["0.0001", "1444.70", "1893", "24500.25", "100000", "99999.999999"])
@pytest.mark.parametrize("p_mw", [0, 1_234_000, -850_000, 23_000_000, 69_123_000, 90_000_000])
def test_price_load_and_its_cost_stand_side_by_side_on_the_balance(price, decimals, p_mw):
    price_micro = int(Fraction(price) * 10**6)
    books = large(10**15, decimals, price_micro)
    books.sample.p_total_mw = p_mw
    rows = pages.balance(books)
    assert is_frame(rows)
    shown, _, unit = rows[2].split()[-1].partition("/")
    exact = Fraction(price_micro, 10**6)
    assert unit in ("kWh", "") and Fraction(shown) <= exact < Fraction(shown) + Fraction(1, 10 ** min(decimals + 2, 6))
    _, load, unit, cost = rows[3].split()
    assert unit == "kW" and abs(p_mw) - 100_000 < Fraction(load) * 10**6 <= abs(p_mw)
    cost, unit = cost.split("/")
    assert unit == "h" and 0 <= Fraction(max(p_mw, 0) * price_micro, 10**12) - Fraction(cost) < 1


def test_a_household_that_pays_in_rupiah_reads_whole_words():
    books = large(1_250_000_500_000, 2)
    books.s.rate_cost_micro[0] = books.spending.month_cost_micro[0] + 1_234_567_890_000
    books.spending.day_spent_micro = books.spent_micro() - 48_500_250_000
    books.spending.yesterday_micro = books.spending.daily_micro = 72_235_000_000
    assert pages.balance(books) == (
        BOLT + " Credit       14:30",
        "IDR       1250000.50",
        "R-1 1300VA   1444.70",
        IMPORT + " 1.234 kW 1782.75/h",
    )
    books.sample.p_total_mw = 23_456_000
    assert pages.balance(books)[3] == IMPORT + " 23.4 kW    33886/h"
    books.utc_s = None
    assert pages.balance(books)[2] == "Set clock    1444.70"
    books.utc_s = 1
    assert figures.costs(books) == (
        "Today IDR   48500.25",
        "Yesterday   72235.00",
        "Month     1234567.89",
        "Lasts        17 days",
    )
    assert cardpages.remove(books)[3] == "Credit    1250000.50"


def test_a_currency_without_decimals_has_its_price_to_the_hundredth_and_one_with_three_to_the_thousandth_more():
    books = large(1_893_000_000, 0, 1_893_000_000)
    assert pages.balance(books)[1:3] == ("IDR             1893", "R-1 1300VA  1893/kWh")
    books = large(12_345_000, 3, 2_500)
    assert pages.balance(books)[1:3] == ("IDR           12.345", "R-1 1300VA   0.00250")


def test_credit_that_lasts_for_decades_is_no_number_that_does_not_fit():
    books = large(10**15, 2)
    assert figures.costs(books)[3] == "Lasts over 9999 days"
    books.spending.daily_micro = 10**15 // 9999
    assert figures.costs(books)[3] == "Lasts      9999 days"


# --- no tariff ---


@pytest.mark.parametrize("alarm", range(4))
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("faults", [codes.FAULT_TARIFF, codes.FAULT_TARIFF | codes.FAULT_HEAP])
def test_a_meter_without_any_tariff_says_so_in_place_of_the_price_whatever_else_there_is_to_say(alarm, known, faults):
    books = PanelBooks()
    books.tariff, books.terms.price_micro = Tariff("No tariff: no price", name=""), 0
    books.alarm, books.faults = alarm, faults
    if not known:
        books.utc_s = None
    rows = pages.balance(books)
    assert rows[2] == "No tariff: no price " and rows[0].endswith(WARN)
    assert "Tariff refused" in words(page(books, 1)[1])
    assert all(is_frame(rows) and "/kWh" not in "".join(rows) for rows in all_pages(books))
    assert "No tariff: no price" in words(page(books, order.CLOCK)[1])
