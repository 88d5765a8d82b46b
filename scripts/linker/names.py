# SPDX-License-Identifier: Apache-2.0
"""What is used by name, and the new names of it."""

import ast
from collections import Counter

from .sources import FUNCTION, PACKAGE, LinkError, arguments, defines, is_fields, like, meaning, used
from .words import EXTERNAL, FREE

PARAMETERS = 32  # names put aside for them: no function, with those inside it, has more


def drop_dead(modules, outside):
    """Leave out definitions and methods that nothing alive names. By name alone: a namesake keeps it, too."""
    waiting = []  # (where it stands, statement, its names, what it uses)
    for module in modules.values():
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                methods = [n for n in node.body if isinstance(n, FUNCTION)]
                waiting += [(node.body, n, [n.name], used(n)) for n in methods]
                rest = [n for n in node.body if n not in methods]
                waiting.append((module.body, node, [node.name], used(*rest, *node.bases)))
            else:
                waiting.append((module.body, node, defines(node), used(node)))
    named = used(*outside)
    alive = True
    while alive:
        alive = [w for w in waiting if any(n in named or n.startswith("__") for n in w[2])]
        for piece in alive:
            named |= piece[3]
            waiting.remove(piece)
    for body, node, *_ in waiting:
        body.remove(node)
    for module in modules.values():
        for node in module.body:
            if isinstance(node, ast.ClassDef) and not node.body:
                node.body = [like(node, ast.Pass())]


class Names:
    """globals: (module, name) -> new; attributes: name -> new; parameters: names free for them."""

    def __init__(self, modules, outside, called, unit_of):
        every = [n for m in modules.values() for node in m.body for n in ast.walk(node)]
        attributes = [n for n in every if isinstance(n, ast.Attribute)]
        uses = Counter([n.attr for n in attributes] + [n.id for n in every if isinstance(n, ast.Name)])
        externals = {local for m in modules.values() for local, means in m.names.items() if means[0] == "external"}
        calls = [n for n in every + [n for tree in outside for n in ast.walk(tree)] if isinstance(n, ast.Call)]
        self.by_keyword = {k.arg for call in calls for k in call.keywords}

        fields = {id(n) for m in modules.values() for node in m.body if is_fields(node) for n in ast.walk(node)}
        texts = [n for n in every if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        strings = {n.value for n in texts if id(n) not in fields}
        kept = used(*outside) | strings | EXTERNAL | {n.attr for n in attributes if root(n) in externals}
        ours = {n.attr for n in attributes if isinstance(n.ctx, ast.Store)}
        ours.update(name for n in every if isinstance(n, ast.ClassDef) for part in n.body for name in defines(part))
        ours = {name for name in ours - kept - set(FREE) if not name.startswith("__")}
        # A new name means nothing yet: a global is no local, parameter, builtin, nor attribute that stays; an attribute
        # may be called as a variable is, for it stands after a dot, unless it is a class that says both.
        stays = externals | kept | {n.attr for n in attributes} - ours
        taken = {n.id for n in every if isinstance(n, ast.Name)} | {a.arg for n in every for a in arguments(n)}
        taken |= {n.name for n in every if isinstance(n, ast.ExceptHandler | FUNCTION[0] | FUNCTION[1])}
        taken |= stays
        free = [name for name in FREE if name not in taken]
        if len(free) < 2 * PARAMETERS:
            raise LinkError("too few free names: more are needed in words.py")
        self.parameters, free = free[:PARAMETERS], free[PARAMETERS:]
        said = stays | {n.id for node in every if isinstance(node, ast.ClassDef) for n in _in_class(node)}
        dotted = [name for name in FREE if name not in said]

        def by_use(key):
            name = key if isinstance(key, str) else key[1]
            return -uses[name], key

        short = [a + b for a in "abcdefghijklmnopqrstuvwxyz" for b in "0123456789abcdefghijklmnopqrstuvwxyz"]
        short = [name for name in short if name not in taken and name not in ("as", "if", "in", "is", "or")]
        self.attributes = dict(zip(sorted(ours, key=by_use), dotted + short, strict=False))
        own = {(m.name, name) for m in modules.values() for node in m.body for name in defines(node)}
        stay = {key for key in own if key in called or key[1].endswith("Error")}
        self.globals = {k: k[1] for k in stay}
        apart = _apart(modules, unit_of)
        used_in = {unit: set() for unit in apart}  # new names that mean something in a unit
        for key in sorted(own - stay, key=by_use):
            units = apart[unit_of[key[0]]]
            new = next(name for name in free + short if not any(name in used_in[unit] for unit in units))
            self.globals[key] = new
            used_in[unit_of[key[0]]].add(new)


def _apart(modules, unit_of):
    """Unit -> the units whose globals must be called otherwise than its own: those it is used with in one place."""
    units = set(unit_of.values())
    apart = {unit: {unit, PACKAGE} for unit in units}
    apart[PACKAGE] = units
    borrows = {unit: {unit} for unit in units}
    for module in modules.values():
        for means in module.names.values():
            if means[0] in ("global", "module"):
                borrows[unit_of[module.name]].add(unit_of[means[1]])
    for together in _closed(borrows).values():
        for unit in together:
            apart[unit] |= together
    return apart


def _closed(borrows):
    """With what is borrowed over several units."""
    before = None
    while before != borrows:
        before = {unit: set(others) for unit, others in borrows.items()}
        for unit, others in before.items():
            borrows[unit] = others.union(*(before[other] for other in others))
    return borrows


def _in_class(node):
    """What is evaluated in the body of a class itself, where a bare name may mean one of its attributes."""
    for part in node.body:
        if isinstance(part, FUNCTION):
            for outer in [*part.decorator_list, *part.args.defaults, *filter(None, part.args.kw_defaults)]:
                yield from (n for n in ast.walk(outer) if isinstance(n, ast.Name))
        else:
            yield from (n for n in ast.walk(part) if isinstance(n, ast.Name))


def names_called(outside, modules):
    """(module, name) of the globals that main.py reaches as module.name."""
    every = [n for tree in outside for n in ast.walk(tree)]
    imports = [n for n in every if isinstance(n, ast.Import | ast.ImportFrom)]
    means = dict(meaning(node, alias, "", modules) for node in imports for alias in node.names)
    found = [(means.get(root(n), ("",)), n.attr) for n in every if isinstance(n, ast.Attribute)]
    return {(kind[1], attr) for kind, attr in found if kind[0] == "module"}


def root(node):
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
