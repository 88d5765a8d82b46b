# SPDX-License-Identifier: Apache-2.0
"""What all commands share: their options and the passphrase."""

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from scripts.common.refusals import refusals
from scripts.supplier.errors import KeyFileError, Refused, VendError
from scripts.supplier.journal import Journal
from scripts.supplier.keyfile import PASSPHRASE_MIN_N, load
from scripts.supplier.keys import KeySet

from .desfire import Carrier
from .readers import open_reader
from .shop import Shop

PASSPHRASE_ENV = "PENNYWATT_PASSPHRASE"
SHOP_PASSPHRASE_ENV = "PENNYWATT_SHOP_PASSPHRASE"  # of the file that 'keys export-shop' makes

CardOption = Annotated[
    str, typer.Option("--card", envvar="PENNYWATT_CARD", help="Where the card is: pcsc, pcsc:NAME or sim:FILE")
]
KeysOption = Annotated[
    Path, typer.Option("--keys", envvar="PENNYWATT_KEYS", help="The file with the master keys; demo: the bench's keys")
]
JournalOption = Annotated[
    Path | None, typer.Option("--journal", envvar="PENNYWATT_JOURNAL", help="The journal (default: beside the keys)")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help=f"Its first line is the passphrase (else {PASSPHRASE_ENV}, else a question)"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]
VersionOption = Annotated[
    int | None, typer.Option("--key-version", help="Keys the meter has (default: what it reported, else the newest)")
]
ClockOption = Annotated[
    bool, typer.Option("--clock-is-right", help="Work on although the journal's last entry is far from this clock")
]
SaleKeyOption = Annotated[
    int | None, typer.Option("--sale-key", help="Sale key the meter has (default: as known, else the newest)")
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The meter's number")]

CARD = "pcsc"
KEYS = Path("vend-keys.json")
DEMO = Path("demo")  # not a file: the keys everybody knows, for simulated cards and the virtual meter

plain = refusals("vend", VendError)


def passphrase(file: Path | None, new: bool = False, env: str = PASSPHRASE_ENV) -> str:
    """From the file, the environment, or the keyboard (asked twice for a new one)."""
    if file is not None:
        try:
            lines = file.read_bytes().decode("utf-8-sig").splitlines()
        except OSError as e:
            raise KeyFileError(f"The passphrase file {file} cannot be read: {e.strerror}. Name another one.") from e
        except UnicodeDecodeError as e:
            raise KeyFileError(f"The passphrase file {file} is not text in UTF-8. Save it again as UTF-8.") from e
        return lines[0] if lines else ""
    if env in os.environ:
        return os.environ[env]
    if not sys.stdin.isatty():
        option = "--passphrase-file" if env == PASSPHRASE_ENV else "--shop-passphrase-file"
        raise KeyFileError(f"A passphrase is needed. Give {option} or set {env}.")
    whose = "Passphrase of the shop's file" if env == SHOP_PASSPHRASE_ENV else "Passphrase"
    text = f"{whose} (at least {PASSPHRASE_MIN_N} characters)" if new else whose
    return typer.prompt(text, hide_input=True, confirmation_prompt=new, err=True)


def open_keys(path: Path, passphrase_file: Path | None) -> KeySet:
    if path == DEMO:
        return KeySet.demo()
    if not path.exists():
        return load(path, "")  # says what is missing before anybody types
    return load(path, passphrase(passphrase_file))


def journal_path(keys: Path, journal: Path | None) -> Path:
    name = "vend-journal-demo.sqlite" if keys == DEMO else "vend-journal.sqlite"
    return keys.with_name(name) if journal is None else journal


@dataclass(frozen=True)
class Counter:
    """The options that all commands with a card have in common."""

    card: CardOption = CARD
    keys: KeysOption = KEYS
    journal: JournalOption = None
    passphrase_file: PassphraseOption = None
    clock_is_right: ClockOption = False
    as_json: JsonOption = False

    @contextlib.contextmanager
    def open(self) -> Iterator[tuple[Shop, Carrier]]:
        """Keys and journal open, a card on the reader. Refused when the clock is far from the journal's last entry."""
        if self.keys == DEMO and not self.card.startswith("sim:"):
            raise Refused("Everybody knows the demo keys: they are for simulated cards only. Say --card sim:FILE.")
        masters = open_keys(self.keys, self.passphrase_file)
        with Journal(journal_path(self.keys, self.journal)) as book:
            shop = Shop(masters, book)
            if not self.clock_is_right:
                book.check_clock(shop.clock())
            with contextlib.closing(open_reader(self.card)) as carrier:
                yield shop, carrier


def at_counter(command: Callable) -> Callable:
    """A command that has, beside options of its own, those of a Counter, and is given it as `at`."""
    shared = inspect.signature(Counter).parameters
    own = [p for name, p in inspect.signature(command).parameters.items() if name != "at"]

    @functools.wraps(command)
    def run(**given):
        at = Counter(**{name: given.pop(name) for name in shared})
        return command(**given, at=at)

    signature = inspect.Signature([*own, *shared.values()])
    run.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]  # what Typer reads
    run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    return run
