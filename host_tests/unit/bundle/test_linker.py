# SPDX-License-Identifier: Apache-2.0
"""What the linker does to the modules: fewer, smaller, and the same behaviour."""

import ast
import importlib.abc
import importlib.util
import subprocess
import sys
import textwrap

import pytest

from host_tests.bench.run.process import interpreter
from scripts import bundle, linker
from scripts.linker.words import EXTERNAL, FREE

MAIN = "import meter\nfrom meter import app, heap\nheap.borrow('app')\napp.start()\nheap.give_back('app')\n"


def linked(main=MAIN, loans=(), **sources):
    """meter__core__a="..." is the module meter.core.a. loans: name -> modules, beside that of meter.app."""
    modules = {"meter": "", "meter.heap": f"LOANS = { ({'app': ('app',)} | dict(loans))!r}\n"}
    modules |= {name.replace("__", "."): textwrap.dedent(text) for name, text in sources.items()}
    return linker.link(modules, {"main.py": main})


class _Units(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a linked program's units."""

    def __init__(self, units):
        self.units = units

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self, is_package=name == "meter") if name in self.units else None

    def exec_module(self, module):
        exec(compile(self.units[module.__name__], module.__name__, "exec"), module.__dict__)


def unit_of(program, module):
    return next(unit for unit, modules in program.modules.items() if module in modules)


def text_of(program, module="meter.app"):
    return program.units[unit_of(program, module)]


def units(program):
    """Sets of modules, each a unit, beside the package."""
    return {frozenset(modules) for unit, modules in program.modules.items() if unit != "meter"}


def start(program):
    """Load a linked program and call its start(), as main.py would."""
    units = _Units(program.units)
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "meter"}
    sys.meta_path.insert(0, units)
    try:
        return importlib.import_module(unit_of(program, "meter.app")).start()
    finally:
        sys.meta_path.remove(units)
        for name in program.units:
            sys.modules.pop(name, None)
        sys.modules.update(others)


CODES = """\
from micropython import const
LIMIT = const(40)
LOW = const(-LIMIT // 4)
"""


def test_all_that_stays_becomes_one_module_with_the_same_behaviour():
    program = linked(
        meter__codes=CODES,
        meter__account="""\
        from meter import codes
        class Account:
            def __init__(self, credit):
                self.credit = credit
            def spend(self, amount, *, force=False):
                if not force and self.credit - amount < codes.LOW:
                    raise RuntimeError(f"{amount} of {self.credit:03d} {{}}")
                self.credit -= amount
                return self
        """,
        meter__app="""\
        from meter.account import Account
        from meter import codes
        def _twice(f):
            def again(x):
                return [f(x), f(x + 1)]
            return again
        def start():
            account = Account(codes.LIMIT).spend(45, force=True)
            text = ""
            try:
                account.spend(9)
            except RuntimeError as error:
                text = str(error)
            return account.credit, text, _twice(lambda x: x * codes.LOW)(1), [x for x in range(2)]
        """,
    )
    assert units(program) == {frozenset({"meter.app"})}
    assert start(program) == (-5, "9 of -05 {}", [-10, -20], [0, 1])


def test_constants_are_numbers_everywhere_and_no_variables():
    text = text_of(
        linked(meter__codes=CODES, meter__app="from meter import codes\ndef start():\n    return codes.LOW\n")
    )
    assert "return -10" in text
    assert "const" not in text


def test_a_text_said_to_be_constant_is_written_where_it_is_used_and_another_is_a_variable():
    program = linked(
        meter__paths="""\
        from micropython import const
        STATE = const("/boot.bin")
        OTHER = "/other.bin"
        """,
        meter__app="""\
        from meter import paths
        def start():
            return paths.STATE, paths.OTHER
        """,
    )
    assert "return ('/boot.bin', " in text_of(program)
    assert "return ('/boot.bin', '/other.bin')" not in text_of(program)
    assert start(program) == ("/boot.bin", "/other.bin")


