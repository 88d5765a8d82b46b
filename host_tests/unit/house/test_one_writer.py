# SPDX-License-Identifier: Apache-2.0
"""One writer for each record: the state of the meter, the books, and what they hold beside it.

A field is known by its name, whatever the object is called that has it: what stores to a name that a record has, in a
file that may not, is found, unless `self` is of another class or the file has a namesake that is said below.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from meter.core.state import MeterState

METER = Path(__file__).resolve().parents[3] / "firmware" / "meter"

# Who writes the state: the books, themselves or through these. The ledger fills it in when they read it.
STATE_BY = {"core/account.py", "core/days.py", "core/supply.py", "core/tamper.py", "storage/ledger.py"}
# Fields of others that are called as ours are: (file, field).
NAMESAKES = {
    ("documents/settings_doc.py", "friendly"): "of the Settings that are read",
    ("metering/profile_rows.py", "cfg"): "of the Profile: what its row began with",
}
# Where fields are named by a variable: the ledger its own, the document reader those of Settings, heap.py modules.
SETS_BY_NAME = {"storage/ledger.py", "documents/settings_doc.py", "heap.py"}
# These are given neither state nor books: what they fill in is a sample.
GIVEN_NONE = ("drivers/",)


@cache
def parsed(where: str) -> ast.Module:
    return ast.parse((METER / where).read_text())


def files(room: str = "") -> list[str]:
    return sorted(p.relative_to(METER).as_posix() for p in (METER / room).rglob("*.py"))


def class_of(where: str, name: str) -> ast.ClassDef:
    return next(n for n in parsed(where).body if isinstance(n, ast.ClassDef) and n.name == name)


def own_fields(node: ast.ClassDef) -> set[str]:
    """What its methods store to self, and what it declares."""
    found = {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
    return found | {attr for base, attr, _ in stores(node) if base == "self"}


def records() -> dict[str, tuple[set[str], set[str]]]:
    """Record of books/terms.py -> (its fields, the files that may write them), as the class's own head has it."""
    node = class_of("books/terms.py", "Record")
    lines = (METER / "books/terms.py").read_text().splitlines()
    found, name = {}, ""
    said = re.findall(r"Books\.(\w+) .* written by (.+) only$", ast.get_docstring(node), re.M)
    writers = {record: set(by.split(", ")) | {"books/opening.py"} for record, by in said}
    for n in range(node.lineno, node.end_lineno):
        title = re.match(r"    # (\w+)", lines[n])
        field = re.match(r"    (\w+): ", lines[n])
        if title:
            name = title[1]
            found[name] = set(), writers[name]
        elif field and name:
            found[name][0].add(field[1])
    assert set(found) == set(writers)
    found["terms"][1].add("books/terms.py")  # fall_back()
    return found


