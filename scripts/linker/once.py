# SPDX-License-Identifier: Apache-2.0
"""What only units on loan use goes into them, and with them.

Of what stays, many functions are called once, by the start, or by the minute's work alone. Such a function, a method
that no other class has one of that name, a constructor, a value that is a literal: when all that uses it is in one unit
on loan, or goes there, too, it goes there; into each of them when there are up to three. A method becomes a function,
`x.find(1)` is then find(x, 1), and so does a constructor: C(1) is made(C(), 1), for a class without one makes a bare
instance.

What stays where it is: what is used otherwise than by calling it (a task's run() is handed over), what a string names,
what reads or sets a global that functions set, what makes functions (handed to an interrupt, one would keep the unit),
and constructors of classes that are a base or have one.
"""

import ast
import copy
from collections import Counter

from .sources import FUNCTION, PACKAGE, Module, defines, like, meaning, used
from .words import EXTERNAL


def move(modules, units, unit_of, called, outside):
    """Move what can go: changes modules, units and unit_of. called: globals that scripts outside know."""
    _Moves(modules, units, unit_of, called, outside).run()


_COPIES = 3
_PART = "part"  # of a class, say, is asked for: neither is it called, nor handed over


class _Item:
    """A piece of a module that is in one unit. node: what moves. of: the class of a method. uses: keys of globals and
    names of attributes, each with the call of it, _PART or None for any other use, and the node."""

    def __init__(self, module, node, of, parts):
        self.module, self.node, self.of = module, node, of
        self.uses = []
        self.units = set()
        self.moves = False
        for part in parts:
            _Uses(self, part)


