# SPDX-License-Identifier: Apache-2.0
"""Statements under their new names, put together to units."""

import ast

from .names import PARAMETERS
from .sources import FUNCTION, PACKAGE, LinkError, arguments, defines, is_fields, like, meaning


class Rewriter(ast.NodeTransformer):
    """Statements of one module under their new names."""

    def __init__(self, module, modules, names, members, unit_of):
        self._module, self._modules, self._names = module, modules, names
        self._members, self._unit_of = members, unit_of
        self.borrowed = set()  # (unit, new name) of what others have and this uses
        self.needed = set()  # the modules of those
        self.externals = {}  # local name -> import line, as far as used
        self._local = None  # inside a function: name -> new name of all it binds
        self._imported = {}  # inside a function: name -> meaning
        self._class = None  # names of the class around this

    def _error(self, node, text):
        return LinkError(f"{self._module.name}, line {node.lineno}: {text}")

    def _means(self, name):
        if self._local is not None and name in self._local:
            return ("local", self._local[name])
        if name in self._imported:
            return self._imported[name]
        if self._class and name in self._class:
            return ("local", self._names.attributes.get(name, name))
        means = self._module.names.get(name, ("builtin",))
        return ("global", self._module.name, name) if means[0] == "own" else means

    def _find(self, node, module, name):
        """(module, new name) of a global, where it is defined; (module, ast.Constant) of a constant."""
        found = self._modules[module]
        if name in found.constants:
            return module, ast.Constant(found.constants[name])
        means = found.names.get(name, ("",))
        if means[0] == "global":
            return self._find(node, means[1], means[2])
        if (module, name) not in self._names.globals:
            raise self._error(node, f"{module} has no {name}")
        return module, self._names.globals[module, name]

    def _global(self, node, module, name):
        """What stands for a global of any module: itself if it is a constant, else its new name."""
        module, new = self._find(node, module, name)
        if isinstance(new, ast.Constant):
            return like(node, new)
        if module not in self._members:
            self.borrowed.add((self._unit_of[module], new))
            self.needed.add(module)
        return like(node, ast.Name(new, node.ctx))

    def visit_Name(self, node):
        kind, *what = self._means(node.id)
        if kind == "local":
            node.id = what[0]
        elif kind == "global":
            return self._global(node, *what)
        elif kind == "external":
            if self.externals.setdefault(node.id, what[0]) != what[0]:
                raise self._error(node, f"{node.id} means two things")
        elif kind == "module":
            raise self._error(node, f"the module {node.id} is used as a value")
        return node

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name):
            kind, *what = self._means(node.value.id)
            if kind == "module":
                return self._global(node, what[0], node.attr)
            if kind == "unit":  # an on-demand module, imported in this function
                new = self._find(node, what[0], node.attr)[1]
                if isinstance(new, ast.Constant):
                    return like(node, new)
                node.attr = new
                return node
        self.generic_visit(node)
        node.attr = self._names.attributes.get(node.attr, node.attr)
        return node

    def visit_ClassDef(self, node):
        if self._local is not None or self._class is not None:
            raise self._error(node, "a class inside a class or function")
        node.bases = [self.visit(base) for base in node.bases]
        node.name = self._names.globals[self._module.name, node.name]
        self._class = {name for statement in node.body for name in defines(statement)}
        node.body = [self.visit(statement) for statement in node.body]
        self._class = None
        return node

    def visit_FunctionDef(self, node):
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [d and self.visit(d) for d in node.args.kw_defaults]
        if self._local is not None:
            node.name = self._local[node.name]
            return self._inside(node)
        if self._class is not None:
            node.name = self._names.attributes.get(node.name, node.name)
        else:
            node.name = self._names.globals[self._module.name, node.name]
        around, self._class = self._class, None
        self._local = self._new_locals(node)
        self._inside(node)
        self._local, self._imported, self._class = None, {}, around
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _new_locals(self, function):
        """All names bound in a function and in those inside it; parameters and inner functions under new ones."""
        bound, renamed, elsewhere = set(), {}, set()
        for node in ast.walk(function):
            renamed.update((a.arg, None) for a in arguments(node) if a.arg not in self._names.by_keyword)
            bound.update(a.arg for a in arguments(node))
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            elif isinstance(node, ast.ExceptHandler):
                bound.add(node.name)
            elif isinstance(node, ast.Global):
                elsewhere.update(node.names)
            elif isinstance(node, FUNCTION) and node is not function:
                renamed[node.name] = None
        if len(renamed) > PARAMETERS:
            raise self._error(function, f"more than {PARAMETERS} parameters")
        return {name: name for name in bound - elsewhere} | dict(zip(renamed, self._names.parameters, strict=False))

    def _inside(self, node):
        for a in arguments(node):
            a.arg = self._local[a.arg]
        body = [self.visit(statement) for statement in node.body]
        node.body = [s for s in body if s is not None] or [like(node.body[0], ast.Pass())]
        return node

    def visit_Lambda(self, node):
        if self._local is None:
            raise self._error(node, "a lambda outside a function")
        for a in arguments(node):
            a.arg = self._local[a.arg]
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node):
        node.name = node.name and self._local[node.name]
        return self.generic_visit(node)

    def visit_Raise(self, node):
        home = self._module.name.partition("'")[0]  # of what has gone from there (once.py)
        if self._unit_of[home] == PACKAGE and _is_value_error(node.exc):
            node.exc = node.exc.func
        return self.generic_visit(node)

    def visit_Assign(self, node):
        if is_fields(node):
            for text in node.value.elts:
                text.value = self._names.attributes.get(text.value, text.value)
        return self.generic_visit(node)

    def visit_Call(self, node):
        """A table of numbers, bytes((1, 2)), is written as its bytes: the tuple would stay in the heap beside them."""
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name("bytes"), args=[ast.Tuple(elts=[_, *_]) as table]) if _is_numbers(table):
                return like(node, ast.Constant(bytes(eval(compile(ast.Expression(table), "table", "eval")))))
        return node

    def visit_Global(self, node):
        node.names = [self._names.globals[self._module.name, name] for name in node.names]
        return node

    def visit_Import(self, node):
        """Inside a function: from the unit that has it, or nothing when that is this one or the package."""
        new = []
        for alias in node.names:
            local, means = meaning(node, alias, self._module.name, self._modules)
            unit = self._unit_of.get(means[1])
            if means[0] == "external":
                return node
            if unit == PACKAGE or means[1] in self._members:
                self._imported[local] = means
            elif means[0] == "module":
                self._imported[local] = ("unit", means[1])
                new.append(_import_unit(unit, local))
            else:
                self._local[local] = local
                new.append(ast.ImportFrom(unit, [ast.alias(self._find(node, *means[1:])[1], local)], 0))
        if len(new) > 1:
            raise self._error(node, "one import at a time inside functions")
        return like(node, new[0] if new else ast.Pass())

    visit_ImportFrom = visit_Import


