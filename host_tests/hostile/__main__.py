# SPDX-License-Identifier: Apache-2.0
"""Corrupted and hostile bundles and boot states: the meter always starts a good slot, or stays in the loader if really
no slot is whole.

    python -m host_tests.hostile --cases 10000 [--profile stock] [--seed 1] [--case 4711] [--json]

Cases (cases.py) run on the 32-bit interpreter, with the loader as it goes onto a meter; oracle.py says
what must come of each. A case is the same for the same seed and number. Fourteen (one of each way) run with slots in
LittleFS (stock), the next fourteen with slots in place, unless all are to be of one profile.
"""

import hashlib
import json
import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from host_tests.hostile import oracle
from host_tests.hostile.cases import NAMES, NONE, WAYS, bases, make, patches
from host_tests.hostile.world import on_meter


class Profile(StrEnum):
    """Where the slots are: in LittleFS, in place, or in either by turns."""

    BOTH = "both"
    STOCK = "stock"
    PLACE = "place"


def judge(kind, base, changes, memory, answer) -> list[str]:
    """What is wrong with what came of a case."""
    known = [*bases()[base].values(), *(c for _, c in changes if isinstance(c, bytes))]
    contents = {hashlib.sha256(c).hexdigest(): c for c in known} | answer.get("contents", {})
    before = oracle.World(answer["before"], contents)
    first, second = answer["starts"]
    wrong = []
    if answer["wrong"]:
        wrong.append("flash was programmed without an erase")
    had = oracle.read_state(before.read("/boot.bin"))
    ran = {"/a": 1, "/b": 2}.get(first["path"][-1], 0) if first["how"] == "ran" else 0
    expected = oracle.expect(answer["before"], dict(contents), memory)
    wrong += _always(first, expected.left)
    wrong += _always(second, expected.stay)
    after = oracle.World(first["tree"], expected.world.contents)
    may = before.startable(had)
    if not ran and may and kind != "full_flash":
        wrong.append(f"no slot was started, though {may} could have been")
    if kind != "full_flash":
        wrong += _exactly(expected, ran, first, after)
    elif not ran and (may and after.startable(oracle.read_state(bytes.fromhex(first["boot"] or "")) or had)):
        wrong.append("no slot was started, though one is whole")
    if ran:
        m = after.manifest(ran)
        named = had and m and m.digest == had.heads[ran]
        if not m or not (named or after.signed(after.read(oracle.SLOTS[ran] + "/manifest"))):
            wrong.append("what was started is nobody's")
    now = oracle.read_state(bytes.fromhex(first["boot"] or ""))
    if ran and kind != "full_flash":
        if not now or now.active == now.trial or not now.active or now.heads[now.active] == NONE:
            wrong.append(f"the boot state is none: {now}")
        elif expected.left > expected.stay:
            pass  # the RTC's memory knew that it cannot be removed; without it, it is tried again
        elif not (now.trial and now.tries >= 3) and second["path"] != first["path"]:
            wrong.append(f"the second start took another slot: {second['path']}")
    return wrong


def _always(start, left):
    if start["how"] not in ("ran", "rescue"):
        yield f"the loader {start['how']}"
    if start["how"] == "ran" and start["path"] not in ([".frozen", "/a"], [".frozen", "/b"]):
        yield f"modules are looked for in {start['path']}"
    if start["left"]:
        yield f"left loaded: {start['left']}"
    if any(name in start["tree"] for name in NAMES if name not in left):
        yield "a bundle was left lying"
    if not all(name in start["tree"] for name in left):
        yield "a bundle that cannot be removed was"


def _exactly(expected, ran, first, after):
    if ran != expected.slot:
        yield f"slot {ran} was started, not {expected.slot}"
        return
    now = oracle.read_state(bytes.fromhex(first["boot"] or ""))
    want = expected.state
    if ran and (not now or (now.active, now.trial, now.heads) != (want.active, want.trial, want.heads)):
        yield f"the boot state is {now}, not {want}"
    elif ran and want.trial and now and now.tries != want.tries:
        yield f"{now.tries} starts on trial were counted, not {want.tries}"
    for slot in want.held() if ran else ():
        same = after.inside(slot) == expected.world.inside(slot)
        m = expected.world.whole(slot)
        if m and any(after.tree.get(f"{oracle.SLOTS[slot]}/{path}") != digest for digest, _, path in m.files):
            yield f"files of slot {slot} have changed"
        if expected.installed and slot == (want.trial or want.active) and not same:
            yield f"slot {slot} does not hold what the bundle does"
        if slot == ran and expected.read_whole and m:
            own = {f"{oracle.SLOTS[slot]}/{path}" for path in ["manifest", *(path for _, _, path in m.files)]}
            folders = {path.rsplit("/", n)[0] for path in own for n in (1, 2, 3)}
            more = after.inside(slot) - own - folders
            if more:
                yield f"files are left in slot {slot} that are not its own: {more}"


def run(meter, seed, number):
    """(kind, what is wrong, was a slot started?)"""
    kind, base, changes, memory = make(seed, number)
    answer = meter.run(base, changes, [memory.hex(), ""], patches(seed, number))
    return kind, judge(kind, base, changes, memory, answer), answer["starts"][0]["how"] == "ran"


def define(meter) -> None:
    for name, files in bases().items():
        meter.define(name, files)


def main(
    cases: Annotated[int, typer.Option(min=1, help="How many")] = 10_000,
    profile: Annotated[Profile, typer.Option(help="Where the slots are")] = Profile.BOTH,
    seed: Annotated[int, typer.Option(help="Other cases")] = 1,
    case: Annotated[int, typer.Option(help="Only this one")] = -1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
    quiet: Annotated[bool, typer.Option(help="No progress bar")] = False,
):
    """Hostile bundles and boot states, and what the loader makes of them."""
    log = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=log, disable=quiet or as_json,
    )  # fmt: skip
    began, kinds, failed = time.monotonic(), {}, []
    numbers = [case] if case >= 0 else range(cases)
    of = {Profile.STOCK: (False,), Profile.PLACE: (True,)}.get(profile, (False, True))
    with on_meter(linked=True) as folders, on_meter(linked=True, in_place=True) as place, bar:
        define(folders)
        define(place)
        for number in bar.track(numbers, description="cases"):
            meter = place if of[number // len(WAYS) % len(of)] else folders
            kind, wrong, ran = run(meter, seed, number)
            count = kinds.setdefault(kind, {"started": 0, "rescue": 0})
            count["started" if ran else "rescue"] += 1
            if wrong or case >= 0:
                failed += [{"case": number, "kind": kind, "wrong": wrong}] if wrong else []
                lines = [f"case {number} ({kind}): {wrong or 'all was well'}", *meter.console]
                log.print(*lines, sep="\n  ", highlight=False, markup=False)
    seconds = round(time.monotonic() - began)
    if as_json:
        print(json.dumps({"cases": len(numbers), "seed": seed, "s": seconds, "kinds": kinds, "failed": failed}))
    else:
        for kind, count in sorted(kinds.items()):
            print(f"  {kind:17} {count['started']:6,} started a good slot, {count['rescue']:5,} had none")
        print(f"hostile: {len(numbers):,} cases in {seconds} s, {len(failed)} went wrong")
    raise typer.Exit(bool(failed))


if __name__ == "__main__":
    typer.run(main)