def test_a_table_of_numbers_is_written_as_its_bytes_and_one_of_variables_stays():
    source = """\
from meter import codes
_TABLE = bytes((1, codes.LOW & 0xFF, codes.LOW * -2))
def start():
    n = len(_TABLE)
    return _TABLE + bytes((n,))
"""
    program = linked(meter__codes=CODES, meter__app=source)
    assert r"b'\x01\xf6\x14'" in text_of(program) and "bytes((n,))" in text_of(program)
    assert start(program) == bytes((1, 0xF6, 20, 3))


APP_OF_DOC = """\
from meter import heap, shared
def start():
    heap.borrow("doc")
    try:
        from meter import doc
        return doc.read() + shared.both()
    finally:
        heap.give_back("doc")
"""


def test_what_is_on_the_same_loan_is_one_module_of_its_own():
    program = linked(
        loans={"doc": ("doc", "help_doc")},
        meter__shared="def both():\n    return 'both'\n",
        meter__doc="""\
        from meter.shared import both
        from meter import help_doc
        def read():
            return both() + help_doc.more()
        """,
        meter__help_doc="LAST = [1]\ndef more():\n    return '+' * LAST[0]\n",
        meter__app=APP_OF_DOC,
    )
    assert units(program) == {frozenset({"meter.app"}), frozenset({"meter.doc", "meter.help_doc"})}
    assert start(program) == "both+both"


def test_a_loan_is_a_number_and_there_is_no_table():
    program = linked(
        loans={"doc": ("doc",)}, meter__shared="def both():\n    pass\n", meter__doc="def read():\n    pass\n",
        meter__app=APP_OF_DOC,
    )  # fmt: skip
    assert "LOANS" not in program.units["meter"] and "doc" not in program.units["meter"]
    assert "'doc'" not in text_of(program)


def test_what_else_heap_has_stays_in_its_lines():
    modules, plain = firmware()
    modules["meter.heap"] = modules["meter.heap"].replace("    _ = bytearray(256)", "    raise MemoryError  #", 1)
    program = linker.link(modules, plain)
    at = next(n for n, line in enumerate(modules["meter.heap"].splitlines(), 1) if "raise MemoryError" in line)
    (found,) = [entry for entry in program.lines["meter"] if entry[1] == "meter.heap" and entry[3] == "room"]
    assert found[2] == at and "raise MemoryError" in program.units["meter"].splitlines()[found[0] - 1]


def test_modules_of_one_name_in_two_rooms_are_two_units():
    program = linked(
        loans={"a": ("a.start",), "b": ("b.start",)},
        meter__a="", meter__b="",
        meter__a__start="def go():\n    return 'a'\n",
        meter__b__start="def go():\n    return 'b'\n",
        meter__app="""\
        from meter import heap
        def _a():
            heap.borrow("a")
            from meter.a import start
            said = start.go()
            heap.give_back("a")
            return said
        def start():
            said = _a()
            heap.borrow("b")
            from meter.b import start
            said += start.go()
            heap.give_back("b")
            return said
        """,
    )  # fmt: skip
    assert units(program) >= {frozenset({"meter.a.start"}), frozenset({"meter.b.start"})}
    assert start(program) == "ab"


TWO_LOANS = {"a": ("a", "checks"), "b": ("b", "checks")}
OF_TWO = {
    "meter__checks": "def check():\n    return 1\n",
    "meter__a": "from meter.checks import check\ndef read():\n    return check()\n",
    "meter__b": "from meter import checks\ndef read():\n    return checks.check() + 1\n",
}


def test_a_module_that_two_loans_name_is_a_module_of_its_own():
    program = linked(
        loans=TWO_LOANS,
        **OF_TWO,
        meter__app="""\
        from meter import heap
        def _first():
            heap.borrow("a")
            from meter import a
            n = a.read()
            heap.give_back("a")
            return n
        def start():
            heap.borrow("b")
            from .b import read
            n = read()
            heap.give_back("b")
            return _first(), n
        """,
    )
    assert units(program) == {frozenset({f"meter.{name}"}) for name in ("app", "a", "checks", "b")}
    assert start(program) == (1, 2)


