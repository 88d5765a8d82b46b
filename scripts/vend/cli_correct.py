# SPDX-License-Identifier: Apache-2.0
"""The commands that put mistakes right: correct, take-back, blank, resign."""

import json
from typing import Annotated

import typer

from scripts.supplier.units import money_text, parse_money

from .options import Counter, SaleKeyOption, at_counter, plain


def register(app: typer.Typer) -> None:
    for name, command in (("correct", correct), ("take-back", take_back), ("blank", blank), ("resign", resign)):
        app.command(name)(command)


@plain
@at_counter
def correct(
    amount: Annotated[str | None, typer.Option(help="What the last purchase should be, for example 20.00")] = None,
    debt: Annotated[str | None, typer.Option(help="What it should add to the debt; 0 for nothing")] = None,
    currency: Annotated[str | None, typer.Option(help="What the card should have, three capitals")] = None,
    *,
    at: Counter,
):
    """Put a wrong amount or debt right that the meter has not booked, or the currency of a card it never took."""
    from . import correcting

    amount_micro = None if amount is None else parse_money(amount)
    debt_micro = None if debt is None else parse_money(debt, "debt", zero=True)
    with at.open() as (shop, carrier):
        done = correcting.correct(shop, carrier, amount_micro, debt_micro, currency)
    words = "The card is put right."
    if done.purchase != done.before:
        words += f" Settle the difference with the customer: it was {money_text(done.before.amount_micro)}."
    _said(done, words, at.as_json)


@plain
@at_counter
def take_back(at: Counter):
    """Take the last purchase off the card, if the meter has not booked it."""
    from . import correcting

    with at.open() as (shop, carrier):
        done = correcting.take_back(shop, carrier)
    money = money_text(done.before.amount_micro)
    _said(done, f"Purchase {done.before.count} is off the card: give back {money}.", at.as_json)


@plain
@at_counter
def resign(
    sale_key: SaleKeyOption = None,
    *,
    at: Counter,
):
    """Sign the last purchase again, for a meter that says it is signed with an old key. Sells nothing."""
    from . import correcting

    with at.open() as (shop, carrier):
        done = correcting.resign(shop, carrier, sale_key)
    _said(done, f"Purchase {done.purchase.count} is signed with sale key {done.sale_key} now.", at.as_json)


@plain
@at_counter
def blank(at: Counter):
    """Make a card blank that was issued for the wrong meter, never was there, and has no purchase on it."""
    from . import correcting

    with at.open() as (shop, carrier):
        number = correcting.blank(shop, carrier)
    if at.as_json:
        print(json.dumps({"meter_number": number}))
    else:
        print(f"The card of meter {number} is blank. Issue it, or another one, for the right meter.")


def _said(done, words, as_json):
    from . import show

    if as_json:
        result = {
            "meter_number": done.meter_number,
            "currency": done.currency,
            **show.purchase_dict(done.purchase),
            "before": show.purchase_dict(done.before),
            "sale_key": done.sale_key,
            "settled": done.settled,
        }
        print(json.dumps(result))
        return
    for text in done.settled:
        show.console.print(text)
    show.console.print(words)
    show.console.print(f"On the card of meter {done.meter_number}: {show.purchase_text(done.purchase, done.currency)}.")