class _Uses(ast.NodeVisitor):
    def __init__(self, item, part):
        self._item = item
        self._imported = {}
        bound, elsewhere = set(), set()
        for node in ast.walk(part) if isinstance(part, FUNCTION) else ():
            bound.update(a.arg for a in ast.walk(node) if isinstance(a, ast.arg))
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                bound.add(node.id)
            elif isinstance(node, ast.Global):
                elsewhere.update(node.names)
            elif isinstance(node, (ast.ExceptHandler, *FUNCTION)) and node is not part:
                bound.add(node.name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    local, means = meaning(node, alias, item.module.name, item.module.every)
                    self._imported[local] = means
        self._bound = bound - elsewhere
        self.visit(part)

    def _key(self, node):
        """(module, name) of a global that a name or an attribute stands for, or None."""
        if isinstance(node, ast.Name) and node.id not in self._bound:
            means = self._means(node.id)
            return _find(self._item.module.every, means[1], means[2]) if means[0] == "global" else None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in self._bound:
            means = self._means(node.value.id)
            return _find(self._item.module.every, means[1], node.attr) if means[0] == "module" else None
        return None

    def _means(self, name):
        means = self._imported.get(name) or self._item.module.names.get(name, ("builtin",))
        return ("global", self._item.module.name, name) if means[0] == "own" else means

    def _note(self, node, call):
        key = self._key(node)
        if key:
            self._item.uses.append((key, call, node))
        elif isinstance(node, ast.Attribute) and not self._is_others(node):
            self._item.uses.append((node.attr, call, node))
            of = self._key(node.value)
            if of:
                self._item.uses.append((of, _PART, node.value))
            else:
                self.visit(node.value)

    def _is_others(self, node):
        """json.load, machine.Pin: of what the interpreter brings."""
        name = node.value.id if isinstance(node.value, ast.Name) else None
        return name and name not in self._bound and self._means(name)[0] == "external"

    def visit_Call(self, node):
        if isinstance(node.func, ast.Name | ast.Attribute):
            self._note(node.func, node)
        else:
            self.visit(node.func)
        for part in (*node.args, *node.keywords):
            self.visit(part)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self._note(node, None)

    def visit_Attribute(self, node):
        self._note(node, None)


def _find(modules, module, name):
    """Where a global is defined; None for a constant, or what is no module of the program."""
    means = modules[module].names.get(name, ("",))
    if means[0] == "global":
        return _find(modules, means[1], means[2])
    return (module, name) if means[0] == "own" and name not in modules[module].constants else None


class _Moves:
    def __init__(self, modules, units, unit_of, called, outside):
        self._modules, self._units, self._unit_of = modules, units, unit_of
        self._called, self._outside = called, outside

    def run(self):
        for module in self._modules.values():
            module.every = self._modules
        items = [item for module in self._modules.values() for item in self._items(module)]
        self._look(items)
        users = {}  # key or attribute -> [(item, call, _PART or None, node)]
        for item in items:
            item.units = {self._unit_of[item.module.name]}
            for what, call, node in item.uses:
                users.setdefault(what, []).append((item, call, node))
        waiting = [(item, what) for item in items if (what := self._may_go(item, users))]
        moved = []
        found = True
        while found:
            found = [pair for pair in waiting if self._goes(*pair, users)]
            waiting = [pair for pair in waiting if pair not in found]
            moved += found
        for item, _ in moved:
            item.moves = True
        wanted = [want for item, what in moved for want in self._point(item, users[what])]
        for item, _ in moved:
            self._put(item)
        for user, local, item, name in wanted:
            for unit in user.units:
                known = self._there(user.module, unit) if user.moves else user.module
                there = self._there(item.module, unit).name
                known.names[local] = ("global", there, name) if name else ("module", there)

    def _look(self, items):
        every = [n for module in self._modules.values() for part in module.body for n in ast.walk(part)]
        taken = {n.attr for n in every if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
        taken |= {n.value for n in every if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        taken |= EXTERNAL | used(*self._outside)
        methods = Counter(item.node.name for item in items if item.of is not None)
        # Names of methods that are those of one class, and nothing else has.
        self._alone = {name for name, n in methods.items() if n == 1 and name not in taken and name[:2] != "__"}
        self._variables = {
            (module.name, name)
            for module in self._modules.values()
            for part in module.body
            for n in ast.walk(part)
            if isinstance(n, ast.Global)
            for name in n.names
        }

    def _items(self, module):
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                methods = [n for n in node.body if isinstance(n, FUNCTION)]
                yield from (_Item(module, n, node, [n]) for n in methods)
                yield _Item(module, None, None, [n for n in node.body if n not in methods] + node.bases)
            else:
                yield _Item(module, node, None, [node])

    def _may_go(self, item, users):
        """What all uses of it name, if it can be in any unit; else None."""
        node, module = item.node, item.module
        if item.units != {PACKAGE} or node is None:
            return None
        if not isinstance(node, FUNCTION):
            names = defines(node)
            literal = (
                len(names) == 1 and names[0] != "FIELDS" and isinstance(node, ast.Assign) and _is_literal(node.value)
            )
            what = literal and (module.name, names[0])
        elif node.decorator_list:
            return None
        elif item.of is None:
            what = module.name, node.name
        elif node.name == "__init__":
            what = not item.of.bases and (module.name, item.of.name)
        else:
            what = node.name in self._alone and node.name
        inner = any(isinstance(n, (*FUNCTION, ast.Lambda, ast.Global)) and n is not node for n in ast.walk(node))
        variables = any(of in self._variables for of, *_ in item.uses)
        return None if inner or variables or what in self._called or what in self._variables else what

    def _goes(self, item, what, users):
        of_it = [(user, call) for user, call, _ in users.get(what, ())]
        if item.of is not None:
            if item.node.name == "__init__":
                of_it = [(user, call) for user, call in of_it if call is not _PART]
            if any(call in (None, _PART) or user is item for user, call in of_it):
                return False
        units = set().union(*(user.units for user, _ in of_it if user is not item))
        if not units or len(units) > _COPIES or PACKAGE in units:
            return False
        item.units = units
        return True

    def _point(self, item, users):
        """Let what uses it name it as it is named where it goes. Return (user, local name, item, its name there or ""
        for the module)."""
        node = item.node
        if item.of is not None:
            self._make_function(node, f"{item.of.name}.{node.name}", item.of)
        name = defines(node)[0]
        for user, call, used_there in users:
            if call is _PART and item.of is not None:
                continue
            local = "@" + name  # no name of a source
            if item.of is not None:
                made = name.endswith(".__init__")
                call.args.insert(0, like(call, ast.Call(call.func, [], []) if made else call.func.value))
                call.func = like(call, ast.Name(local, ast.Load()))
            elif isinstance(used_there, ast.Attribute):
                local = "@" + item.module.name
                used_there.value = like(used_there, ast.Name(local, ast.Load()))
                used_there.attr = name
                yield user, local, item, ""
                continue
            else:
                used_there.id = local
            yield user, local, item, name

    def _make_function(self, node, name, of):
        if node.name == "__init__":
            first = ast.Name(node.args.args[0].arg, ast.Load())
            for n in _own_statements(node):
                if isinstance(n, ast.Return):
                    n.value = first
            node.body.append(like(node.body[-1], ast.Return(first)))
        of.body.remove(node)
        if not of.body:
            of.body = [like(node, ast.Pass())]
        node.name = name

    def _put(self, item):
        node = item.node
        if item.of is None:
            item.module.body.remove(node)
        for unit in sorted(item.units):
            there = self._there(item.module, unit)
            there.names[defines(node)[0]] = ("own",)
            there.body.insert(0 if isinstance(node, ast.Assign) else len(there.body), copy.deepcopy(node))

    def _there(self, home, unit):
        """The module in a unit of what goes there from another one: what that one knows, it knows."""
        name = home.name + "'" + unit  # in the same package, for relative imports
        if name not in self._modules:
            there = self._modules[name] = Module(name, "")
            there.names.update((n, ("global", home.name, n)) for n in home.names)
            there.names.update((n, means) for n, means in home.names.items() if means[0] != "own")
            self._units[unit].insert(0, name)
            self._unit_of[name] = unit
        return self._modules[name]


def _own_statements(function):
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTION):
            waiting += [n for n in ast.iter_child_nodes(node)]


def _is_literal(node):
    if isinstance(node, ast.Tuple):
        return all(_is_literal(part) for part in node.elts)
    return isinstance(node, ast.Constant)