def _import_unit(unit, local):
    return ast.Import([ast.alias(unit, local if local != unit else None)])


def _is_numbers(table):
    """Is it made of numbers alone, and of what is computed from them?"""
    parts = [n for element in table.elts for n in ast.walk(element)]
    return all(isinstance(n, ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop) for n in parts)


def _is_value_error(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ValueError"


class Outside(ast.NodeTransformer):
    """A script outside the program: it imports units, and keeps its own names."""

    def __init__(self, name, modules, unit_of):
        self._name, self._modules, self._unit_of = name, modules, unit_of

    def visit_ImportFrom(self, node):
        new = []
        for alias in node.names:
            local, means = meaning(node, alias, "", self._modules)
            if means[0] == "external":
                return node
            if means[0] != "module":
                raise LinkError(f"{self._name}, line {node.lineno}: {local} is no module")
            new.append(_import_unit(self._unit_of[means[1]], local))
        return [like(node, statement) for statement in new]


def emit(members, modules, names, unit_of, loans):
    """One unit's tree."""
    body, borrowed, externals = [], set(), {}
    for name in members:
        rewriter = Rewriter(modules[name], modules, names, members, unit_of)
        rewriter.externals = externals
        body += [rewriter.visit(statement) for statement in modules[name].body]
        for needed in rewriter.needed:
            if unit_of[needed] not in (PACKAGE, unit_of[name]) and not loans.stays_with(name, needed):
                raise LinkError(f"{name} imports {needed} at its top, which may be let go before it (heap.py)")
        borrowed |= rewriter.borrowed
    head = [ast.parse(line).body[0] for line in dict.fromkeys(externals.values())]
    for unit in sorted({unit for unit, _ in borrowed}):
        head.append(ast.ImportFrom(unit, [ast.alias(name) for of, name in sorted(borrowed) if of == unit], 0))
    return ast.Module(head + body, [])
