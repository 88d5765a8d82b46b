# SPDX-License-Identifier: Apache-2.0
"""What is on loan, by the table in the firmware's heap.py: which modules become one unit, and what calls say.

A unit is all modules that the same loans name. Its name is m and its number: a loaded file's name and path stay in the
heap for good, so both are short, and no two can be the same. (Not u: of such a name MicroPython keeps the rest, too.)
A loan is one number: those of its units, as digits to the base of how many there are. So the linked program has no
table, and to borrow takes no memory (of up to five units: then the number is a small integer).
"""

import ast

from .sources import PACKAGE, LinkError, in_order, like

HEAP = f"{PACKAGE}.heap"
# In place of the table and what reads it. A loan that is not out is given back without a word.
_READERS = ("borrow", "give_back")
_LINKED = """
import sys
from micropython import const
UNITS = const(0)
_out = bytearray(UNITS)
def borrow(loan):
    left = loan
    while left:
        _out[left % UNITS] += 1
        left //= UNITS
    return loan
def give_back(loan):
    while loan:
        n = loan % UNITS
        loan //= UNITS
        if _out[n] > 1:
            _out[n] -= 1
        else:
            _out[n] = 0
            sys.modules.pop("m%d" % n, None)
"""


class Loans:
    """The table of a program. sources: module -> text; that of heap.py, if there is one, is changed for the linked one.
    Loans that nothing borrows, or only the drivers of other boards, are left out."""

    def __init__(self, sources):
        self._table = {}  # loan -> its modules
        if HEAP not in sources:
            return
        text, linked = sources[HEAP].splitlines(), _LINKED.splitlines()
        for node in ast.parse(sources[HEAP]).body:
            match node:
                case ast.FunctionDef(name=name) if name[0] != "_" and name not in _READERS:
                    linked += [""] * (node.lineno - 1 - len(linked))  # it stays, in its lines
                    linked += text[node.lineno - 1 : node.end_lineno]
                case ast.Assign(targets=[ast.Name(id="LOANS")], value=value):
                    table = ast.literal_eval(value)
                    self._table = {loan: {f"{PACKAGE}.{name}" for name in names} for loan, names in table.items()}
        sources[HEAP] = "\n".join(linked) + "\n"

    def of(self, module):
        """The loans that name a module."""
        return frozenset(loan for loan, names in self._table.items() if module in names)

    def split(self, modules, outside):
        """Unit -> its modules in order: one of all that stay, one of each lot that the same loans name. Calls name a
        loan by its number from then on. outside: name -> tree of the scripts outside."""
        trees = {name: module.tree for name, module in modules.items()} | outside
        calls = [(where, node) for where, tree in trees.items() for node in ast.walk(tree) if _loan(node)]
        self._sites = {}  # loan -> the modules that borrow it
        for where, node in calls:
            if _loan(node) not in self._table:
                raise LinkError(f"{where}, line {node.lineno}: {_loan(node)} is no loan of heap.py")
            if node.func.attr == "borrow":
                self._sites.setdefault(_loan(node), set()).add(where)
        self._table = {loan: names for loan, names in self._table.items() if loan in self._sites}
        # A module of constants alone has nothing to load.
        lots = {name: self.of(name) if module.body else frozenset() for name, module in modules.items()}
        numbers = {
            lot: n
            for n, lot in enumerate(
                dict.fromkeys(lot for loan in self._table for lot in lots.values() if loan in lot), 1
            )
        }
        units = {PACKAGE: []}
        for name, lot in lots.items():
            units.setdefault(f"m{numbers[lot]}" if lot else PACKAGE, []).append(name)
        if HEAP in modules:
            modules[HEAP].constants["UNITS"] = len(units)
        for _, node in calls:
            digits = [n for lot, n in numbers.items() if _loan(node) in lot]
            node.args = [like(node, ast.Constant(sum(n * len(units) ** i for i, n in enumerate(digits))))]
        self._kept = self._surely()
        return {unit: in_order(modules, members) for unit, members in units.items()}

    def stays_with(self, module, needed):
        """Is `needed` surely borrowed as long as `module`, which imports it at its top?"""
        return bool(self.of(module)) and all(needed in self._kept[loan] for loan in self.of(module))

    def _surely(self):
        """Loan -> the modules that are borrowed whenever it is: its own, and those of what borrows it, if all that do
        are on loan themselves."""
        kept = dict.fromkeys(self._table, set().union(*self._table.values()))
        before = None
        while before != kept:
            before = dict(kept)
            for loan, own in self._table.items():
                by = [
                    {site}.union(set.intersection(*(before[other] for other in self.of(site))))
                    if self.of(site)
                    else set()
                    for site in self._sites[loan]
                ]
                kept[loan] = own.union(set.intersection(*by))
        return kept


def _loan(node):
    """The loan that a call of borrow() or give_back() names, or None."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="heap"), attr="borrow" | "give_back"),
            args=[ast.Constant(value=str() as name)],
        ):
            return name
    return None
