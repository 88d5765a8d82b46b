# SPDX-License-Identifier: Apache-2.0
"""The account's rules. 320,000 counts are one kWh."""

from meter.core import account, rates
from meter.core.state import FIELDS, MeterState

KWH = 320_000


def funded(credit_micro):
    s = MeterState()
    s.credit_micro = credit_micro
    return s


def snapshot(s):
    return [getattr(s, name) for name in FIELDS] + s.rate_counts + s.rate_cost_micro + [s.card_uid]


def refuses(call, *args):
    try:
        call(*args)
    except ValueError:
        return True
    return False


def test_one_kwh_costs_its_price():
    s = funded(1_000_000)
    assert account.book(s, KWH, 3, 182_500) == 182_500
    assert s.credit_micro == 817_500
    assert s.rate_counts[3] == KWH and s.rate_cost_micro[3] == 182_500 and s.import_counts == KWH
    assert s.cost_acc == 0


def test_one_kwh_count_by_count_costs_its_price():
    s = funded(0)
    total = 0
    for _ in range(3200):
        total += account.book(s, 100, 0, 182_501)
    assert total == 182_501 == s.rate_cost_micro[0]
    assert s.cost_acc == 0


def test_remainder_survives_a_rate_switch():
    s = funded(0)
    assert account.book(s, 1, 0, 200_000) == 0
    assert s.cost_acc == 200_000
    assert account.book(s, 1, 1, 120_000) == 1
    assert s.cost_acc == 0
    assert s.rate_cost_micro[0] == 0 and s.rate_cost_micro[1] == 1


def test_registers_agree_after_many_ticks():
    s = funded(5_000_000)
    for i in range(500):
        account.book(s, i * 37 % 6000, i % 8, 100_000 + i * 977)
    assert sum(s.rate_counts) == s.import_counts
    assert s.credit_micro == 5_000_000 - sum(s.rate_cost_micro)
    assert 0 <= s.cost_acc < KWH


def test_free_energy_is_counted_and_costs_nothing():
    s = funded(7)
    assert account.book(s, 999, 0, 0) == 0
    assert s.credit_micro == 7 and s.import_counts == 999


def test_tick_that_uses_up_the_credit_is_not_overdraft():
    s = funded(1)
    account.book(s, KWH, 0, 300_000)
    assert s.credit_micro == 1 - 300_000
    assert s.overdraft_counts == 0 and s.overdraft_micro == 0


def test_tick_begun_without_credit_is_overdraft_whole():
    for credit_micro in (0, -1, -500_000):
        s = funded(credit_micro)
        account.book(s, KWH, 0, 300_000)
        assert s.overdraft_counts == KWH and s.overdraft_micro == 300_000
        assert s.import_counts == KWH and s.credit_micro == credit_micro - 300_000


def test_negative_counts_price_and_unknown_rates_are_refused_and_change_nothing():
    s = funded(1_000)
    before = snapshot(s)
    for counts, rate, price in ((-1, 0, 1), (1, 0, -1), (1, 8, 1), (1, -1, 1)):
        assert refuses(account.book, s, counts, rate, price)
        assert snapshot(s) == before


def test_reverse_energy_never_adds_credit():
    s = funded(1_000)
    account.book_unpriced(s, 5 * KWH, 11, 12)
    assert s.credit_micro == 1_000 and s.import_counts == 0 and s.cost_acc == 0
    assert (s.export_counts, s.q_import_counts, s.q_export_counts) == (5 * KWH, 11, 12)


def test_tick_without_any_energy_is_fine():
    s = funded(9)
    before = snapshot(s)
    account.book_unpriced(s, 0, 0, 0)
    assert account.book(s, 0, 0, 300_000) == 0
    assert snapshot(s) == before


def test_registers_never_fall():
    s = funded(0)
    before = snapshot(s)
    for counts in ((-1, 0, 0), (0, -1, 0), (0, 0, -1)):
        assert refuses(account.book_unpriced, s, *counts)
        assert snapshot(s) == before


def test_purchase_adds_credit_and_is_remembered():
    s = funded(-250_000)
    account.purchase(s, 10_000_000)
    account.purchase(s, 5_500_000)
    assert s.credit_micro == 15_250_000
    assert s.purchased_micro == 15_500_000
    assert s.purchase_count == 2
    assert s.last_purchase_micro == 5_500_000


def test_purchase_of_nothing_is_refused():
    s = funded(1)
    before = snapshot(s)
    for amount_micro in (0, -1):
        assert refuses(account.purchase, s, amount_micro)
    assert snapshot(s) == before


