# SPDX-License-Identifier: Apache-2.0
"""`make sim`: the virtual meter, live, with a page in the browser."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .card_file import CardFile
from .live import LiveBench
from .process import MeterDied
from .web_server import serve

_log = Console(stderr=True)


def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1 (0 = any free one)")] = 8080,
    warp: Annotated[int, typer.Option(help="How many times real time (0 = as fast as it goes)")] = 1,
    card: Annotated[list[Path] | None, typer.Option(help="A card the shop made as a file; may be said again")] = None,
    seconds: Annotated[float, typer.Option(help="Stop after this many seconds (0 = until Ctrl-C)")] = 0,
):
    """Run the virtual meter and its page."""
    cards = [_card_file(path) for path in card or ()]
    bench = LiveBench(warp=warp, card_files=cards)
    try:
        server = serve(bench, port)
    except OSError as e:
        bench.close()
        _log.print(f"[red]sim:[/red] port {port} cannot be used ({e.strerror}). Try another: make sim PORT=8090")
        raise typer.Exit(1) from None
    _log.print(f"The meter runs. Open [bold]{server.url}[/bold]   (Ctrl-C ends)")
    end = time.monotonic() + seconds if seconds else None
    try:
        bench.live(lambda: end is not None and time.monotonic() > end)
    except KeyboardInterrupt:
        _log.print("\nUnplugged.")
    except MeterDied as e:
        _log.print(f"[red]sim:[/red] {e}", highlight=False)
        raise typer.Exit(1) from None
    finally:
        server.close()
        bench.close()


def _card_file(path):
    try:
        if not path.exists():
            raise ValueError("there is no such file. Issue one: README, Cards and the shop")
        return CardFile(path)
    except (OSError, ValueError) as e:
        _log.print(f"[red]sim:[/red] card {path}: {e}", highlight=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
