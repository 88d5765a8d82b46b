# SPDX-License-Identifier: Apache-2.0
"""The commands for the supplier's own cards: presets, changes of keys, relay test, read-out, cover reset, answers."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.supplier.errors import FormatError
from scripts.supplier.utility_formats import COVER_RESET, READ_OUT, RELAY_TEST, SETTINGS, TARIFF, Meters, kind_word

from ..common import read_bytes
from .options import Counter, Number, VersionOption, at_counter, plain

MeterOption = Annotated[
    str, typer.Option("--meter", help="For this meter only, 1,2,3 for these, 001..099 for a range (default: any)")
]
OrderKeyOption = Annotated[
    int | None, typer.Option("--order-key", help="Order key the meters have (default: as known, else the newest)")
]
AnswersOption = Annotated[int, typer.Option("--answers", help="Meters the card has room for")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The JSON document")]
_ANSWERS = 20

preset_app = typer.Typer(help="Cards that bring a meter settings or a tariff", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(preset_app, name="preset")
    app.command("key-change")(key_change)
    app.command("trust-change")(trust_change)
    app.command("answers")(answers)
    for name, kind, help_text in (
        ("relay-test", RELAY_TEST, "Make a card that has a meter open and close its relay once."),
        ("read-out", READ_OUT, "Make a card that collects the figures of meters."),
        ("cover-reset", COVER_RESET, "Make an inspector's card: it releases what tampering has blocked."),
    ):
        app.command(name, help=help_text)(_simple(kind))


def meters_of(text: str) -> Meters:
    """Return the meters of a --meter option: "", A, A..B or A,B,C."""
    first, dots, last = text.partition("..")
    if dots:
        return Meters(first.strip(), last.strip())
    numbers = tuple(number.strip() for number in text.split(","))
    return Meters.one(numbers[0]) if len(numbers) == 1 else Meters(listed=numbers)


def _simple(kind):
    @plain
    @at_counter
    def command(
        meter: MeterOption = "",
        room: AnswersOption = _ANSWERS,
        key_version: VersionOption = None,
        order_key: OrderKeyOption = None,
        *,
        at: Counter,
    ):
        from . import utility_card

        more = {"key_version": key_version, "order_key": order_key, "answers": room}
        with at.open() as (shop, carrier):
            written = utility_card.write_card(shop, carrier, kind, meters=meters_of(meter), **more)
        _written(written, at.as_json)

    return command


def _preset(kind, file, meter, more, at):
    from scripts.supplier import meter_rules
    from scripts.vend import utility_card

    document = utility_card.check_document(read_bytes(file), kind_word(kind), file)
    try:
        checked = meter_rules.check(kind, document)
    except FormatError as e:
        raise FormatError(f"{file}: {e}") from None
    if not checked:
        print("vend: not checked by a meter's rules: the firmware's sources are not here", file=sys.stderr)
    with at.open() as (shop, carrier):
        written = utility_card.preset(shop, carrier, kind, document, meters_of(meter), **more)
    _written(written, at.as_json)


@preset_app.command()
@plain
@at_counter
def settings(
    file: File,
    meter: MeterOption = "",
    room: AnswersOption = _ANSWERS,
    key_version: VersionOption = None,
    order_key: OrderKeyOption = None,
    *,
    at: Counter,
):
    """Make a card that brings meters a settings document."""
    more = {"key_version": key_version, "order_key": order_key, "answers": room}
    _preset(SETTINGS, file, meter, more, at)


@preset_app.command()
@plain
@at_counter
def tariff(
    file: File,
    meter: MeterOption = "",
    room: AnswersOption = _ANSWERS,
    key_version: VersionOption = None,
    order_key: OrderKeyOption = None,
    *,
    at: Counter,
):
    """Make a card that brings meters a tariff document."""
    more = {"key_version": key_version, "order_key": order_key, "answers": room}
    _preset(TARIFF, file, meter, more, at)


@plain
@at_counter
def key_change(
    number: Number,
    has: Annotated[int | None, typer.Option("--from", help="Key version the meter has (default: as reported)")] = None,
    to: Annotated[int | None, typer.Option("--to", help="Key version it gets (default: the newest)")] = None,
    order_key: OrderKeyOption = None,
    *,
    at: Counter,
):
    """Make a card that brings one meter its keys of a newer version."""
    from . import utility_card

    with at.open() as (shop, carrier):
        written = utility_card.key_change(shop, carrier, number, has, to, order_key)
    _written(written, at.as_json)


@plain
@at_counter
def trust_change(
    meter: MeterOption = "",
    has: Annotated[int | None, typer.Option("--from", help="Order key the meters have now: it signs the card")] = None,
    to: Annotated[int | None, typer.Option("--to", help="Order key they get (default: the newest)")] = None,
    room: AnswersOption = _ANSWERS,
    key_version: VersionOption = None,
    *,
    at: Counter,
):
    """Make a card that brings meters the public halves of the newest sale key and order key."""
    from . import utility_card

    more = {"key_version": key_version, "answers": room}
    with at.open() as (shop, carrier):
        written = utility_card.trust_change(shop, carrier, meters_of(meter), has, to, **more)
    _written(written, at.as_json)


@plain
@at_counter
def answers(
    clear: Annotated[bool, typer.Option("--clear", help="Empty the card's list after reading")] = False,
    *,
    at: Counter,
):
    """Read what meters answered onto a utility card."""
    from . import show, utility_card

    with at.open() as (shop, carrier):
        brought = utility_card.read_answers(shop, carrier, clear)
    if at.as_json:
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
        ("for", show.meters_text(written.head)),
        ("serial", str(head["serial"])),
        ("signed with", f"order key {written.head.key_number}: meters that have another one refuse it"),
        ("keys", f"version {written.key_version}"),
        ("room for answers", str(written.answers)),
    ]
    if written.rescued:
        rows.append(("answers that were on it", f"{written.rescued}, now in the journal"))
    show.fields("The utility card is ready", rows)
