# SPDX-License-Identifier: Apache-2.0
"""The commands: `python -m scripts.vend --help`. Each is a few lines over the library beside it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.supplier.units import money_text, parse_money

from . import cli_correct, cli_keys, cli_utility
from .options import (
    KEYS,
    Counter,
    JournalOption,
    JsonOption,
    KeysOption,
    Number,
    SaleKeyOption,
    VersionOption,
    at_counter,
    journal_path,
    plain,
)

app = typer.Typer(
    help="Vending: sell credit onto a meter's card, and read what the card brings back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals are keys
)


@app.command()
@plain
@at_counter
def issue(
    number: Number,
    currency: Annotated[str, typer.Option(help="Three letters, as the meter has it")] = "EUR",
    key_version: VersionOption = None,
    *,
    at: Counter,
):
    """Make a blank card the user card of a meter. Its first visit there opens the account."""
    from . import issuing

    with at.open() as (shop, carrier):
        made = issuing.issue(shop, carrier, number, currency, key_version)
    _made(made, at.as_json)


@app.command()
@plain
@at_counter
def replace(
    number: Number,
    key_version: VersionOption = None,
    *,
    at: Counter,
):
    """Make a blank card take the place of a meter's lost or broken one, with the purchase that was on it."""
    from . import issuing

    with at.open() as (shop, carrier):
        made = issuing.replace(shop, carrier, number, key_version)
    _made(made, at.as_json)


def _made(made, as_json):
    from . import show
    from .issuing import carried_words

    if as_json:
        result = {
            **show.identity_dict(made.identity),
            "key_version": made.key_version,
            **show.purchase_dict(made.purchase),
            "carried_over": made.carried_over is not None,
        }
        print(json.dumps(result))
        return
    rows = [
        ("meter", made.identity.meter_number),
        ("generation", str(made.identity.generation)),
        ("purchase on it", show.purchase_text(made.purchase, made.identity.currency)),
    ]
    show.fields("The card is ready", rows)
    if made.carried_over:
        show.console.print(carried_words(made))


@app.command(context_settings={"ignore_unknown_options": True})  # so that -5 is refused as an amount
@plain
@at_counter
def sell(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What the customer gets, for example 20.00")],
    debt: Annotated[str | None, typer.Option(help="What this adds to the customer's debt, for example 5.00")] = None,
    cap: Annotated[
        str | None, typer.Option(envvar="PENNYWATT_CAP", help="The meters' limit of credit ('hoard'): sell no more")
    ] = None,
    sale_key: SaleKeyOption = None,
    *,
    at: Counter,
):
    """Sell credit onto a user card. Refused until the last purchase has been to the meter and come back."""
    from . import show, user_card

    amount_micro = parse_money(amount)
    debt_micro = parse_money(debt, "debt") if debt is not None else 0
    cap_micro = parse_money(cap, "limit of credit") if cap is not None else 0
    with at.open() as (shop, carrier):
        sale = user_card.sell(shop, carrier, amount_micro, debt_micro, sale_key, cap_micro)
    if at.as_json:
        result = {
            "meter_number": sale.meter_number,
            **show.purchase_dict(sale.purchase),
            "sale_key": sale.sale_key,
            "settled": sale.settled,
            "renewed_to": sale.renewed_to,
            "renewal_failed": sale.renewal_failed or None,
        }
        print(json.dumps(result))
        return
    for words in sale.settled:
        show.console.print(words)
    show.console.print(
        f"Sold {money_text(sale.purchase.amount_micro)} to meter {sale.meter_number}, purchase {sale.purchase.count},"
        f" signed with sale key {sale.sale_key}."
    )
    if sale.renewed_to:
        show.console.print(f"The card's keys are of version {sale.renewed_to} now.")
    if sale.renewal_failed:
        show.console.print(f"The card's keys could not be renewed, the next sale tries again: {sale.renewal_failed}")


@app.command()
@plain
@at_counter
def read(at: Counter):
    """Show a user card and what its meter reported; settles whatever was cut off with this card."""
    from . import show, user_card

    with at.open() as (shop, carrier):
        found = user_card.read_card(shop, carrier)
    if at.as_json:
        print(json.dumps(show.card_dict(found)))
    else:
        show.show_card(found)


@app.command()
@plain
def journal(
    number: Annotated[str | None, typer.Option("--meter", help="This meter's entries only")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest")] = 50,
    keys: KeysOption = KEYS,
    path: JournalOption = None,
    as_json: JsonOption = False,
):
    """What was done, and what is open because it was cut off. Needs no passphrase."""
    from scripts.supplier.errors import JournalError
    from scripts.supplier.journal import Journal

    from . import show

    file: Path = journal_path(keys, path)
    if not file.exists():
        raise JournalError(f"There is no journal {file}. Name yours with --journal.")
    with Journal(file) as book:
        entries, open_ids = book.entries(number, limit), {intent.id for intent in book.open_intents()}
    if as_json:
        print(json.dumps({"entries": [show.entry_dict(e) for e in entries], "open": sorted(open_ids)}))
    else:
        show.show_entries(entries, open_ids)


cli_correct.register(app)
cli_utility.register(app)
app.add_typer(cli_keys.app, name="keys")
