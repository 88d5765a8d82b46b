# SPDX-License-Identifier: Apache-2.0
"""The command line of each tool of this repository, and whether it takes these words."""

import importlib
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

import typer
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("app", "_run", "main", "image")


def homes(module: str) -> list[str]:
    """Where a tool's parser may be: nothing that runs when it is imported."""
    inside = [f"{module}.cli", f"{module}.__main__", f"{module}.{module.rpartition('.')[2]}", module]
    found = []
    for name in inside:
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        runs = name.endswith("__main__") and spec and "if __name__" not in Path(spec.origin or "").read_text()
        if spec and spec.origin and not runs:
            found.append(name)
    return found


@cache
def command(module: str):
    """The tool's parser, or None for one that is made with argparse. Raise ValueError when there is no such module."""
    places = homes(module)
    if not places:
        raise ValueError(f"there is no module {module}")
    for home in map(importlib.import_module, places):
        for name in NAMES:
            found = getattr(home, name, None)
            if isinstance(found, typer.Typer):
                return get_command(found)
        if hasattr(home, "typer"):
            for name in NAMES:
                if found := getattr(home, name, None):
                    app = typer.Typer()
                    app.command()(found)
                    return get_command(app)
    return None


@cache
def help_of(module: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": "firmware:host_tests/bench/shims:.", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return ran.stdout


def refused(module: str, words: tuple[str, ...], whole: bool = True) -> str:
    """Why the tool does not take these words, or "". whole: they are all it needs, so what is missing counts."""
    parser = command(module)
    if not words:
        return ""
    if parser is None:
        unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in help_of(module)]
        return f"no such option: {unknown[0]}" if unknown else ""
    try:
        _take(parser, module, list(words), whole)
    except Exception as e:  # the parser's own, of whichever library it was built with
        if not hasattr(e, "format_message"):
            raise
        said = e.format_message()
        if "does not exist" not in said:  # a file of the reader's
            return said
    return ""


def _take(parser, name, words, whole):
    if not whole and not hasattr(parser, "commands"):
        for parameter in parser.params:
            parameter.required = False
    context = parser.make_context(name, words)
    if hasattr(parser, "commands"):
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if rest:
            inner_name, inner, rest = parser.resolve_command(context, rest)
            _take(inner, inner_name, rest, whole)


def options(module: str) -> set[str]:
    """Every option of a tool, its commands' among them."""
    parser = command(module)
    todo, found = [parser], set()
    while todo:
        at = todo.pop()
        found |= {opt for parameter in at.params for opt in [*parameter.opts, *parameter.secondary_opts]}
        todo += getattr(at, "commands", {}).values()
    return {opt for opt in found if opt.startswith("--")} | {"--help"}