def test_purchase_count_does_not_wrap():
    s = funded(1)
    s.purchase_count = 0xFFFFFFFF
    assert refuses(account.purchase, s, 1)
    assert s.credit_micro == 1


def test_counter_rule():
    for meter, card, verdict in (
        (0, 0, account.EQUAL),
        (0, 1, account.ACCEPT),
        (0, 2, account.SKIPPED),
        (7, 7, account.EQUAL),
        (7, 8, account.ACCEPT),
        (7, 9, account.SKIPPED),
        (7, 6, account.REPLAYED),
        (7, 0, account.REPLAYED),
        (7, 0xFFFFFFFF, account.SKIPPED),
        (0xFFFFFFFE, 0xFFFFFFFF, account.ACCEPT),
        (0xFFFFFFFF, 0xFFFFFFFF, account.EQUAL),
        (0xFFFFFFFF, 0, account.REPLAYED),
    ):
        assert account.judge(meter, card) == verdict, (meter, card)


def test_verdicts_are_distinct_and_refusals_are_card_codes():
    from meter.core import codes

    assert len({account.EQUAL, account.ACCEPT, account.REPLAYED, account.SKIPPED}) == 4
    assert account.REPLAYED == codes.CARD_REPLAYED and account.SKIPPED == codes.CARD_SKIPPED


def test_counts_outside_32_bits_are_refused():
    for meter, card in ((-1, 0), (0, -1), (0x1_0000_0000, 0), (0, 0x1_0000_0000)):
        assert refuses(account.judge, meter, card)


def test_prices_in_rupiah_and_dong_and_balances_of_a_thousand_million_are_exact_to_the_millionth():
    for price_micro in (1_444_700_000, 1_893_000_000, 100_000_000_000):
        for credit_micro in (10**15, -(10**15), 999_999_999_990_000):
            s = MeterState()
            s.credit_micro = credit_micro
            used = 0
            for n in range(600):
                counts = n * 7 % 19
                account.book(s, counts, 0, price_micro)
                used += counts
            cost_micro = used * price_micro // KWH
            assert s.credit_micro == credit_micro - cost_micro and s.rate_cost_micro[0] == cost_micro
            account.purchase(s, 10**15, 10**12, 50)
            assert s.credit_micro == credit_micro - cost_micro + 10**15 - 10**12
            assert (s.purchased_micro, s.last_purchase_micro, s.debt_micro) == (10**15, 10**15, 0)
            account.charge_days(s, 366, 100_000_000_000, 0)
            assert s.charges_micro == 366 * 10**11


def test_hoarding_cap():
    assert not account.hoards(40, 60, 100)
    assert account.hoards(40, 61, 100)
    assert not account.hoards(-40, 140, 100)
    assert not account.hoards(10**12, 10**12, 0)


def test_alarm_levels_from_plenty_to_nothing():
    # alarm 1 at 10, alarm 2 at 5, no overdraft
    for credit, level in ((11, 0), (10, 1), (6, 1), (5, 2), (1, 2), (0, 3), (-1, 3)):
        assert account.alarm_level(credit, 10, 5, 0) == level, credit


def test_alarm_levels_with_an_overdraft_of_3():
    for credit, level in ((6, 1), (5, 2), (0, 2), (-2, 2), (-3, 3), (-4, 3)):
        assert account.alarm_level(credit, 10, 5, -3) == level, credit


def test_every_field_of_the_state_is_one_the_ledger_knows():
    fields = {name for name in MeterState().__dict__}
    assert fields == set(FIELDS) | {"rate_counts", "rate_cost_micro", "card_uid", "tampers", "jump", "phase_counts"}


# -- steps --------------------------------------------------------------------------------------------

STEPS = (100 * KWH, 50_000, 300 * KWH, 100_000)  # beyond 100 kWh 0.05 more, beyond 300 kWh 0.10 on top


def used(kwh, counts=0):
    """A month in which so much has been used, after a month before it."""
    s = funded(0)
    s.month_counts = 7_777
    s.import_counts = 7_777 + kwh * KWH + counts
    return s


def test_each_step_adds_to_the_price():
    for kwh, price in ((0, 200_000), (99, 200_000), (100, 250_000), (299, 250_000), (300, 350_000), (9_999, 350_000)):
        assert account.book(used(kwh), KWH, 0, 200_000, STEPS) == price, kwh
        assert rates.price(used(kwh), 200_000, STEPS) == price, kwh


def test_the_count_that_reaches_a_step_has_the_price_before_it():
    s = used(99, KWH - 1)
    account.book(s, 1, 0, 200_000, STEPS)
    assert s.cost_acc == 200_000
    assert rates.price(s, 200_000, STEPS) == 250_000
    account.book(s, 1, 0, 200_000, STEPS)
    assert s.cost_acc == 200_000 + 250_000 - KWH


