# SPDX-License-Identifier: Apache-2.0
"""Make the firmware's byte code smaller on the heap, without touching a line of its sources.

MicroPython keeps every attribute and global name of a loaded .mpy on the heap, about 20 bytes each. Two
steps a linker would do, on the text of all modules together, line for line so that tracebacks stay right:

    constants     NAME = const(number) at the top of a module is written as the number wherever another
                  module uses it, and the definition goes when nothing is left that needs it
    private names a name that begins with one underscore belongs to its module alone (ruff's SLF001 sees
                  to that), so every module can use the same few short ones: _a, _b, ...

Not used for boot.py, main.py and the board file.
"""

import ast
import io
import re
import string
import tokenize
from collections import Counter
from itertools import product

_PRIVATE = re.compile(r"_[A-Za-z]\w*")
_KEEP = {"__init__"}


def shrink(sources: dict[str, str]) -> dict[str, str]:
    """Module name ("meter.core.codes") -> source, for all modules; gives the same with smaller sources."""
    constants = {name: _constants(text) for name, text in sources.items()}
    formatted = set().union(*(_in_fstrings(ast.parse(text)) for text in sources.values()))
    constants = {name: {k: v for k, v in of.items() if k not in formatted} for name, of in constants.items()}
    inlined = {name: _inline(text, name, constants) for name, text in sources.items()}
    return {name: _shorten(text) for name, text in inlined.items()}


def _value(node, known):
    """The integer a constant expression stands for; None when it is none."""
    try:
        match node:
            case ast.Constant(value=int() as v) if not isinstance(v, bool):
                return v
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -_value(inner, known)
            case ast.Name(id=name):
                return known.get(name)
    except TypeError:
        return None
    return None


def _constants(text):
    """Public integer constants of a module: name -> (value, first line, last line)."""
    found = {}
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"), args=[value])):
                number = _value(value, {k: v[0] for k, v in found.items()})
                if number is not None and not name.startswith("_"):
                    found[name] = (number, node.lineno, node.end_lineno)
    return found


def _module_of(node, here):
    """The module a `from X import ...` names, relative ones resolved."""
    if not node.level:
        return node.module
    base = here.split(".")[: -node.level]
    return ".".join(base + ([node.module] if node.module else []))


def _inline(text, here, constants):
    tree = ast.parse(text)
    modules = {}  # local name -> module with constants
    names = {k: v[0] for k, v in constants[here].items()}  # local name -> number
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = _module_of(node, here)
            for alias in node.names:
                local = alias.asname or alias.name
                if constants.get(f"{source}.{alias.name}"):
                    modules[local] = constants[f"{source}.{alias.name}"]
                elif alias.name in constants.get(source, ()):
                    names[local] = constants[source][alias.name][0]
    edits = []  # line, first column, last column, text
    lines = text.splitlines(keepends=True)
    for node in _outside_fstrings(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=attr, ctx=ast.Load()) if attr in modules.get(module, ()):
                edits.append((node.lineno, node.col_offset, node.end_col_offset, str(modules[module][attr][0])))
            case ast.Name(id=name, ctx=ast.Load()) if name in names:
                edits.append((node.lineno, node.col_offset, node.end_col_offset, str(names[name])))
            case ast.ImportFrom() if _module_of(node, here) in constants:
                _trim_import(node, lines, constants[_module_of(node, here)])
    for number, first, last, new in sorted(edits, reverse=True):
        line = lines[number - 1].encode()
        new = f"({new})" if new.startswith("-") else new
        lines[number - 1] = (line[:first] + new.encode() + line[last:]).decode()
    for _, first, last in constants[here].values():
        for n in range(first - 1, last):
            lines[n] = "\n"
    return "".join(lines)


def _outside_fstrings(node):
    """All nodes but those in f-strings, whose positions CPython 3.11 does not know."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.JoinedStr):
            yield from _outside_fstrings(child)


def _in_fstrings(tree):
    """Names used in f-strings: those stay names."""
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inner = [node for string in strings for node in ast.walk(string)]
    return {n.id for n in inner if isinstance(n, ast.Name)} | {n.attr for n in inner if isinstance(n, ast.Attribute)}


def _trim_import(node, lines, known):
    """Take constants out of a `from X import ...`: they are numbers where they were used."""
    kept = [a for a in node.names if a.name not in known]
    if len(kept) == len(node.names):
        return
    names = ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in kept)
    indent = " " * node.col_offset
    new = f"from {'.' * node.level}{node.module or ''} import {names}" if kept else "pass"
    for n in range(node.lineno, node.end_lineno):
        lines[n] = "\n"
    lines[node.lineno - 1] = f"{indent}{new}\n"


def _shorten(text):
    counts = Counter()
    taken = set()
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for token in tokens:
        if token.type == tokenize.NAME:
            taken.add(token.string)
            if _PRIVATE.fullmatch(token.string):
                counts[token.string] += 1
        elif token.type == tokenize.STRING and "f" in token.string[:2].lower():
            counts.update(_PRIVATE.findall(token.string))
    short = ("_" + "".join(p) for n in (1, 2) for p in product(string.ascii_lowercase, repeat=n))
    names = {}
    for name, _ in counts.most_common():
        names[name] = next(s for s in short if s not in taken)
    lines = text.splitlines(keepends=True)
    for token in reversed(tokens):
        if token.type == tokenize.NAME and token.string in names:
            new = names[token.string]
        elif token.type == tokenize.STRING and "f" in token.string[:2].lower():
            new = re.sub(r"(?<![\w'\"])_[A-Za-z]\w*", lambda m: names.get(m.group(), m.group()), token.string)
        else:
            continue
        (row, first), (_, last) = token.start, token.end
        if token.start[0] == token.end[0]:
            lines[row - 1] = lines[row - 1][:first] + new + lines[row - 1][last:]
    return "".join(lines)
