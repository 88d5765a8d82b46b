# SPDX-License-Identifier: Apache-2.0
"""What the commands print: progress on standard error, results as tables on standard output."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from scripts.board.console import Start

from .layout import Region

_PARTS = {
    "meter_ic": "metering IC",
    "display": "display",
    "clock": "clock",
    "fram": "FRAM",
    "card": "card reader",
    "relay": "relay",
    "storage": "storage",
    "keys": "card keys",
}
_MEANING = {
    "ok": "[green]ok[/]",
    "missing": "[yellow]not found[/]",
    "fault": "[red]faulty[/]",
    "unset": "[yellow]not set[/]",
    "none": "[yellow]none[/]",
    "off": "[dim]not on this board[/]",
}
error = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False)


class _Amount(DownloadColumn):
    """Bytes; of a task that waits, seconds."""

    def render(self, task):
        if task.fields.get("waits"):
            return Text(f"{task.completed:.0f} of {task.total or 0:.0f} s")
        return super().render(task)


class Bars:
    """Stages of long work, each a bar. quiet: nothing at all."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description:<28}"), BarColumn(), _Amount(), TimeRemainingColumn(),
            console=error, disable=quiet,
        )  # fmt: skip

    def say(self, text: str) -> None:
        if not self.quiet:
            self._progress.console.print(escape(text))

    def stage(self, what: str, size: int):
        task = None

        def at(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = self._progress.add_task(what, total=max(size, 1))
            self._progress.update(task, completed=done, total=max(total, 1))

        return at

    def waiting(self, what: str):
        """A bar of the seconds that something may take at the most."""
        task = None

        def at(waited_s: float, limit_s: float) -> None:
            nonlocal task
            if task is None:
                task = self._progress.add_task(what, waits=True)
            self._progress.update(task, completed=waited_s, total=limit_s)

        return at

    def pause(self) -> None:
        """While somebody is asked something."""
        self._progress.stop()

    def resume(self) -> None:
        self._progress.start()

    @contextlib.contextmanager
    def shown(self) -> Iterator["Bars"]:
        with self._progress:
            yield self


def started(start: Start, port: str) -> None:
    """The self-test as a table, then its hints."""
    parts = start.parts
    of = [f"{name} {parts[key]}" for key, name in (("version", "version"), ("slot", "slot"),
          ("micropython", "MicroPython"), ("reset", "reset:")) if key in parts]  # fmt: skip
    table = Table(title=escape(f"{parts.get('board', '?')} at {port}: {', '.join(of)}"), title_justify="left")
    table.add_column("part")
    table.add_column("self-test")
    for key, name in _PARTS.items():
        if key in parts:
            table.add_row(name, _MEANING.get(parts[key], escape(parts[key])))
    for key, name in (("heap", "heap free"), ("idf_free", "ESP-IDF free"), ("idf_largest", "  its largest piece")):
        if parts.get(key, "").isdigit():
            table.add_row(name, f"{int(parts[key]):,} bytes")
    out.print(table)
    for hint in start.hints:
        out.print(escape(hint), soft_wrap=True)


def flash_map(parts: list[Region]) -> None:
    table = Table()
    for name in ("offset", "size", "part", "content"):
        table.add_column(name, justify="right" if name in ("offset", "size") else "left")
    for part in parts:
        what = f"{len(part.content):,} bytes" if part.content else "[dim]blank[/]"
        table.add_row(f"0x{part.offset:06x}", f"0x{part.size:06x}", escape(part.name), what)
    out.print(table)
