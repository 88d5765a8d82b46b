# SPDX-License-Identifier: Apache-2.0
"""`vend keys ...`: the supplier's master keys, and what one meter gets of them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from . import keyfile
from .keys import MASTER_WORDS, KeySet
from .options import DEMO, KEYS, JsonOption, KeysOption, Number, PassphraseOption, open_keys, passphrase, plain

app = typer.Typer(help="The supplier's master keys", no_args_is_help=True)


@app.command()
@plain
def new(keys: KeysOption = KEYS, passphrase_file: PassphraseOption = None, as_json: JsonOption = False):
    """Make a key file with fresh masters. Keep a copy in a safe: without it no card can be sold on."""
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
    words = "" if not keys.exists() else passphrase(passphrase_file)
    rolled = keyfile.load(keys, words).rolled()
    keyfile.save(keys, rolled, words, replace=True)
    _show(keys, rolled, as_json)


@app.command("export-meter")
@plain
def export_meter(
    number: Number,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A new file, readable by you only")] = None,
    key_version: Annotated[int | None, typer.Option(help="Default: the newest")] = None,
    keys: KeysOption = KEYS,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """The keys.json of one meter: its own card key and the fleet's utility key. Secret."""
    document = json.dumps(open_keys(keys, passphrase_file).meter_document(number, key_version))
    if out is None:
        print(document)
        return
    keyfile.write_private(out, (document + "\n").encode())
    print(json.dumps({"file": str(out)}) if as_json else f"Keys of meter {number}: {out}")


def _show(path, keys, as_json):
    values = {version: keys.check_values(version) for version in keys.versions}
    if as_json:
        print(json.dumps({"file": str(path), "newest": keys.newest, "check_values": values}))
        return
    from rich.table import Table

    from .show import console

    table = Table("version", *MASTER_WORDS, title=f"{path}: check values", title_justify="left")
    for version, words in values.items():
        table.add_row(str(version), *words.values())
    console.print(table)
