# SPDX-License-Identifier: Apache-2.0
"""What the commands say, for people and as JSON. No key is in any of it."""

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from scripts.bundle import BundleError, signed_by

from . import batch as batches
from . import firmware, sealing, trust
from .board import Board
from .errors import DocumentError
from .found import Found
from .identity import KEYS, SETTINGS, TARIFF

console = Console()
_errors = Console(stderr=True)


def made(summary: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    where = summary.get("port") or summary.get("documents")
    state = "provisioned" if summary["provisioned"] else "NOT provisioned: for development only"
    print(f"Meter {summary['number']} ({summary['board']}), {state}: {where}")
    print(f"  keys of version {summary['key_version']}, tariff {summary['tariff']},"
          f" bundles signed by {summary['trust_key'] or 'nobody'}")  # fmt: skip
    if "port" in summary:
        print("  read back and compared; next: calibrate, then 'provision seal', then 'provision check'")


def changes(found: list[str], as_json: bool) -> None:
    if found and not as_json:
        print("This board has been a meter before:", "; ".join(found) + ".", file=sys.stderr)


def told(as_json: bool) -> Callable[[str], None]:
    return lambda text: None if as_json else print(f"  … {text}", file=sys.stderr)


@contextlib.contextmanager
def waiting(as_json: bool) -> Iterator[Callable[[float, float], None]]:
    """A bar of the seconds that the meter may take to come up."""
    columns = TextColumn("  … the meter starts"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s")
    with Progress(*columns, console=_errors, disable=as_json, transient=True) as progress:
        task = progress.add_task("", total=1)
        yield lambda waited_s, limit_s: progress.update(task, completed=waited_s, total=limit_s)


def lacking(sentences: list[str]) -> None:
    if sentences:
        print("The meter is who it should be, but not all of it is there:", file=sys.stderr)
        print("\n".join(f"  {sentence}" for sentence in sentences), file=sys.stderr)


def sealed(summary: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    print(f"Meter {summary['number']}: sealed, check sum {summary['crc32']}.")
    if summary["seal"] == sealing.NO_FRAM:
        print("  This board has no FRAM: nothing but the document says so, and who can write files can change it.")
    else:
        print("  The FRAM holds the seal.")


def progress(work: Iterable, total: int, as_json: bool) -> Iterator:
    bar = Progress(TextColumn("meters"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=_errors,
                   transient=True, disable=as_json or not _errors.is_terminal)  # fmt: skip
    with bar:
        yield from bar.track(work, total=total)


def batch(results: list[batches.Result], out, as_json: bool) -> None:
    counts = {what: sum(r.what == what for r in results) for what in (batches.MADE, batches.THERE, batches.REFUSED)}
    if as_json:
        print(json.dumps({"folder": str(out), "counts": counts, "meters": [vars(r) for r in results]}))
        return
    table = Table("line", "number", "what", "why", title=str(out), title_justify="left")
    for r in results:
        table.add_row(str(r.line), r.number, r.what, r.why)
    console.print(table)
    print(", ".join(f"{n} {what}" for what, n in counts.items() if n))


def report(board: Board, found: Found, name: str) -> tuple[dict, list[str]]:
    """(who the meter on a board is, what is wrong with that: one sentence each)."""
    wrong = []
    tariff = None
    if TARIFF in found.sums:
        try:
            document = firmware.parse(board.get(TARIFF) or b"", TARIFF)
            tariff = firmware.tariff(document, found.settings.get("currency", "EUR")).name
        except DocumentError as e:
            wrong.append(str(e))
    else:
        wrong.append("It has no tariff: energy is counted at no price.")
    prints = None
    if trust.NAME in found.sums:
        key = board.get(trust.NAME) or b""
        prints = trust.fingerprint(key)
        if firmware.is_demo_trust(key):
            wrong.append("It trusts bundles signed with the demo key, which everybody has.")
        elif found.provisioned and not _signed(board, key):
            wrong.append(
                "The firmware it runs is not signed with the key it trusts: if its boot state is ever lost, it does not"
                " start. Deploy your own bundle: make deploy PORT=… KEY=… VERSION=…."
            )
    else:
        wrong.append("It trusts nobody's firmware bundles: it cannot be updated.")
    if not found.known:
        wrong.insert(0, "Its settings cannot be read.")
    elif not found.number:
        wrong.insert(0, "It has no settings: it is nobody yet.")
    elif not found.provisioned:
        wrong.insert(0, "It is not provisioned: it takes demo keys and needs no calibration.")
    demo = bool(found.number) and _known(found)
    if KEYS not in found.sums:
        wrong.append("It has no keys: it reads no card.")
    elif found.key_version is None:
        wrong.append("Its keys are damaged.")
    elif demo:
        wrong.append("Its keys are the demo keys, which everybody knows.")
    if SETTINGS not in found.sums and found.number:
        wrong.append("Its settings are gone, and those before are in force.")
    calibration, why = sealing.judge(board, found, name)
    if found.provisioned and why:
        wrong.append(why)
    return {
        "number": found.number or None,
        "provisioned": found.provisioned,
        "key_version": found.key_version,
        "demo_keys": demo,
        "tariff": tariff,
        "trust_key": prints,
        "calibration": calibration,
        "chip": found.uid,
    }, wrong


def checked(summary: dict, wrong: list[str], as_json: bool) -> None:
    if as_json:
        print(json.dumps({**summary, "wrong": wrong}))
        return
    for key, value in summary.items():
        print(f"  {key.replace('_', ' ') + ':':13} {'none' if value is None else value}")
    for sentence in wrong:
        print(f"provision: {sentence}", file=sys.stderr)


def _signed(board, key):
    """Has this key signed the firmware in force? Without a boot state the loader takes either slot that is signed."""
    slot = firmware.slot_in_force(board.get("boot.bin") or b"")
    for name in (slot,) if slot else ("/a", "/b"):
        with contextlib.suppress(BundleError):
            if signed_by(board.get(f"{name[1:]}/manifest") or b"", key):
                return True
    return False


def _known(found):
    sums = {hashlib.sha256(bytes.fromhex(key)).hexdigest() for key in firmware.demo_keys(found.number)}
    return bool(sums & set(found.key_sums.values()))
