# SPDX-License-Identifier: Apache-2.0
"""The modules as the linker sees them: read, made plain, sorted into units."""

import ast

PACKAGE = "meter"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class LinkError(Exception):
    """The sources use something the linker does not know; str() says where and what."""


class Module:
    """A source on its way: names: what each global means, ("own",), ("module", m), ("global", m, n) or
    ("external", import line); constants: name -> number or text; needs: modules imported at the top; body: the rest."""

    def __init__(self, name, text):
        self.name = name
        try:
            self.tree = ast.parse(text)
        except SyntaxError as e:
            raise LinkError(f"{name}, line {e.lineno}: {e.msg}") from e
        self.names, self.constants, self.needs, self.body = {}, {}, [], []


def reached(modules, outside):
    """The modules that the scripts outside import, and what those import, wherever it stands."""
    known = {}
    waiting = [(tree, "") for tree in outside]
    while waiting:
        tree, here = waiting.pop()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            for alias in node.names:
                _, (kind, name, *_) = meaning(node, alias, here, modules)
                # A package is loaded with what is in it.
                while kind != "external" and name and name not in known:
                    if name in modules:
                        known[name] = modules[name]
                        waiting.append((modules[name].tree, name))
                    name = name.rpartition(".")[0]
    return {name: module for name, module in modules.items() if name in known}


def note_origins(module):
    def note(node, function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                child.origin = (module.name, child.lineno, function)
            note(child, child.name if isinstance(child, FUNCTION) else function)

    note(module.tree, "<module>")


class Plainer(ast.NodeTransformer):
    """Docstrings and annotations go; f-strings become the calls of format() MicroPython makes of them anyhow."""

    def _body(self, node):
        if ast.get_docstring(node, clean=False) is not None:
            first = node.body.pop(0)
            if not node.body and not isinstance(node, ast.Module):
                node.body = [like(first, ast.Pass())]
        self.generic_visit(node)
        return node

    visit_Module = visit_ClassDef = _body

    def visit_FunctionDef(self, node):
        node.returns = None
        for a in arguments(node):
            a.annotation = None
        return self._body(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        return like(node, ast.Assign([node.target], node.value)) if node.value else None

    def visit_JoinedStr(self, node):
        self.generic_visit(node)
        text, args = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += part.value.replace("{", "{{").replace("}", "}}")
                continue
            conversion = f"!{chr(part.conversion)}" if part.conversion > 0 else ""
            spec = ":" + "".join(v.value for v in part.format_spec.values) if part.format_spec else ""
            text += "{" + conversion + spec + "}"
            args.append(part.value)
        return like(node, ast.Call(ast.Attribute(ast.Constant(text), "format", ast.Load()), args, []))

    def visit_FormattedValue(self, node):
        node.value = self.visit(node.value)  # the format after the colon stays as it is
        return node


def like(old, new):
    """The new node in the old one's place."""
    if hasattr(old, "origin"):
        new.origin = old.origin
    return ast.copy_location(new, old)


def meaning(node, alias, here, modules):
    """(local name, what it means) of one imported name. `here` is the importing module; packages import nothing
    by relative names."""
    local = alias.asname or alias.name
    if isinstance(node, ast.Import):
        if alias.name in modules:
            return local, ("module", alias.name)
        return local, ("external", ast.unparse(ast.Import([alias])))
    base = node.module or ""
    if node.level:
        base = ".".join(here.split(".")[: -node.level] + ([base] if base else []))
    if f"{base}.{alias.name}" in modules:
        return local, ("module", f"{base}.{alias.name}")
    if base in modules:
        return local, ("global", base, alias.name)
    return local, ("external", f"from {base} import {ast.unparse(alias)}")


def bind(module, modules):
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                local, means = meaning(node, alias, module.name, modules)
                module.names[local] = means
                if means[0] != "external":
                    module.needs.append(means[1])
        elif defines(node):
            module.names.update((name, ("own",)) for name in defines(node))
            module.body.append(node)
        elif not isinstance(node, ast.Pass):
            raise LinkError(f"{module.name}, line {node.lineno}: only imports and definitions stand outside functions")


def in_order(modules, members):
    """The members, each after what it imports at its top."""
    order = []
    seen = set()

    def add(name):
        if name not in seen:
            seen.add(name)
            for needed in modules[name].needs:
                add(needed)
            order.append(name)

    for name in members:
        add(name)
    return [name for name in order if name in members]


def constant(node, module, modules):
    """The integer a constant expression stands for, or the text that one does; None when it is none."""
    match node:
        case ast.Constant(value=str() as value):
            return value
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.UnaryOp(operand=inner):
            parts = [inner]
        case ast.BoolOp(op=ast.And(), values=values):
            # `no and what is not known` is no.
            found = [constant(value, module, modules) for value in values]
            return next((n for n in found if n == 0), None if None in found else found[-1])
        case ast.BinOp(left=left, right=right):
            parts = [left, right]
        case ast.Name(id=name):
            means = module.names.get(name, ("",))
            if means[0] == "global":
                return modules[means[1]].constants.get(means[2])
            return module.constants.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            means = module.names.get(name, ("",))
            return modules[means[1]].constants.get(attr) if means[0] == "module" else None
        case _:
            return None
    numbers = [constant(part, module, modules) for part in parts]
    if not all(isinstance(n, int) for n in numbers):
        return None
    numbers = [ast.Constant(n) for n in numbers]
    whole = ast.UnaryOp(node.op, *numbers) if len(parts) == 1 else ast.BinOp(numbers[0], node.op, numbers[1])
    value = eval(compile(ast.fix_missing_locations(ast.Expression(whole)), "constant", "eval"))
    return value if isinstance(value, int) else None


def take_constants(module, modules, called):
    """NAME = const(number or text), and NAME = number, are no variables any more."""
    for node in list(module.body):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"), args=[value])):
                node.value = value
                kinds = int | str
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name.isupper():
                kinds = int
            case _:
                continue
        found = constant(value, module, modules)
        if isinstance(found, kinds) and (module.name, name) not in called:
            module.constants[name] = found
            module.body.remove(node)


def take_aliases(module, modules, called):
    """NAME = other, where other is a class or a function, is no variable any more: it is the other everywhere."""
    for node in list(module.body):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)) if (module.name, name) not in called:
                means = module.names.get(other, ("",))
                at = modules[means[1]] if means[0] == "global" else module
                if any(isinstance(n, (*FUNCTION, ast.ClassDef)) and n.name == other for n in at.body):
                    module.names[name] = ("global", at.name, other)
                    module.body.remove(node)


