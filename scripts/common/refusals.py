# SPDX-License-Identifier: Apache-2.0
"""How every tool says no: one sentence on standard error, with --json an object on standard output, an exit code."""

import functools
import json
import sys
from collections.abc import Callable

import typer

from scripts.common.errors import InputError, NoFirmwareError


def refusals(tool: str, *errors: type[Exception], code: int = 2, interrupted: str = "") -> Callable:
    """A decorator for the commands of `tool`.

    `errors`, a file that is not fit (InputError) or cannot be written, sources that are not here, end a command with
    `code` (or the error's own .code) and their text: {"error": text, "kind": its .name}.
    `interrupted` is what Ctrl-C leaves behind, where it leaves something.
    """

    def plain(command: Callable) -> Callable:
        @functools.wraps(command)
        def run(*args, **options):
            try:
                return command(*args, **options)
            except (InputError, NoFirmwareError, *errors) as e:
                _say(tool, str(e), getattr(e, "name", ""), options)
                raise typer.Exit(getattr(e, "code", code)) from None
            except OSError as e:  # a place where nothing can be written, a disk that is full
                if not (e.strerror and e.filename) or isinstance(e, BrokenPipeError):
                    raise
                _say(tool, f"{e.filename}: {e.strerror}. Name another file.", "", options)
                raise typer.Exit(code) from None
            except KeyboardInterrupt:
                if not interrupted:
                    raise
                print(f"{tool}: interrupted: {interrupted}", file=sys.stderr)
                raise typer.Exit(130) from None

        return run

    return plain


def _say(tool, text, kind, options):
    if options.get("as_json"):
        print(json.dumps({"error": text} | ({"kind": kind} if kind else {})))
    print(f"{tool}: {text}", file=sys.stderr)
