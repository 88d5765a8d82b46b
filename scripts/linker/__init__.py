# SPDX-License-Identifier: Apache-2.0
"""Link the firmware's modules into a few, so that they take less of the meter's heap. Sources stay as they are.

A loaded module costs MicroPython about 270 bytes before it does anything, and every attribute, global and
parameter name in it about 16 bytes that never come back. What a linker does about that:

    units        all modules that stay become one, the package itself; those that the same loans of heap.py name
                 become one that is loaded and let go as before (loans.py). To import at its top what may be let go
                 before it is an error
    constants    NAME = const(number or text) is written as that wherever it is used; of an `if` of such numbers alone
                 (a board's), what is never run is left out
    once         what of all that stays only one unit uses goes into it: constructors of what the start makes once
                 (once.py)
    dead code    modules that nothing imports (drivers of parts this board has not), functions, methods and values that
                 nothing names are left out, and so is what a ValueError of the package says: it is a broken contract
                 between our own parts, and the traceback has the place
    names        globals, attributes and parameters get names that are in the interpreter's own read-only table
                 anyhow (words.py), as far as those last

Kept as written: names main.py and boot.py use, classes of errors, attributes that are also the text of a string
somewhere (setattr, documents), attributes of what the interpreter brings, parameters passed by name. A tuple called
FIELDS names attributes that code goes through: its strings and they get new names together.

The price: a traceback names lines of a unit, and functions by their new names. Linked.lines has the module, line
and function each came from, and explain() writes them back into a console's text.
"""

import ast
import re
from itertools import pairwise
from typing import NamedTuple

from . import once
from .loans import Loans
from .names import Names, drop_dead, names_called
from .rewrite import Outside, emit
from .sources import (
    PACKAGE,
    Decided,
    LinkError,
    Module,
    Plainer,
    bind,
    in_order,
    note_origins,
    reached,
    take_aliases,
    take_constants,
)

__all__ = ("PACKAGE", "LinkError", "Linked", "explain", "link")


class Linked(NamedTuple):
    """The program, and where its lines come from."""

    units: dict  # module name ("meter", "m7") -> source
    modules: dict  # unit -> the modules it is of, in their order
    plain: dict  # what was given as plain, with the units' names in its imports
    lines: dict  # unit -> [[its line, module, line there, function], ...] in order


def link(sources: dict[str, str], plain: dict[str, str]) -> Linked:
    """sources: module name -> text of all modules; plain: the scripts that use them (main.py), by any name.

    Raises LinkError.
    """
    sources = dict(sources)
    loans = Loans(sources)
    modules = {name: Module(name, text) for name, text in sources.items()}
    outside = [ast.parse(text) for text in plain.values()]
    modules = reached(modules, outside)
    for module in modules.values():
        note_origins(module)
        module.tree = Plainer().visit(module.tree)
        bind(module, modules)
    called = names_called(outside, modules)
    for name in in_order(modules, modules):
        take_constants(modules[name], modules, called)
    for module in modules.values():
        for function in module.body:
            Decided(module, modules).visit(function)
    modules = reached(modules, outside)
    units = loans.split(modules, dict(zip(plain, outside, strict=True)))
    unit_of = {name: unit for unit, members in units.items() for name in members}
    drop_dead(modules, outside)
    for module in modules.values():
        take_aliases(module, modules, called)
    once.move(modules, units, unit_of, called, outside)
    names = Names(modules, outside, called, unit_of)
    linked = Linked(
        {}, {unit: [name for name in members if name in sources] for unit, members in units.items()}, {}, {}
    )
    for unit, members in units.items():
        tree = emit(members, modules, names, unit_of, loans)
        text = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        linked.units[unit], row_of = _join(text)
        linked.lines[unit] = _line_map(text, tree, row_of)
    for name, tree in zip(plain, outside, strict=True):
        linked.plain[name] = ast.unparse(Outside(name, modules, unit_of).visit(tree)) + "\n"
    return linked


_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Raise, ast.Pass, ast.Continue, ast.Break, ast.Delete)


def _join(text):
    """Simple statements of a function that follow each other go on one line: 600 bytes less of line numbers.

    Return the text and, for each line of the one before, which line it is now.
    """
    lines = text.splitlines()
    goes_to = list(range(len(lines)))
    for function in (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
        for node in ast.walk(function):
            for body in (getattr(node, part, None) for part in ("body", "orelse", "finalbody")):
                if isinstance(body, list):
                    for one, other in pairwise(body):
                        if isinstance(one, _SIMPLE) and isinstance(other, _SIMPLE):
                            goes_to[other.lineno - 1] = goes_to[one.lineno - 1]
    joined, row_of = [], []
    for n, line in enumerate(lines):
        if goes_to[n] == n:
            joined.append(line)
        else:
            joined[row_of[goes_to[n]] - 1] += "; " + line.strip()
        row_of.append(len(joined) if goes_to[n] == n else row_of[goes_to[n]])
    return "\n".join(joined) + "\n", row_of


def _line_map(text, tree, row_of):
    """[[line of the unit, module, line there, function]] in order: the first statement of each line."""
    statements = zip(_statements(ast.parse(text)), _statements(tree), strict=True)
    found = {}
    for new, old in statements:
        if hasattr(old, "origin"):
            at = (new.lineno, old.origin)
            row = row_of[new.lineno - 1]
            found[row] = min(found.get(row, at), at)
    return [[row, *origin] for row, (_, origin) in sorted(found.items())]


def _statements(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]


_FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in \S+)?')


def explain(text: str, lines: dict) -> str:
    """A console's text with the frames of its tracebacks as in the sources. lines: of Linked."""

    def source(match):
        leaf = match[1].removesuffix(".mpy").rpartition("/")[2]
        before = [entry for entry in lines.get(leaf, ()) if entry[0] <= int(match[2])]
        if not before:
            return match[0]
        _, module, line, function = before[-1]
        return f'File "{module.replace(".", "/")}.py", line {line}, in {function}'

    return _FRAME.sub(source, text)
