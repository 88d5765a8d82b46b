# SPDX-License-Identifier: Apache-2.0
"""`make sim`: the virtual meter, live, with a page in the browser."""

import math
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from host_tests.bench.page.live import LiveBench
from host_tests.bench.page.server import serve
from host_tests.bench.plant.flash import Profile
from host_tests.bench.run.process import MeterDied
from scripts.chips.card_file import CardFile
from scripts.common.refusals import refusals

PORT_MAX = 65535
WARP_MAX = 1_000_000
_log = Console(stderr=True)


class SimError(Exception):
    """Why there is no virtual meter; str() says what to do."""


@refusals("sim", SimError, code=1)
def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1, 1 to 65535 (0 = any free one)")] = 8080,
    warp: Annotated[int, typer.Option(help="How many times real time (0 = as fast as it goes)")] = 1,
    card: Annotated[list[Path] | None, typer.Option(help="A card the shop made as a file; may be said again")] = None,
    profile: Annotated[Profile, typer.Option(help="How MicroPython is built")] = Profile.STOCK,
    seconds: Annotated[float, typer.Option(help="Stop after this many seconds (0 = until Ctrl-C)")] = 0,
):
    """Run the virtual meter and its page."""
    if not 0 <= port <= PORT_MAX:
        raise SimError(f"port {port} is none: 1 to {PORT_MAX} are, and 0 takes any free one. Try make sim PORT=8090")
    if not 0 <= warp <= WARP_MAX:
        raise SimError(f"{warp} times real time is not possible: say --warp 1 to {WARP_MAX}, or 0 for all there is")
    if not 0 <= seconds < math.inf:
        raise SimError(f"{seconds} s is no time to run: say 0 or more with --seconds")
    cards = [_card_file(path) for path in card or ()]
    bench = LiveBench(warp=warp, card_files=cards, profile=profile)
    try:
        server = serve(bench, port)
    except OSError as e:
        bench.close()
        why = os.strerror(e.errno) if e.errno else e.strerror  # asyncio's own has the address in it, twice
        raise SimError(f"port {port} cannot be used ({why}). Try another: make sim PORT=8090") from None
    _log.print(f"The meter runs. Open [bold]{server.url}[/bold]   (Ctrl-C ends)")
    end = time.monotonic() + seconds if seconds else None
    try:
        bench.live(lambda: end is not None and time.monotonic() > end)
    except KeyboardInterrupt:
        _log.print("\nUnplugged.")
    except MeterDied as e:
        raise SimError(str(e)) from None
    finally:
        server.close()
        bench.close()


def _card_file(path):
    if not path.exists():
        raise SimError(f"card {path}: there is no such file. Issue one: scripts/vend/README.md")
    try:
        return CardFile(path)
    except (OSError, ValueError) as e:
        raise SimError(f"card {path}: {e}. Name a card that the shop issued as a file") from None


if __name__ == "__main__":
    typer.run(main)
