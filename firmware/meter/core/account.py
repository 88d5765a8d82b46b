# SPDX-License-Identifier: Apache-2.0
"""The account: what energy costs, what credit remains, which purchase may be applied.

Cost of n counts at price p (millionths per kWh): the remainder goes on to the next tick,
    cost, acc = divmod(acc + n * p, COUNTS_PER_KWH)
so over any time and any rate switches the sum of costs is the exact sum, floored once. Steps add to the price
what the month's consumption has come to, count by count.
Invariants: import_counts = sum of rate_counts; credit = all credit given - sum of rate_cost_micro -
charges_micro - debt_paid_micro; a refused call changes nothing. Purchase rule: one count per purchase, the
meter's and the card's in step.
"""

from micropython import const

from meter.core.codes import CARD_REPLAYED, CARD_SKIPPED
from meter.core.energy import COUNTS_PER_KWH
from meter.core.state import RATES

_U32_MAX = const(0xFFFF_FFFF)

# Verdicts of judge(). A refusal is the card error code to report.
EQUAL = const(0)
ACCEPT = const(1)
REPLAYED = CARD_REPLAYED
SKIPPED = CARD_SKIPPED


def book(s, counts: int, rate: int, price_micro: int, steps: tuple = ()) -> int:
    """Book imported energy of one tick at one rate. Return its cost in millionths.

    steps: (counts, millionths per kWh, ...), rising: what is used in a month beyond these counts costs so
    much more, on top of the steps before. A tick that crosses one is priced by its parts.

    The tick is booked whole by the credit it began with: with none left, its energy and cost are also
    overdraft. ValueError for negative counts or price, or a rate that does not exist.
    """
    if counts < 0 or price_micro < 0 or not 0 <= rate < RATES:
        raise ValueError(f"cannot book {counts} counts, rate {rate}, price {price_micro}")
    worth = counts * price_micro
    used = s.import_counts - s.month_counts + counts
    for i in range(0, len(steps), 2):
        beyond = used - steps[i]
        if beyond <= 0:
            break
        worth += min(beyond, counts) * steps[i + 1]
    # All is worked out before anything changes: half of it must not be left should the heap run out.
    cost, cost_acc = divmod(s.cost_acc + worth, COUNTS_PER_KWH)
    past_counts = s.overdraft_counts
    past_micro = s.overdraft_micro
    credit_micro = s.credit_micro
    if credit_micro <= 0:
        past_counts += counts
        past_micro += cost
    credit_micro -= cost
    rate_counts = s.rate_counts[rate] + counts
    rate_cost_micro = s.rate_cost_micro[rate] + cost
    s.import_counts += counts
    s.rate_counts[rate] = rate_counts
    s.rate_cost_micro[rate] = rate_cost_micro
    s.credit_micro = credit_micro
    s.cost_acc = cost_acc
    s.overdraft_counts = past_counts
    s.overdraft_micro = past_micro
    return cost


def book_unpriced(s, export_counts: int, q_import_counts: int, q_export_counts: int) -> None:
    """Count what has no price: reverse and reactive energy. Never touches credit. ValueError if negative."""
    if export_counts < 0 or q_import_counts < 0 or q_export_counts < 0:
        raise ValueError("energy registers only rise")
    export_counts += s.export_counts
    q_import_counts += s.q_import_counts
    s.q_export_counts += q_export_counts
    s.export_counts = export_counts
    s.q_import_counts = q_import_counts


def judge(meter_count: int, card_count: int) -> int:
    """Compare purchase counts: EQUAL (applied before), ACCEPT (the next one), REPLAYED or SKIPPED (refuse).

    ValueError if a count is not an unsigned 32-bit number. Counts do not wrap: the last one is the last.
    """
    if not (0 <= meter_count <= _U32_MAX and 0 <= card_count <= _U32_MAX):
        raise ValueError("purchase count out of range")
    if card_count == meter_count:
        return EQUAL
    if card_count < meter_count:
        return REPLAYED
    return ACCEPT if card_count == meter_count + 1 else SKIPPED


def hoards(credit_micro: int, amount_micro: int, hoard_micro: int) -> bool:
    """Would this purchase lift credit above the hoarding cap? A cap of 0 or less is none."""
    return hoard_micro > 0 and credit_micro + amount_micro > hoard_micro


def purchase(s, amount_micro: int, debt_micro: int = 0, percent: int = 0) -> None:
    """Add a purchase whose count judge() accepted: debt_micro to the debt, the amount to the credit, less so
    many percent of it to recover debt. ValueError for an amount that is not positive."""
    if amount_micro <= 0 or debt_micro < 0 or not 0 <= percent <= 100 or s.purchase_count >= _U32_MAX:
        raise ValueError(f"cannot apply a purchase of {amount_micro}")
    debt_micro += s.debt_micro
    paid_micro = share(debt_micro, amount_micro, percent)
    s.credit_micro += amount_micro - paid_micro
    s.purchased_micro += amount_micro
    s.purchase_count += 1
    s.last_purchase_micro = amount_micro
    s.debt_micro = debt_micro - paid_micro
    s.debt_paid_micro += paid_micro


def share(debt_micro: int, amount_micro: int, percent: int) -> int:
    """What of a purchase goes to the debt."""
    return min(debt_micro, amount_micro * percent // 100)


def charge_days(s, days: int, standing_micro: int, debt_micro: int, more_micro: int = 0) -> None:
    """What a number of days cost without any energy: the standing charge, and debt recovered per day. more_micro: what
    some of them cost beyond that, or less (negative), for another tariff held on them."""
    charged_micro = days * standing_micro + more_micro
    if days < 0 or standing_micro < 0 or debt_micro < 0 or charged_micro < 0:
        raise ValueError("days are charged once")
    # All is worked out before anything changes: half of it must not be left should the heap run out.
    paid_micro = min(days * debt_micro, s.debt_micro)
    credit_micro = s.credit_micro - charged_micro - paid_micro
    charged_micro += s.charges_micro
    debt_micro = s.debt_micro - paid_micro
    paid_micro += s.debt_paid_micro
    s.credit_micro = credit_micro
    s.charges_micro = charged_micro
    s.debt_micro = debt_micro
    s.debt_paid_micro = paid_micro


def alarm_level(credit_micro: int, alarm1_micro: int, alarm2_micro: int, floor_micro: int) -> int:
    """0 enough, 1 at or below alarm 1, 2 at or below alarm 2, 3 used up (at or below the overdraft floor)."""
    if credit_micro <= floor_micro:
        return 3
    if credit_micro <= alarm2_micro:
        return 2
    return 1 if credit_micro <= alarm1_micro else 0