def stores(tree: ast.AST) -> list[tuple[str, str, int]]:
    """(what has it, field, line) of all that is stored to: x.f = , x.f += , x.f[i] = , del x.f, for x.f in, and by
    a name that x.f was given: f = x.f, then f[i] = ."""
    found = []
    given = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            given.update((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            through = isinstance(node, ast.Subscript)
            while isinstance(node, ast.Subscript):
                node = node.value
            if through and isinstance(node, ast.Name):
                node = given.get(node.id, node)
            if isinstance(node, ast.Attribute):
                found.append((ast.unparse(node.value), node.attr, node.lineno))
    return found


def intruders(where: str, tree: ast.AST, fields: set[str]) -> list[str]:
    """Stores to one of these fields in a file, but for those to `self` in a class that is not the record's."""
    own = {id(n) for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for n in ast.walk(c)}
    in_class = {(n.lineno, n.attr) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and id(n) in own}
    found = []
    for base, field, line in stores(tree):
        if field in fields and not (base == "self" and (line, field) in in_class) and (where, field) not in NAMESAKES:
            found.append(f"{where}:{line}: {base}.{field}")
    return found


def set_by_name(tree: ast.AST) -> list[int]:
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return [n.lineno for n in calls if n.func.id in ("setattr", "delattr")]


STATE = set(vars(MeterState()))
BOOKS = own_fields(class_of("books/books.py", "Books"))
RECORDS = records()


def outside_the_books(where: str, tree: ast.AST) -> list[str]:
    """What a file that is none of the books' writes of theirs."""
    ours = BOOKS.union(*(fields for fields, _ in RECORDS.values()))
    return intruders(where, tree, ours | (set() if where in STATE_BY else STATE))


others = pytest.mark.parametrize("where", [w for w in files() if not w.startswith(("books/", *GIVEN_NONE))])


@others
def test_nobody_but_the_books_writes_the_meters_state_or_theirs(where):
    assert outside_the_books(where, parsed(where)) == []


@others
def test_no_field_is_written_by_a_name_in_a_variable(where):
    assert not set_by_name(parsed(where)) or where in SETS_BY_NAME


@pytest.mark.parametrize("where", files("books"))
@pytest.mark.parametrize("record", RECORDS)
def test_each_record_of_the_books_has_the_writers_it_names(record, where):
    fields, writers = RECORDS[record]
    assert where in writers or intruders(where, parsed(where), fields - BOOKS) == []


def test_the_state_names_who_writes_it():
    said = ast.get_docstring(parsed("core/state.py"))
    assert "Written by books/ only" in said
    assert set(re.findall(r"\w+\.py", said)) >= {path.rpartition("/")[2] for path in STATE_BY}


def test_the_books_name_who_writes_them():
    assert "Written by books/ only" in ast.get_docstring(class_of("books/books.py", "Books"))


def test_who_is_named_does_write():
    """Else the list would let pass what nobody asked for."""
    for where in STATE_BY:
        assert intruders(where, parsed(where), STATE) or set_by_name(parsed(where)), where
    for where, field in NAMESAKES:
        assert field in {name for _, name, _ in stores(parsed(where))}
    for record, (fields, writers) in RECORDS.items():
        for where in writers:
            assert intruders(where, parsed(where), fields), (record, where)


@pytest.mark.parametrize("where", files("drivers"))
def test_what_is_given_no_books_knows_no_way_to_them(where):
    assert not {n.attr for n in ast.walk(parsed(where)) if isinstance(n, ast.Attribute)} & {"books", "_books", "s"}


def test_the_clock_is_set_by_the_tick_alone():
    """For a line of the log about another time there is at_s."""
    writers = {}
    for where in files("books"):
        for node in ast.walk(parsed(where)):
            if isinstance(node, ast.FunctionDef) and any(field == "utc_s" for _, field, _ in stores(node)):
                writers.setdefault(where, set()).add(node.name)
    assert writers == {"books/books.py": {"__init__", "judge", "tick"}}


# -- what would be found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "books.faults |= 1",
        "self.books.s.lock = 0",
        "u.books.trouble = 'x'",
        "def f(b):\n    s = b.s\n    s.failed_logins += 1",
        "def f(it):\n    it.credit_micro = 0",
        "a, books.starved = 1, 2",
        "books.terms.rate = 1",
        "terms = books.terms\nterms.price_micro = 0",
        "books.waiting.demand[0] = 1",
        "books.s.tampers[1] |= 2",
        "t = books.s.tampers\nt[0] = 1",
        "s.rate_counts[0] += 1",
        "del books.s.day",
        "for books.utc_s in (): pass",
        "with x as books.sample: pass",
        "[0 for books.alarm in ()]",
        "class Guest:\n    def f(self):\n        self.books.locked_at_s = 1",
    ],
)
def test_a_field_that_somebody_else_writes_is_found(code):
    assert outside_the_books("cards/visitor.py", ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "class Watcher:\n    def f(self, books):\n        self.books = books\n        self.cfg = books.cfg",
        "n = books.s.lock",
        "books.fault(1, True)",
        "rows[0] = books.s.lock",
        "figures = self._figures\nfigures[0] = books.s.lock",
        "visits.refused(books, 1)",
    ],
)
def test_who_only_reads_or_has_fields_of_its_own_is_let_pass(code):
    assert outside_the_books("cards/visitor.py", ast.parse(code)) == []


def test_another_writer_in_the_books_is_found():
    for record, (fields, _) in RECORDS.items():
        code = ast.parse(f"books.{record}.{min(fields)} = 0")
        assert intruders("books/purchases.py", code, fields)


def test_a_field_set_by_name_is_found():
    assert set_by_name(ast.parse("setattr(books.s, name, 1)")) == [1]
