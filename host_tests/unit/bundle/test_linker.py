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

MAIN = "import meter\nfrom meter import app\napp.start()\nmeter.unload('app')\n"


def linked(main=MAIN, **sources):
    """meter__core__a="..." is the module meter.core.a."""
    modules = {"meter": "def unload(*names):\n    pass\n"}
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


def start(program):
    """Load a linked program and call its start(), as main.py would."""
    units = _Units(program.units)
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "meter"}
    sys.meta_path.insert(0, units)
    try:
        return importlib.import_module("meter.app").start()
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
    assert set(program.units) == {"meter", "meter.app"}
    assert start(program) == (-5, "9 of -05 {}", [-10, -20], [0, 1])


def test_constants_are_numbers_everywhere_and_no_variables():
    text = linked(meter__codes=CODES, meter__app="from meter import codes\ndef start():\n    return codes.LOW\n").units[
        "meter.app"
    ]
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
    assert "return ('/boot.bin', " in program.units["meter.app"]
    assert "boot.bin" not in program.units["meter"] and "other.bin" in program.units["meter"]
    assert start(program) == ("/boot.bin", "/other.bin")


def test_what_is_let_go_together_is_one_module_of_its_own():
    program = linked(
        meter__shared="def both():\n    return 'both'\n",
        meter__doc="""\
        from meter.shared import both
        from meter import help_doc
        def read():
            return both() + help_doc.more()
        """,
        meter__help_doc="LAST = [1]\ndef more():\n    return '+' * LAST[0]\n",
        meter__app="""\
        from meter import unload, shared
        def start():
            from meter import doc
            try:
                return doc.read() + shared.both()
            finally:
                unload("doc", "help_doc")
        """,
    )
    assert set(program.units) == {"meter", "meter.app", "meter.doc"}
    assert "('doc')" in program.units["meter.app"]
    assert start(program) == "both+both"


def test_a_module_that_two_unloads_name_is_a_module_of_its_own():
    program = linked(
        meter__checks="def check():\n    return 1\n",
        meter__a="from meter.checks import check\ndef read():\n    return check()\n",
        meter__b="from meter import checks\ndef read():\n    return checks.check() + 1\n",
        meter__app="""\
        from meter import unload
        def _first():
            from meter import a
            n = a.read()
            unload("a", "checks")
            return n
        def start():
            from .b import read
            n = read()
            unload("b", "checks")
            return _first(), n
        """,
    )
    assert set(program.units) == {"meter", "meter.app", "meter.a", "meter.checks", "meter.b"}
    assert start(program) == (1, 2)


def test_what_nothing_names_is_left_out_and_what_a_string_names_stays():
    text = linked(
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
    ).units["meter.app"]
    for gone in ("never", "later", "unused", "TABLE"):
        assert gone not in text
    assert "by_string" in text


def test_a_module_that_nothing_imports_is_left_out_with_the_unit_it_would_let_go():
    program = linked(
        meter__app="from meter.drivers import one\ndef start():\n    return one.read()\n",
        meter__drivers="",
        meter__drivers__one="""\
            from meter import unload
            def read():
                from meter.drivers.one_start import go
                unload("drivers.one_start")
                return go()
            """,
        meter__drivers__one_start="def go():\n    return 42\n",
        meter__drivers__other="""\
            from meter import unload
            def read():
                from meter.drivers.other_start import go
                unload("drivers.other_start")
                return "other"
            """,
        meter__drivers__other_start="def go():\n    return 'other start'\n",
    )
    assert set(program.units) == {"meter", "meter.one_start", "meter.app"}
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
    assert "raise ValueError\n" in program.units["meter"]
    with pytest.raises(KeyError, match="kept"):
        start(program)


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
    text = program.units["meter.app"]
    for kept in ("class MeterError", "def feed", "power_w", "def start", "pulse_ms=5", "time.ticks_ms"):
        assert kept in text
    for new in ("secret", "energy", "Part"):
        assert new not in text


def test_scripts_outside_import_units_under_their_own_names():
    program = linked(
        meter__services__starts="def begin():\n    return 7\n",
        meter__app="def start():\n    return 1\n",
        main="""\
import meter
from meter.services import starts as how
how.begin()
meter.unload("services.starts")
from meter import app
app.start()
meter.unload("app")
""",
    )
    assert "from meter import starts as how\nhow.begin()\nmeter.unload('starts')" in program.plain["main.py"]
    assert "def begin" in program.units["meter.starts"]


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
    assert "energy_wh" not in program.units["meter.app"]
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
        ("from meter import unload\ndef start():\n    unload('gone')\n", "unload() names meter.gone"),
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
        tree = ast.parse(program.units[unit] if unit in program.units else program.units[f"meter.{unit}"])
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)):
            assert {n.lineno for n in function.body} <= known, (unit, function.name)
    for lines in program.lines.values():
        for _, module, line, _ in lines:
            assert 1 <= line <= modules[module].count("\n")


def test_what_is_loaded_often_lies_beside_the_package_where_few_files_are():
    program = linker.link(*firmware())
    assert {"meter", "minute", "figures", "troubles"} <= set(program.units)
    assert "import minute" in program.units["meter"] and "from meter import minute" not in program.units["meter"]
    assert "meter/minute.mpy" not in bundle.slot_files() and "minute.mpy" in bundle.slot_files()


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
