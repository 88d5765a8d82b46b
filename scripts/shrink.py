# SPDX-License-Identifier: Apache-2.0
"""Make the firmware's byte code smaller on the heap, without touching a line of its sources.

MicroPython keeps every attribute and global name of a loaded .mpy on the heap, about 20 bytes each. Three
steps a linker would do, on the text of all modules together, line for line so that tracebacks stay right:

    constants     NAME = const(number) at the top of a module is written as the number wherever another
                  module uses it, and the definition goes when nothing is left that needs it
    private names a name that begins with one underscore belongs to its module alone (ruff's SLF001 sees
                  to that), so every module can use the same few short ones: _a, _b, ...
    parameters    that no call passes by name become a, b, ... likewise

The board file takes part with its pins; boot.py and main.py stay as they are.
"""

import ast
import io
import keyword
import re
import string
import tokenize
from collections import Counter
from itertools import islice, product

_PRIVATE = re.compile(r"_[A-Za-z]\w*")


def shrink(sources: dict[str, str], parameters: bool = True) -> dict[str, str]:
    """Module name ("meter.core.codes") -> source, for all modules; gives the same with smaller sources.

    parameters=False for modules that others, not among these, call with arguments by name.
    """
    constants = {name: _constants(text) for name, text in sources.items()}
    formatted = set().union(*(_in_fstrings(ast.parse(text)) for text in sources.values()))
    constants = {name: {k: v for k, v in of.items() if k not in formatted} for name, of in constants.items()}
    inlined = {name: _inline(text, name, constants) for name, text in sources.items()}
    keywords = set().union(*(_keywords(text) for text in sources.values()))
    return {name: _shorten(text, keywords if parameters else None) for name, text in inlined.items()}


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
        if isinstance(node, ast.Import):
            modules.update((a.name, constants[a.name]) for a in node.names if not a.asname and constants.get(a.name))
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
    replaced = Counter()
    for node in _outside_fstrings(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=attr, ctx=ast.Load()) if attr in modules.get(module, ()):
                edits.append((node.lineno, node.col_offset, node.end_col_offset, str(modules[module][attr][0])))
                replaced[module] += 1
            case ast.Name(id=name, ctx=ast.Load()) if name in names:
                edits.append((node.lineno, node.col_offset, node.end_col_offset, str(names[name])))
    used = Counter(n.id for n in ast.walk(tree) if isinstance(n, ast.Name))
    idle = {module for module, times in replaced.items() if used[module] == times}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            _trim_import(node, lines, constants.get(_module_of(node, here), {}), idle)
        elif isinstance(node, ast.Import) and idle & {a.name for a in node.names} and len(node.names) == 1:
            lines[node.lineno - 1] = "pass\n"
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


def _trim_import(node, lines, known, idle):
    """Take constants out of a `from X import ...`, and modules of which only constants were used."""
    kept = [a for a in node.names if a.name not in known and (a.asname or a.name) not in idle]
    if len(kept) == len(node.names):
        return
    names = ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in kept)
    indent = " " * node.col_offset
    new = f"from {'.' * node.level}{node.module or ''} import {names}" if kept else "pass"
    for n in range(node.lineno, node.end_lineno):
        lines[n] = "\n"
    lines[node.lineno - 1] = f"{indent}{new}\n"


def _shorten(text, keywords):
    """Private names, and the parameters nobody passes by name, under short ones."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    taken = {t.string for t in tokens if t.type == tokenize.NAME}
    counts = Counter(name for t in tokens for name in _names(t) if _PRIVATE.fullmatch(name))
    private = _pool("_", taken)
    module = {name: next(private) for name, _ in counts.most_common()}
    plain = list(islice(_pool("", taken), 64))
    by_line = {}
    for function in _functions(ast.parse(text).body) if keywords is not None else ():
        inner = [n for n in ast.walk(function) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
        found = dict.fromkeys(a.arg for n in inner for a in n.args.args if a.arg not in keywords and a.arg != "self")
        names = module | dict(zip(found, plain, strict=False))
        for n in range(function.lineno, function.end_lineno + 1):
            by_line[n] = names
    lines = text.splitlines(keepends=True)
    after_dot = False
    edits = []
    for token in tokens:
        names = by_line.get(token.start[0], module)
        new = token.string
        if token.type == tokenize.NAME:
            new = (module if after_dot else names).get(new, new)
        elif _is_fstring(token):
            new = _EXPRESSION.sub(lambda m, known=names: _NAME.sub(lambda n: known.get(n[0], n[0]), m[0]), new)
        if new != token.string:
            edits.append((token.start, token.end, new))
        after_dot = token.string == "."
    for (row, first), (last_row, last), new in reversed(edits):
        if row != last_row:
            raise ValueError(f"line {row}: an f-string over several lines")
        lines[row - 1] = lines[row - 1][:first] + new + lines[row - 1][last:]
    return "".join(lines)


_NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*(?!['\"\w])|(?<=\.)_[A-Za-z]\w*")
_EXPRESSION = re.compile(r"\{[^{}:!]*")


def _is_fstring(token):
    return token.type == tokenize.STRING and "f" in token.string[:2].lower()


def _names(token):
    if token.type == tokenize.NAME:
        return [token.string]
    return _PRIVATE.findall(token.string) if _is_fstring(token) else []


def _pool(start, taken):
    """Short names that the module does not use for anything else."""
    for n in (1, 2):
        for letters in product(string.ascii_lowercase, repeat=n):
            name = start + "".join(letters)
            if name not in taken and not keyword.iskeyword(name):
                yield name


def _functions(body):
    """The outermost functions: those of the module, and the methods of its classes."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _keywords(text):
    """Names that some call passes arguments by."""
    return {k.arg for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) for k in node.keywords}
