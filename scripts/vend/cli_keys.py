# SPDX-License-Identifier: Apache-2.0
"""`vend keys ...`: the supplier's masters and signing keys, what a shop and what one meter gets of them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.supplier import keyfile
from scripts.supplier.keys import MASTER_WORDS, KeySet
from scripts.supplier.signing import ORDER, SALE
from scripts.supplier.units import now_utc_s

from .options import (
    DEMO,
    KEYS,
    SHOP_PASSPHRASE_ENV,
    JsonOption,
    KeysOption,
    Number,
    PassphraseOption,
    open_keys,
    passphrase,
    plain,
)

app = typer.Typer(help="The supplier's keys", no_args_is_help=True)


@app.command()
@plain
def new(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """Make a key file with fresh masters and signing keys. Keep a copy in a safe: without it no card can be sold on."""
    if keys.exists() or keys == DEMO:
        raise keyfile.KeyFileError(f"{keys} exists already and is not overwritten. Name another file with --keys.")
    made = KeySet.new()
    keyfile.save(keys, made, passphrase(passphrase_file, new=True))
    _show(keys, made, as_json)


@app.command()
@plain
def show(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """The key versions there are, with check values. Shows no key."""
    _show(keys, open_keys(keys, passphrase_file), as_json)


@app.command()
@plain
def roll(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """Add a version of fresh masters. Meters get it by 'key-change' cards, cards at the next sale after that."""
    _rolled(keys, passphrase_file, as_json, lambda had: had.rolled())


@app.command("roll-sale")
@plain
def roll_sale(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """Add a sale key. Meters get its public half by 'trust-change' cards; until then they take the one before."""
    _rolled(keys, passphrase_file, as_json, lambda had: had.rolled_signing(SALE))


@app.command("roll-order")
@plain
def roll_order(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """Add an order key. Meters get its public half by 'trust-change' cards, which the one before signs."""
    _rolled(keys, passphrase_file, as_json, lambda had: had.rolled_signing(ORDER))


def _rolled(keys, passphrase_file, as_json, roll):
    words = "" if not keys.exists() else passphrase(passphrase_file)
    rolled = roll(keyfile.load(keys, words))
    keyfile.save(keys, rolled, words, replace=True)
    _show(keys, rolled, as_json)


@app.command("export-shop")
@plain
def export_shop(
    out: Annotated[Path, typer.Option("--out", "-o", help="A new key file, for a counter")],
    shop_passphrase_file: Annotated[
        Path | None,
        typer.Option(help=f"The new file's passphrase (else {SHOP_PASSPHRASE_ENV}, else a question)"),
    ] = None,
    keys: KeysOption = KEYS,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """A key file for a shop: it issues and sells, and makes no card that commands meters."""
    had = open_keys(keys, passphrase_file).for_shop()
    keyfile.save(out, had, passphrase(shop_passphrase_file, new=True, env=SHOP_PASSPHRASE_ENV))
    _show(out, had, as_json)


@app.command("export-meter")
@plain
def export_meter(
    number: Number,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new file, readable by you only")],
    key_version: Annotated[int | None, typer.Option(help="Default: the newest")] = None,
    keys: KeysOption = KEYS,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """The keys.json of one meter, into a file: its own card key, the fleet's utility key, and your public keys."""
    document = open_keys(keys, passphrase_file).meter_document(number, key_version, now_utc_s())
    keyfile.write_private(out, (json.dumps(document) + "\n").encode())
    print(json.dumps({"file": str(out)}) if as_json else f"Keys of meter {number}: {out}")


def _show(path, keys, as_json):
    values = {version: keys.check_values(version) for version in keys.versions}
    signing = {kind.kind: kind.fingerprints() for kind in (keys.sale, keys.order)}
    if as_json:
        shown = {"file": str(path), "newest": keys.newest, "check_values": values, **signing, "shop": keys.of_a_shop}
        print(json.dumps(shown))
        return
    from rich.table import Table

    from .show import console

    table = Table("version", *MASTER_WORDS, title=f"{path}: check values", title_justify="left")
    for version, words in values.items():
        table.add_row(str(version), *words.values())
    console.print(table)
    public = Table("key", "number", "fingerprint", title="Signing keys, public halves", title_justify="left")
    for kind, prints in signing.items():
        for number, text in prints.items():
            public.add_row(kind, str(number), text)
    console.print(public)
    if keys.of_a_shop:
        console.print("A shop's key file: no order key, and no keys of utility cards.")
