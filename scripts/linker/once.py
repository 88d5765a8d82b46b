# SPDX-License-Identifier: Apache-2.0
"""What only one unit on loan uses goes into that unit, and with it.

Of what stays, many functions are called once, by the start, or by the minute's work alone. Such a function, a method
that no other class has one of that name, a constructor, a value that is a literal: when all that uses it is in one unit
on loan, or goes there, too, it goes there. A method becomes a function, `x.open(1)` open(x, 1), and so does a
constructor: C(1) is made(C(), 1), for a class without one makes a bare instance.

What stays where it is: what is used otherwise than by calling it (a task's run() is handed over), what a string names,
what reads or sets a global that functions set, what makes functions (handed to an interrupt, one would keep the unit),
and constructors of classes that are a base or have one.
"""

import ast
from collections import Counter

from .sources import FUNCTION, PACKAGE, Module, defines, like, meaning, used
from .words import EXTERNAL


def move(modules, units, unit_of, called, outside):
    """Move what can go: changes modules, units and unit_of. called: globals that scripts outside know."""
    _Moves(modules, units, unit_of, called, outside).run()


_PART = "part"  # of a class, say, is asked for: neither is it called, nor handed over


class _Item:
    """A piece of a module that is in one unit. node: what moves. of: the class of a method. uses: keys of globals and
    names of attributes, each with the call of it, _PART, or None for any other use."""

    def __init__(self, module, node, of, parts):
        self.module, self.node, self.of = module, node, of
        self.uses = []
        self.unit = ""
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
            self._item.uses.append((key, call))
        elif isinstance(node, ast.Attribute) and not self._is_others(node):
            self._item.uses.append((node.attr, call))
            of = self._key(node.value)
            if of:
                self._item.uses.append((of, _PART))
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
        self._note(node, None)

    visit_Attribute = visit_Name


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
        users = {}  # key or attribute -> [(item, call or None)]
        for item in items:
            item.unit = self._unit_of[item.module.name]
            for what, call in item.uses:
                users.setdefault(what, []).append((item, call))
        waiting = [(item, what) for item in items if (what := self._may_go(item, users))]
        moved = []
        found = True
        while found:
            found = [pair for pair in waiting if self._goes(*pair, users)]
            waiting = [pair for pair in waiting if pair not in found]
            moved += found
        for item, what in moved:
            self._put(item, users[what])

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
        if item.unit != PACKAGE or node is None:
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
        variables = any(used_there in self._variables for used_there, _ in item.uses)
        return None if inner or variables or what in self._called or what in self._variables else what

    def _goes(self, item, what, users):
        of_it = [(user, call) for user, call in users.get(what, ()) if user is not item]
        if item.of is not None:
            if item.node.name == "__init__":
                of_it = [(user, call) for user, call in of_it if call is not _PART]
            if any(call in (None, _PART) for _, call in of_it) or any(user is item for user, _ in users.get(what, ())):
                return False
        units = {user.unit for user, _ in of_it}
        if len(units) != 1 or PACKAGE in units:
            return False
        item.unit = units.pop()
        return True

    def _put(self, item, users):
        """Into its unit, as part of a module of its own there: what the item's module knows, it knows."""
        home = item.module
        name = home.name + "'" + item.unit  # in the same package, for relative imports
        if name not in self._modules:
            there = self._modules[name] = Module(name, "")
            there.every = self._modules
            there.names.update((n, ("global", home.name, n)) for n in home.names)
            there.names.update((n, means) for n, means in home.names.items() if means[0] != "own")
            self._units[item.unit].insert(0, name)
            self._unit_of[name] = item.unit
        there = self._modules[name]
        node = item.node
        if item.of is None:
            home.body.remove(node)
            defined = defines(node)[0]
            home.names[defined] = ("global", name, defined)
        else:
            item.of.body.remove(node)
            if not item.of.body:
                item.of.body = [like(node, ast.Pass())]
            defined = f"{item.of.name}.{node.name}"
            node = self._function(node, defined)
            for user, call in users:
                if call is not _PART:
                    self._call(call, user, node, name)
        there.names[defined] = ("own",)
        there.body.insert(0 if isinstance(node, ast.Assign) else len(there.body), node)

    def _function(self, node, name):
        if node.name == "__init__":
            first = ast.Name(node.args.args[0].arg, ast.Load())
            for n in _own_statements(node):
                if isinstance(n, ast.Return):
                    n.value = first
            node.body.append(like(node.body[-1], ast.Return(first)))
        node.name = name
        return node

    def _call(self, call, user, node, module):
        local = "@" + node.name  # no name of a source
        names = self._modules[user.module.name].names
        names[local] = ("global", module, node.name)
        moved = self._modules.get(user.module.name + "'" + user.unit)
        if moved:
            moved.names[local] = names[local]
        made = node.name.endswith(".__init__")
        first = ast.Call(call.func, [], []) if made else call.func.value
        call.args.insert(0, like(call, first))
        call.func = like(call, ast.Name(local, ast.Load()))


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