class Decided(ast.NodeTransformer):
    """Of an `if` whose condition is a number, as a board's facts are, what is never run goes."""

    def __init__(self, module, modules):
        self._module, self._modules = module, modules

    def generic_visit(self, node):
        super().generic_visit(node)
        for part in ("body", "orelse", "finalbody"):
            statements = getattr(node, part, None)
            if isinstance(statements, list):
                ends = [n for n, statement in enumerate(statements, 1) if isinstance(statement, ast.Return | ast.Raise)]
                del statements[ends[0] if ends else len(statements) :]
        return node

    def visit_If(self, node):
        self.generic_visit(node)
        number = constant(node.test, self._module, self._modules)
        if number is None:
            return node
        return (node.body if number else node.orelse) or like(node, ast.Pass())


def defines(node):
    """The names a statement defines where it stands."""
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


def is_fields(node):
    """FIELDS = ("name", ...): attributes that code goes through by name, which get new names together."""
    return isinstance(node, ast.Assign) and defines(node) == ["FIELDS"]


def arguments(node):
    args = getattr(node, "args", None)
    if not isinstance(args, ast.arguments):
        return []
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return named + [a for a in (args.vararg, args.kwarg) if a]


def used(*nodes):
    """Names, attributes, imported names and words in strings that a piece of code has."""
    used = set()
    for node in (n for whole in nodes for n in ast.walk(whole)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name):
                used.add(name)
            case ast.ImportFrom(names=aliases):
                used.update(a.name for a in aliases)
            case ast.Constant(value=str() as text):
                used.add(text)
    return used
