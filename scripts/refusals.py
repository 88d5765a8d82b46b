# SPDX-License-Identifier: Apache-2.0
"""How every tool says no: one sentence on standard error, with --json an object on standard output, an exit code."""

import functools
import json
import sys
from collections.abc import Callable

import typer

from .common.errors import InputError


def refusals(tool: str, *errors: type[Exception], code: int = 2, interrupted: str = "") -> Callable:
    """A decorator for the commands of `tool`.

    `errors`, and a file that is not fit (InputError), end a command with `code` (or the error's own .code) and their
    text: {"error": text, "kind": its .name}.
    `interrupted` is what Ctrl-C leaves behind, where it leaves something.
    """

    def plain(command: Callable) -> Callable:
        @functools.wraps(command)
        def run(*args, **options):
            try:
                return command(*args, **options)
            except (InputError, *errors) as e:
                if options.get("as_json"):
                    kind = getattr(e, "name", "")
                    print(json.dumps({"error": str(e)} | ({"kind": kind} if kind else {})))
                print(f"{tool}: {e}", file=sys.stderr)
                raise typer.Exit(getattr(e, "code", code)) from None
            except KeyboardInterrupt:
                if not interrupted:
                    raise
                print(f"{tool}: interrupted: {interrupted}", file=sys.stderr)
                raise typer.Exit(130) from None

        return run

    return plain