def test_what_two_loans_name_stays_while_one_of_them_is_out_and_goes_with_the_last():
    program = linked(
        loans=TWO_LOANS,
        **OF_TWO,
        meter__app="""\
        import sys
        from meter import heap
        def _load():
            from meter import a
            from meter import b
            return a.read(), b.read()
        def start():
            before = set(sys.modules)
            counts = []
            heap.borrow("a")
            heap.borrow("b")
            heap.borrow("b")
            _load()
            for n in range(5):
                counts.append(len(set(sys.modules) - before))
                if n == 0:
                    heap.give_back("b")
                elif n == 1:
                    heap.give_back("a")
                else:
                    heap.give_back("b")
            return counts
        """,
    )
    assert start(program) == [3, 3, 2, 0, 0]


def test_a_loan_can_be_kept_in_a_variable_until_it_is_given_back():
    program = linked(
        loans={"doc": ("doc",)},
        meter__doc="def read():\n    return 7\n",
        meter__app="""\
        import sys
        from meter import heap
        def start():
            before = set(sys.modules)
            loan = heap.borrow("doc")
            from meter import doc
            heap.give_back(loan)
            return doc.read(), set(sys.modules) - before
        """,
    )
    assert start(program) == (7, set())


def test_what_a_module_imports_at_its_top_may_not_go_before_it():
    with pytest.raises(linker.LinkError, match="checks at its top, which may be let go before it"):
        linked(
            loans={"a": ("a",), "checks": ("checks",)},
            meter__checks=OF_TWO["meter__checks"],
            meter__a=OF_TWO["meter__a"],
            meter__app="""\
            from meter import heap
            def start():
                heap.borrow("a")
                heap.borrow("checks")
                from meter import a
                return a.read()
            """,
        )


def test_what_surrounds_a_loan_whenever_it_is_out_may_be_imported_at_the_top():
    program = linked(
        loans={"outer": ("outer",), "inner": ("inner",)},
        meter__outer="""\
        from meter import heap
        def base():
            return 2
        def go():
            heap.borrow("inner")
            try:
                from meter import inner
                return inner.more()
            finally:
                heap.give_back("inner")
        """,
        meter__inner="from meter.outer import base\ndef more():\n    return base() + 1\n",
        meter__app="""\
        from meter import heap
        def start():
            heap.borrow("outer")
            try:
                from meter import outer
                return outer.go()
            finally:
                heap.give_back("outer")
        """,
    )
    assert start(program) == 3


def test_what_nothing_names_is_left_out_and_what_a_string_names_stays():
    program = linked(
        meter__app="""\
        TABLE = (1, 2)
        def start():
            return getattr(Thing(), "by_string")()
        def never():
            return later()
        def later():
            return never()
        class Thing:
            def by_string(self):
                return 1
            def unused(self):
                return 2
        """,
    )
    text = text_of(program)
    for gone in ("never", "later", "unused", "TABLE"):
        assert gone not in text
    assert "by_string" in text


def test_a_module_that_nothing_imports_is_left_out_with_the_unit_it_would_let_go():
    program = linked(
        loans={"one": ("drivers.one_start",), "other": ("drivers.other_start",)},
        meter__app="from meter.drivers import one\ndef start():\n    return one.read()\n",
        meter__drivers="",
        meter__drivers__one="""\
            from meter import heap
            def read():
                heap.borrow("one")
                from meter.drivers.one_start import go
                heap.give_back("one")
                return go()
            """,
        meter__drivers__one_start="def go():\n    return 42\n",
        meter__drivers__other="""\
            from meter import heap
            def read():
                heap.borrow("other")
                from meter.drivers.other_start import go
                heap.give_back("other")
                return "other"
            """,
        meter__drivers__other_start="def go():\n    return 'other start'\n",
    )
    assert units(program) == {frozenset({"meter.drivers.one_start"}), frozenset({"meter.app"})}
    assert not [text for text in program.units.values() if "other" in text]
    assert start(program) == 42


def test_the_text_of_a_value_error_goes_from_what_stays_and_no_other():
    program = linked(
        meter__core="def check(n):\n    if n < 0:\n        raise ValueError('a long story')\n    return n\n",
        meter__app="""\
        from meter.core import check
        def start():
            try:
                check(-1)
            except ValueError as e:
                if str(e):
                    raise
            raise KeyError("kept")
        """,
    )
    assert "a long story" not in "".join(program.units.values())
    with pytest.raises(KeyError, match="kept"):
        start(program)


