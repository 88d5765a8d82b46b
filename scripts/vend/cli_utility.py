# SPDX-License-Identifier: Apache-2.0
"""The commands for the supplier's own cards: presets, key change, relay test, read-out, cover reset, answers."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..common import read_bytes
from .options import (
    CARD,
    KEYS,
    CardOption,
    JournalOption,
    JsonOption,
    KeysOption,
    Number,
    PassphraseOption,
    VersionOption,
    counter,
    plain,
)
from .utility_formats import COVER_RESET, READ_OUT, RELAY_TEST, SETTINGS, TARIFF, kind_word

MeterOption = Annotated[str, typer.Option("--meter", help="For this meter only (default: any)")]
AnswersOption = Annotated[int, typer.Option("--answers", help="Meters the card has room for")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The JSON document")]
_ANSWERS = 20

preset_app = typer.Typer(help="Cards that bring a meter settings or a tariff", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(preset_app, name="preset")
    app.command("key-change")(key_change)
    app.command("answers")(answers)
    for name, kind, help_text in (
        ("relay-test", RELAY_TEST, "Make a card that has a meter open and close its relay once."),
        ("read-out", READ_OUT, "Make a card that collects the figures of meters."),
        ("cover-reset", COVER_RESET, "Make an inspector's card: it releases what tampering has blocked."),
    ):
        app.command(name, help=help_text)(_simple(kind))


def _simple(kind):
    @plain
    def command(
        meter: MeterOption = "",
        room: AnswersOption = _ANSWERS,
        key_version: VersionOption = None,
        card: CardOption = CARD,
        keys: KeysOption = KEYS,
        journal: JournalOption = None,
        passphrase_file: PassphraseOption = None,
        as_json: JsonOption = False,
    ):
        from . import utility_card

        with counter(card, keys, journal, passphrase_file) as (shop, carrier):
            written = utility_card.write_card(
                shop, carrier, kind, meter_number=meter, key_version=key_version, answers=room
            )
        _written(written, as_json)

    return command


def _preset(kind, file, meter, room, key_version, card, keys, journal, passphrase_file, as_json):
    from . import meter_rules, utility_card

    document = utility_card.check_document(read_bytes(file), kind_word(kind), file)
    if not meter_rules.check(kind, document):
        print("vend: not checked by a meter's rules: the firmware's sources are not here", file=sys.stderr)
    with counter(card, keys, journal, passphrase_file) as (shop, carrier):
        written = utility_card.preset(
            shop, carrier, kind, document, meter, key_version=key_version, answers=room
        )  # fmt: skip
    _written(written, as_json)


@preset_app.command()
@plain
def settings(
    file: File,
    meter: MeterOption = "",
    room: AnswersOption = _ANSWERS,
    key_version: VersionOption = None,
    card: CardOption = CARD,
    keys: KeysOption = KEYS,
    journal: JournalOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """Make a card that brings meters a settings document."""
    _preset(SETTINGS, file, meter, room, key_version, card, keys, journal, passphrase_file, as_json)


@preset_app.command()
@plain
def tariff(
    file: File,
    meter: MeterOption = "",
    room: AnswersOption = _ANSWERS,
    key_version: VersionOption = None,
    card: CardOption = CARD,
    keys: KeysOption = KEYS,
    journal: JournalOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """Make a card that brings meters a tariff document."""
    _preset(TARIFF, file, meter, room, key_version, card, keys, journal, passphrase_file, as_json)


@plain
def key_change(
    number: Number,
    has: Annotated[int | None, typer.Option("--from", help="Key version the meter has (default: as reported)")] = None,
    to: Annotated[int | None, typer.Option("--to", help="Key version it gets (default: the newest)")] = None,
    card: CardOption = CARD,
    keys: KeysOption = KEYS,
    journal: JournalOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """Make a card that brings one meter its keys of a newer version."""
    from . import utility_card

    with counter(card, keys, journal, passphrase_file) as (shop, carrier):
        written = utility_card.key_change(shop, carrier, number, has, to)
    _written(written, as_json)


@plain
def answers(
    clear: Annotated[bool, typer.Option("--clear", help="Empty the card's list after reading")] = False,
    card: CardOption = CARD,
    keys: KeysOption = KEYS,
    journal: JournalOption = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
):
    """Read what meters answered onto a utility card."""
    from . import show, utility_card

    with counter(card, keys, journal, passphrase_file) as (shop, carrier):
        brought = utility_card.read_answers(shop, carrier, clear)
    if as_json:
        said = [show.answer_dict(answer) for answer in brought.answers]
        print(json.dumps({**show.head_dict(brought.head), "answers": said}))
    else:
        show.show_answers(brought.head, brought.answers)


def _written(written, as_json):
    from . import show

    head = show.head_dict(written.head)
    if as_json:
        print(json.dumps({**head, "key_version": written.key_version, "room": written.answers}))
        return
    rows = [
        ("kind", head["kind"]),
        ("for", f"meter {head['meter_number']}" if head["meter_number"] else "any meter"),
        ("serial", str(head["serial"])),
        ("keys", f"version {written.key_version}"),
        ("room for answers", str(written.answers)),
    ]
    if written.rescued:
        rows.append(("answers that were on it", f"{written.rescued}, now in the journal"))
    show.fields("The utility card is ready", rows)