def test_a_tick_over_two_steps_is_priced_by_its_parts():
    assert account.book(used(90), 220 * KWH, 0, 200_000, STEPS) == 10 * 200_000 + 200 * 250_000 + 10 * 350_000


def test_a_new_month_begins_below_all_steps():
    s = used(500)
    assert rates.price(s, 200_000, STEPS) == 350_000
    s.month_counts = s.import_counts
    assert rates.price(s, 200_000, STEPS) == 200_000
    assert account.book(s, KWH, 0, 200_000, STEPS) == 200_000


def test_a_step_may_make_it_cheaper():
    cheaper = (100 * KWH, -150_000)
    assert account.book(used(99), 2 * KWH, 0, 200_000, cheaper) == 200_000 + 50_000
    assert account.book(used(100), KWH, 0, 200_000, (100 * KWH, -200_000)) == 0


def test_steps_go_on_top_of_every_rate():
    s = used(100)
    assert account.book(s, KWH, 2, 0, STEPS) == 50_000 == s.rate_cost_micro[2]
    assert account.book(s, KWH, 5, 400_000, STEPS) == 450_000 == s.rate_cost_micro[5]


def test_reverse_energy_reaches_no_step():
    s = used(99)
    account.book_unpriced(s, 500 * KWH, 500 * KWH, 0)
    assert rates.price(s, 200_000, STEPS) == 200_000


# -- charges and debt -----------------------------------------------------------------------------------


def indebted(credit_micro, debt_micro):
    s = funded(credit_micro)
    s.debt_micro = debt_micro
    return s


def money(s):
    return s.credit_micro, s.debt_micro, s.debt_paid_micro, s.charges_micro


def test_days_are_charged():
    s = funded(1_000)
    account.charge_days(s, 1, 300, 0)
    account.charge_days(s, 3, 300, 0)
    assert money(s) == (-200, 0, 0, 1_200)


def test_no_day_costs_nothing():
    s = indebted(1_000, 500)
    account.charge_days(s, 0, 300, 50)
    assert money(s) == (1_000, 500, 0, 0)


def test_charges_are_neither_energy_nor_overdraft():
    s = funded(-5)
    account.charge_days(s, 2, 300, 0)
    assert s.overdraft_micro == s.overdraft_counts == s.import_counts == sum(s.rate_cost_micro) == 0


def test_debt_is_recovered_by_day_until_none_is_left():
    s = indebted(1_000, 250)
    account.charge_days(s, 1, 0, 100)
    assert money(s) == (900, 150, 100, 0)
    account.charge_days(s, 5, 0, 100)
    assert money(s) == (750, 0, 250, 0)
    account.charge_days(s, 1, 0, 100)
    assert money(s) == (750, 0, 250, 0)


def test_debt_is_recovered_below_zero_too():
    s = indebted(-10, 250)
    account.charge_days(s, 1, 20, 100)
    assert money(s) == (-130, 150, 100, 20)


def test_debt_comes_with_a_purchase_and_changes_no_credit_by_itself():
    s = funded(50)
    account.purchase(s, 1_000, 700)
    assert money(s) == (1_050, 700, 0, 0)
    assert s.purchased_micro == s.last_purchase_micro == 1_000


def test_a_purchase_pays_its_share_of_the_debt_its_own_included():
    s = indebted(50, 300)
    account.purchase(s, 1_000, 700, 25)
    assert money(s) == (800, 750, 250, 0)
    account.purchase(s, 1_000, 0, 100)
    assert money(s) == (1_050, 0, 1_000, 0)


def test_the_share_is_rounded_down():
    s = indebted(0, 300)
    account.purchase(s, 199, 0, 1)
    assert money(s) == (198, 299, 1, 0)
    account.purchase(s, 99, 0, 1)
    assert money(s) == (297, 299, 1, 0)


def test_recovery_takes_no_more_than_is_owed():
    assert account.share(30, 1_000, 10) == 30
    assert account.share(300, 1_000, 10) == 100
    assert account.share(0, 1_000, 10) == 0


def test_refused_charges_and_debts_change_nothing():
    s = indebted(1_000, 500)
    before = snapshot(s)
    for call, args in (
        (account.charge_days, (-1, 300, 0)),
        (account.charge_days, (1, -300, 0)),
        (account.charge_days, (1, 300, -1)),
        (account.purchase, (100, -1)),
        (account.purchase, (100, 0, -1)),
        (account.purchase, (100, 0, 101)),
        (account.purchase, (0, 100, 50)),
    ):
        assert refuses(call, s, *args), args
        assert snapshot(s) == before, args