APP_ON_LOAN = """\
from meter.account import Account, TEXT
from meter import account
def start():
    mine = Account(3, limit=4)
    mine.found = account.find(mine)
    return mine.total(), mine.begin(2), mine.found, TEXT[0]
"""
ACCOUNT = """\
TEXT = ("a", "long text")
def find(one):
    return _deep(one) + 1
def _deep(one):
    return one.credit
class Account:
    kind = 5
    def __init__(self, credit, limit=0):
        self.credit = credit
        if limit > 9:
            return
        self.limit = limit
    def begin(self, n):
        return n * self.kind + self.limit
    def total(self):
        return self.credit + 1
"""
STAYS = "from meter import account\ndef look(one):\n    return one.total()\n"


def of_account(account=ACCOUNT, stays=STAYS, app=APP_ON_LOAN):
    main = MAIN.replace("app.start()", "app.start()\nmeter.look(None)").replace(
        "import meter\n", "import meter.stays as meter\n"
    )
    return linked(main=main, meter__account=account, meter__stays=stays, meter__app=app)


def test_what_a_few_units_alone_use_goes_into_each_of_them():
    loading = """\
        from meter import heap
        from meter import account
        def start():
            heap.borrow("doc")
            try:
                from meter import doc
                return doc.read(), account.find(account.Account(7)), account.TEXT
            finally:
                heap.give_back("doc")
        """
    program = linked(
        loans={"doc": ("doc",)},
        meter__account=ACCOUNT,
        meter__doc="from meter.account import find, Account, TEXT\ndef read():\n    return find(Account(1)), TEXT[1]\n",
        meter__app=loading,
    )
    for module in ("meter.app", "meter.doc"):
        assert "long text" in text_of(program, module)
    assert "long text" not in program.units["meter"]
    assert start(program) == ((2, "long text"), 8, ("a", "long text"))


def test_what_one_unit_alone_uses_goes_into_it():
    program = of_account()
    staying = program.units["meter"]
    assert "return" in staying and "long text" not in staying
    assert staying.count("def ") == 2 + 1 + 1  # of heap.py, total(), look()
    assert "__init__" not in text_of(program) + staying
    assert start(program) == (4, 14, 4, "a")


@pytest.mark.parametrize(
    "stays",
    [
        "def look(one):\n    return one.begin(1), one.total()\n",  # two use it
        "def look(one):\n    return one.begin, one.total()\n",  # handed over
        "def look(one):\n    return getattr(one, 'begin'), one.total()\n",
        "class Other:\n    def begin(self):\n        return 1\ndef look(one):\n    return one.total(), Other\n",
    ],
)
def test_a_method_that_may_be_wanted_elsewhere_stays(stays):
    program = of_account(stays=stays)
    assert program.units["meter"].count("self") == 0  # parameters have other names
    assert start(program) == (4, 14, 4, "a")
    tree = ast.parse(program.units["meter"])
    (account,) = (
        n for n in tree.body if isinstance(n, ast.ClassDef) and any(isinstance(m, ast.Assign) for m in n.body)
    )
    assert len([n for n in account.body if isinstance(n, ast.FunctionDef)]) == 2  # begin(), total()


@pytest.mark.parametrize(
    "stays",
    [
        "from meter.account import Account\ndef look(one):\n    return one.total(), Account(1)\n",
        "from meter.account import Account\nclass A(Account):\n    pass\ndef look(one):\n    return one.total(), A\n",
        "from meter.account import Account\ndef look(one):\n    return one.total(), [Account]\n",
    ],
)
def test_a_constructor_of_what_others_make_stays(stays):
    program = of_account(stays=stays)
    assert "def __init__" in program.units["meter"]
    assert start(program) == (4, 14, 4, "a")


def test_what_makes_a_function_stays_for_that_may_outlive_the_unit():
    program = of_account(ACCOUNT.replace("self.limit = limit", "self.limit = limit\n        self.more = lambda: limit"))
    assert "def __init__" in program.units["meter"]
    assert start(program) == (4, 14, 4, "a")


