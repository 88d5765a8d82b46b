# SPDX-License-Identifier: Apache-2.0
"""What each part of the firmware takes: bytes of its .mpy, and heap it keeps while it is loaded, on 32-bit MicroPython.

A part that has grown by more than a tenth since the figures in size.json were accepted fails, until somebody says
--accept and commits the new ones with a reason. The heap is what a collection after the import leaves taken: code,
constants, names, and the parts it loads with it; not what it makes when it runs.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from meter import heap
from rich.console import Console
from rich.table import Table

from host_tests.bench.documents import as_files
from host_tests.bench.run.session import Bench
from scripts.bundle import slot_files, slot_modules
from scripts.image.image import collect, pack

ACCEPTED = Path(__file__).with_name("size.json")
GROWTH_PERCENT = 10
SMALL_BYTES = 96  # of heap: six blocks; a smaller part may grow by that without being asked
_BOOT = """
import gc
import sys
sys.path[:] = [".frozen", "/boot"]
def kept(name):
    gc.collect()
    before = gc.mem_free()
    __import__(name)
    gc.collect()
    print("SIZE %s %d" % (name, before - gc.mem_free()))
def dropped():
    for name in list(sys.modules):
        if name not in stay:
            del sys.modules[name]
stay = list(sys.modules)
kept("loader")
dropped()
sys.path[1] = "/a"
import asyncio
import json
kept("meter")
stay = list(sys.modules)
"""


def parts() -> dict[str, str]:
    """Path in the slot -> what it is called here: the package, or the first module of a loan."""
    paths = slot_modules()
    found = {paths["meter"]: "meter"}
    for module in (module for modules in heap.LOANS.values() for module in modules):
        if f"meter.{module}" in paths:
            found.setdefault(paths[f"meter.{module}"], module)
    return found


def measure() -> dict[str, list[int]]:
    """Part -> [bytes of its .mpy, bytes of heap]."""
    files = collect(as_files())
    units = {part: path for path, part in parts().items()}
    sizes = {part: len(slot_files()[path]) for part, path in units.items()}
    sizes["loader"] = len(files["boot/loader.mpy"])
    script = _BOOT
    for part in sorted(set(units) - {"meter"}):
        unit = units[part].removesuffix(".mpy")
        script += f"kept({unit!r})\ndropped()\n"
    script += "import time\nwhile True:\n    time.sleep_ms(1000)\n"
    with Bench(image=pack({**files, "boot.py": script.encode(), "main.py": b""}), heap="1m") as b:
        # Loading takes its time (bench/plant/costs.py): until the last part has said its size, or a minute is
        # over.
        while len(lines := [line.split() for line in b.meter.console if line.startswith("SIZE ")]) < len(sizes):
            b.run_s(1)
            if b.plant.clock.now_us > 60_000_000:
                break
    part_of = {path.removesuffix(".mpy"): part for path, part in parts().items()}
    kept = {part_of.get(name, name): int(size) for _, name, size in lines}
    missing = sorted(set(sizes) - set(kept))
    if missing:
        raise SystemExit(f"size: not loaded: {', '.join(missing)}; the last lines: {list(b.meter.console)[-5:]}")
    return {name: [size, kept[name]] for name, size in sizes.items()}


def grown(found: dict, accepted: dict) -> list[str]:
    """Why these figures need to be accepted; nothing, if they need not."""
    reasons = []
    for name, now in found.items():
        if name not in accepted:
            reasons.append(f"{name} is new")
            continue
        for what, new, old in zip(("bytes", "heap"), now, accepted[name], strict=True):
            if new - old > SMALL_BYTES and new * 100 > old * (100 + GROWTH_PERCENT):
                reasons.append(f"{name}: {what} {old:,} -> {new:,}")
    return reasons


def main(
    accept: Annotated[bool, typer.Option("--accept", help="These figures are the ones to compare with now")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
):
    """Print what each part of the firmware takes; exit 1 when one has grown by more than a tenth."""
    found = measure()
    if accept:
        ACCEPTED.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    accepted = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    reasons = grown(found, accepted)
    if as_json:
        print(json.dumps({"parts": found, "grown": reasons}))
    else:
        table = Table("part", "bytes of .mpy", "heap kept", "accepted")
        for name, (size, heap) in found.items():
            old = accepted.get(name)
            table.add_row(name, f"{size:,}", f"{heap:,}", f"{old[0]:,} / {old[1]:,}" if old else "new")
        table.add_row("all", f"{sum(s for s, _ in found.values()):,}", "", "")
        Console(width=100).print(table)
    if reasons:
        print(f"size: grown: {'; '.join(reasons)}. If it is worth it: make size ARGS=--accept", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
