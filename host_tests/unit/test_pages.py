# SPDX-License-Identifier: Apache-2.0
"""What people read: figures, words, and four rows of exactly twenty characters whatever the books hold."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core import codes
from meter.services import cardrefusals, pages, texts

from host_tests.unit.panel_books import PanelBooks, Tariff

BOLT, LOCK, CARD, WARN, IMPORT, EXPORT, HALF, FULL = "\x00\x01\x02\x03\x04\x05\x06\x07"
ALL_CLAIMS = (1, 2, 4, 8, 16, 32)
ALL_FAULTS = tuple(1 << i for i in range(9))
ALL_CARD_CODES = range(1, 12)


def is_frame(rows):
    return len(rows) == 4 and all(len(row) == 20 and all(ord(ch) < 0x7F for ch in row) for row in rows)


def all_pages(books):
    return [pages.page(books, n) for n in range(pages.count(books))]


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


def test_amounts_and_energy_have_two_decimals_unless_told_otherwise():
    assert (texts.money(1_239_999), texts.kwh(320_000 + 3_200)) == ("1.23", "1.01")


def test_weekdays_begin_with_monday():
    assert [texts.weekday(i) for i in range(7)] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@given(st.integers(-(10**15), 10**15), st.integers(0, 6))
def test_money_is_within_one_last_digit_below_the_exact_amount(micro, decimals):
    shown = Fraction(texts.money(micro, decimals))
    exact = Fraction(micro, 10**6)
    assert abs(shown) <= abs(exact) < abs(shown) + Fraction(1, 10**decimals)
    assert shown == 0 or (shown > 0) == (exact > 0)


@given(st.integers(0, 2**48), st.integers(0, 3))
def test_kwh_is_within_one_last_digit_below_the_exact_energy(counts, decimals):
    shown = Fraction(texts.kwh(counts, decimals))
    assert shown <= Fraction(counts, 320_000) < shown + Fraction(1, 10**decimals)


@given(st.text(alphabet="abc ", max_size=30), st.integers(0, 10**24).map(str))
def test_a_row_with_a_figure_is_twenty_wide_and_never_shows_a_cut_figure(label, figure):
    row = texts.pair(label, figure)
    assert len(row) == 20
    assert row.endswith(figure) if len(figure) <= 20 else row == "#" * 20


# --- words ---


def test_every_reason_is_two_rows_of_its_own():
    rows = [texts.reason(number) for number in range(6)] + [texts.reason(0, True)]
    assert all(len(row) == 20 for pair in rows for row in pair)
    assert len({pair[0] for pair in rows}) == len(rows)


def test_every_fault_has_a_name_and_a_remedy():
    rows = [texts.fault(number) for number in range(9)]
    assert all(len(row) == 20 and row.strip() for pair in rows for row in pair)
    assert len({name for name, _ in rows}) == 9


@pytest.mark.parametrize("code", ALL_CARD_CODES)
def test_every_card_error_is_four_rows_with_a_reason_and_a_remedy(code):
    rows = cardrefusals.refused(code)
    assert is_frame(rows) and all(row.strip() for row in rows)


def test_card_errors_all_read_differently():
    assert len({cardrefusals.refused(code) for code in ALL_CARD_CODES}) == len(ALL_CARD_CODES)


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
    assert said in words(cardrefusals.refused(code))


# --- pages ---


def test_the_pages_come_in_this_order():
    books = PanelBooks()
    books.faults = codes.FAULT_CLOCK
    books.tariff = Tariff("Peak", "Shoulder", "Off-peak")
    assert all_pages(books) == [
        pages.balance(books),
        pages.fault_page(books, 0),
        pages.energy(books, 0),
        pages.energy(books, 1),
        pages.purchases(books),
        pages.outlook(books),
        pages.power(books),
        pages.clock(books),
        pages.status(books),
    ]


def test_every_page_is_four_rows_of_twenty_in_every_state():
    for phases in (1, 3):
        books = PanelBooks(phases=phases, overload_w=9000, currency="IDR", decimals=0)
        books.tariff = Tariff("A", "Twelve chars", "C", "D", "E", "F", "G", "H")
        for micro in (0, -(10**15), 10**17):
            books.s.credit_micro = books.s.purchased_micro = micro
            books.s.import_counts = books.s.open_counts = abs(micro)
            books.s.purchase_count = 2**32 - 1
            books.price_micro = 999_999_999
            for alarm in range(4):
                books.alarm = alarm
                for faults in (0, 0x1FF):
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


def test_outlook_says_how_long_credit_lasts_at_the_mean_of_the_last_days():
    books = PanelBooks()
    books.s.credit_micro, books.daily_micro = 30_000_000, 2_500_000
    books.s.import_counts, books.s.month_counts = 50 * 320_000, 8 * 320_000
    books.s.debt_micro = 7_000_000
    assert pages.outlook(books) == (
        "Lasts        12 days",
        "A day EUR       2.50",
        "This month 42.00 kWh",
        "Debt            7.00",
    )


def test_credit_that_is_used_up_lasts_no_day():
    books = PanelBooks()
    books.s.credit_micro, books.daily_micro = -1, 2_500_000
    assert pages.outlook(books)[0].endswith(" 0 days")


def test_outlook_promises_nothing_before_the_first_day_is_over():
    rows = pages.outlook(PanelBooks())
    assert rows[0] == "Lasts  not known yet" and rows[3].strip() == "No debt"


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
    assert "Set clock" in pages.clock(books)[0]
    assert not any("14:30" in row for rows in all_pages(books) for row in rows)


def test_a_dead_metering_chip_is_named_wherever_its_figures_would_be():
    books = PanelBooks()
    books.sample = None
    books.faults = codes.FAULT_METER_IC
    assert "Meter chip fault" in pages.balance(books)[3]
    assert "Meter chip fault" in words(pages.power(books))
    assert words(pages.page(books, 1)) == WARN + " Attention Meter chip fault Call your supplier"


def test_every_fault_gets_its_page_right_after_the_balance():
    books = PanelBooks()
    books.faults = codes.FAULT_CLOCK | codes.FAULT_RELAY
    assert "Clock fault" in words(pages.page(books, 1))
    assert "Relay fault" in words(pages.page(books, 2))
    assert "Faults: 2" in words(pages.status(books))


def test_energy_page_shows_totals_then_each_rate_with_an_arrow_at_the_one_now():
    books = PanelBooks()
    books.rate = 1
    s = books.s
    s.import_counts, s.export_counts = 12_345 * 320_000, 320_000 // 2
    s.rate_counts[0], s.rate_counts[1] = 12_000 * 320_000, 345 * 320_000 - 1
    assert pages.energy(books, 0) == (
        IMPORT + " Used  12345.00 kWh",
        EXPORT + " Fed in    0.50 kWh",
        "  Day   12000.00 kWh",
        "~ Night   344.99 kWh",
    )


def test_more_rates_take_another_page():
    books = PanelBooks()
    before = pages.count(books)
    books.tariff = Tariff("Peak", "Shoulder", "Off-peak", "Weekend")
    assert pages.count(books) == before + 1
    assert [row.split()[0] for row in pages.energy(books, 1)[:2]] == ["Off-peak", "Weekend"]


def test_energy_used_while_off_is_shown_only_when_there_is_some():
    books = PanelBooks()
    assert not any("While off" in row for rows in all_pages(books) for row in rows)
    books.s.open_counts = 32_000
    assert any(row == WARN + " While off 0.10 kWh" for rows in all_pages(books) for row in rows)


def test_purchases_page():
    books = PanelBooks()
    s = books.s
    s.purchase_count, s.overdraft_counts = 12, 3_200
    s.purchased_micro, s.last_purchase_micro = 480_000_000, 50_000_000
    assert pages.purchases(books) == (
        CARD + " Purchases       12",
        "Total EUR     480.00",
        "Last  EUR      50.00",
        "Past zero   0.01 kWh",
    )


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
    ("value", "shown"),
    [
        (-5, "----"),
        (0, "----"),
        (12, "----"),
        (13, HALF + "---"),
        (25, FULL + "---"),
        (99, FULL * 3 + HALF),
        (100, FULL * 4),
        (400, FULL * 4),
    ],
)
def test_bar(value, shown):
    assert pages.bar(value, 100, 4) == shown


def test_power_page_of_three_phases_is_a_table():
    assert pages.power(PanelBooks(phases=3)) == (
        "    V    A    kW  PF",
        "1 230  5.3  1.23 .99",
        "2 229 12.0  2.70 .97",
        "3 231  0.0 -0.01 .56",
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
    assert pages.status(books) == (
        "Meter      PW-000042",
        texts.pair("Pennywatt", texts.VERSION),
        BOLT + " Supply on     card",
        "All parts work      ",
    )


def test_status_page_says_when_the_meter_is_not_provisioned():
    assert "Not provisioned" in words(pages.status(PanelBooks(provisioned=False)))


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
    rows = pages.off(books, 0)
    assert is_frame(rows)
    assert rows[0].startswith(LOCK + " Supply is off")
    assert said in words(rows[1:3])
    assert rows[3] == "Credit EUR     -1.23"


def test_off_page_turns_through_several_reasons_the_gravest_first():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_NO_CREDIT | codes.CLAIM_TAMPER | codes.CLAIM_REMINDER
    turns = [pages.off(books, turn) for turn in range(4)]
    assert "blocked" in turns[0][1] and turns[0][0].endswith("1/3")
    assert {rows[1] for rows in turns} == {texts.reason(number)[0] for number in (1, 2, 4)}
    assert turns[3] == turns[0]


def test_off_page_of_a_remote_disconnection_tells_when_a_key_will_do():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_REMOTE
    books.s.latches = codes.LATCH_REMOTE_READY
    assert "press button or card" in words(pages.off(books, 0))


def test_off_page_of_an_overload_that_ends_by_itself_says_wait_unless_only_a_card_will_do():
    books = PanelBooks(overload_w=5000, overload_wait_s=180)
    books.s.claims = codes.CLAIM_OVERLOAD
    assert "Reduce load and wait" in pages.off(books, 0)
    books.s.latches = codes.LATCH_CARD_ONLY
    assert "Reduce, insert card " in pages.off(books, 0)


def test_off_page_of_a_relay_fault_names_it():
    books = PanelBooks()
    books.s.claims = codes.CLAIM_FAULT
    books.faults = codes.FAULT_RELAY
    assert "Relay fault" in words(pages.off(books, 0))


def test_before_the_ledger_is_read_no_figure_is_shown():
    books = PanelBooks()
    books.ready = False
    rows = pages.starting(books)
    assert is_frame(rows) and "Starting" in words(rows) and "123.45" not in words(rows)
    books.faults = codes.FAULT_FRAM
    assert "Memory fault" in words(pages.starting(books))