def test_what_a_variable_of_its_module_is_read_by_stays():
    account = (
        ACCOUNT.replace("return one.credit", "return one.credit + count")
        + "count = 0\ndef more():\n    global count\n    count += 1\n"
    )
    program = of_account(account, stays=STAYS.replace("return one.total()", "account.more()\n    return one.total()"))
    assert start(program) == (4, 14, 4, "a")
    assert program.units["meter"].count("def ") == 2 + 1 + 1 + 2  # and _deep(), more()


def test_of_a_condition_that_a_board_decides_what_is_never_run_is_left_out():
    program = linked(
        meter__board="FRAM = 0\nNAME = 'x'\n",
        meter__one="def go():\n    return 'one'\n",
        meter__app="""\
        from meter import board
        def _which(late):
            if board.FRAM:
                from meter import one
                return one.go()
            if not board.FRAM and late:
                return "late"
            return "none"
        def start():
            return _which(True), _which(False)
        """,
    )
    assert "meter.one" not in [module for modules in program.modules.values() for module in modules]
    assert start(program) == ("late", "none")


def test_names_that_others_know_stay():
    program = linked(
        meter__app="""\
        import time
        class MeterError(Exception):
            pass
        class Part:
            def feed(self):
                self.energy = time.ticks_ms
                self.fields = ("power_w",)
                self.power_w = 3
                self.secret = 4
        def start(part=None, pulse_ms=5):
            Part().feed()
            raise MeterError(pulse_ms)
        def _calls():
            start(pulse_ms=1)
        """,
        main=MAIN.replace("start()", "start(_calls)"),
    )
    text = text_of(program)
    for kept in ("class MeterError", "def feed", "power_w", "def start", "pulse_ms=5", "time.ticks_ms"):
        assert kept in text
    for new in ("secret", "energy", "Part"):
        assert new not in text


def test_scripts_outside_import_units_under_their_own_names():
    program = linked(
        loans={"starts": ("services.starts",)},
        meter__services__starts="def begin():\n    return 7\n",
        meter__app="def start():\n    return 1\n",
        main="""\
import meter
from meter import heap
heap.borrow("starts")
from meter.services import starts as how
how.begin()
heap.give_back("starts")
heap.borrow("app")
from meter import app
app.start()
""",
    )
    starts = unit_of(program, "meter.services.starts")
    loan = int(starts[1:])  # of one unit
    said = f"import meter as heap\nheap.borrow({loan})\nimport {starts} as how\nhow.begin()\nheap.give_back({loan})\n"
    assert said in program.plain["main.py"]
    assert "def begin" in program.units[starts]


def test_a_fields_tuple_and_the_attributes_it_names_get_new_names_together():
    program = linked(
        meter__app="""\
        FIELDS = ("energy_wh", "credit")
        class State:
            def __init__(self):
                self.energy_wh = 3
                self.credit = 4
        def start():
            s = State()
            setattr(s, FIELDS[1], 5)
            return [getattr(s, name) for name in FIELDS]
        """
    )
    assert "energy_wh" not in text_of(program)
    assert start(program) == [3, 5]


def test_a_global_assigned_in_a_function_stays_one_variable():
    program = linked(
        meter__app="""\
        count = 0
        def _more():
            global count
            count += 1
        def start():
            _more()
            _more()
            return count
        """
    )
    assert start(program) == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("for i in range(3):\n    pass\n", "line 1: only imports and definitions"),
        ("from meter import gone\ndef start():\n    return gone\n", "line 3: meter has no gone"),
        ("import meter\ndef start():\n    return meter\n", "line 3: the module meter is used as a value"),
        ("def start():\n    class A:\n        pass\n    return A\n", "line 2: a class inside"),
        ("F = lambda: 1\ndef start():\n    return F\n", "line 1: a lambda outside"),
        ("def start(:\n", "line 1: "),
        ("from meter import heap\ndef start():\n    heap.borrow('gone')\n", "line 3: gone is no loan of heap.py"),
    ],
)
def test_what_the_linker_cannot_do_is_said_with_its_place(source, said):
    with pytest.raises(linker.LinkError) as e:
        linked(meter__app=source)
    assert said in str(e.value)


def test_a_traceback_is_told_in_terms_of_the_sources():
    program = linked(
        meter__bad='"""A long story\n\nbefore anything."""\n\n\ndef fails(x):\n    y = 1\n    return y / x\n',
        meter__app="from meter.bad import fails\ndef start():\n    return fails(0)\n",
    )
    try:
        start(program)
    except ZeroDivisionError as e:
        frame = e.__traceback__
        while frame.tb_next:
            frame = frame.tb_next
        code = frame.tb_frame.f_code
        said = f'  File "{code.co_filename}", line {frame.tb_lineno}, in {code.co_name}'
    # Statements that follow each other share a line: the first of them is named.
    assert linker.explain(said, program.lines) == '  File "meter/bad.py", line 7, in fails'
    others = 'File "asyncio/core.py", line 1, in run'
    assert linker.explain(others, program.lines) == others


def firmware():
    return [dict(pairs) for pairs in bundle.firmware._sources("esp32_devkit", bundle.firmware.ROOT / "firmware")]


def test_linking_the_firmware_twice_gives_the_same_text():
    assert linker.link(*firmware()) == linker.link(*firmware())


def test_every_line_of_a_function_of_the_firmware_has_an_origin():
    program = linker.link(*firmware())
    modules, _ = firmware()
    for unit, lines in program.lines.items():
        known = {line for line, *_ in lines}
        tree = ast.parse(program.units[unit])
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
            assert {n.lineno for n in function.body} <= known, (unit, function.name)
    for lines in program.lines.values():
        for _, module, line, _ in lines:
            assert 1 <= line <= modules[module].count("\n")


def test_what_is_on_loan_lies_beside_the_package_under_a_short_name():
    program = linker.link(*firmware())
    assert all(len(unit) <= 3 for unit in program.units if unit != "meter")
    minute = bundle.slot_modules()["meter.books.minute"]
    assert "/" not in minute and minute in bundle.slot_files()


def test_no_attribute_of_the_ports_classes_gets_another_name():
    """What Pin.irq, WDT.feed or Task.cancel are called is not ours to change."""
    modules, plain = firmware()
    theirs = set()
    for stub in ("machine", "esp32", "select", "network", "binascii", "stdlib/asyncio/events", "stdlib/asyncio/locks"):
        for node in ast.walk(ast.parse((bundle.firmware.ROOT / f"build/typings/{stub}.pyi").read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                theirs.add(node.name)
    text = "\n".join(linker.link(modules, plain).units.values())
    kept = {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}
    used = {n.attr for m in modules.values() for n in ast.walk(ast.parse(m)) if isinstance(n, ast.Attribute)}
    assert len(theirs) > 100
    assert (used & theirs) - kept - EXTERNAL - set(FREE) == set()


def test_no_free_name_is_one_the_compiler_knows():
    """A class called super takes two arguments more than were written."""
    assert not {"super", "const", "micropython", "native", "viper", "bytecode"} & set(FREE)


def test_the_free_names_cost_the_interpreter_nothing(tmp_path):
    """Each of them is in MicroPython's read-only table: using all of them interns no name."""
    script = tmp_path / "free.py"
    script.write_text(
        "import micropython\nclass A: pass\n"
        "def fresh():\n    micropython.qstr_info()\n"
        "fresh()\n" + "".join(f"A.{name} = 0\n" for name in FREE) + "fresh()\n"
    )
    done = subprocess.run([interpreter("i386"), script], capture_output=True, text=True, check=True)
    before, after = [line for line in done.stdout.splitlines() if line.startswith("qstr pool")]
    assert before == after
    plain = script.with_name("plain.py")
    plain.write_text("import micropython\nclass A: pass\nmicropython.qstr_info()\n")
    alone = subprocess.run([interpreter("i386"), plain], capture_output=True, text=True, check=True).stdout

    def names(text):
        return int(text.split("n_qstr=")[1].split(",")[0])

    # The script is compiled before it runs: what its names cost is seen against one that does not have them.
    assert names(before) - names(alone) <= 2
