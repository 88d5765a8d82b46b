# SPDX-License-Identifier: Apache-2.0
"""What the image builder does to the text of the modules: less of it, and the same behaviour line for line."""

import ast
import textwrap

import pytest

from scripts.image import ROOT
from scripts.shrink import shrink


def small(**sources):
    return shrink({name.replace("__", "."): textwrap.dedent(text) for name, text in sources.items()})


def run(texts, main):
    """Execute shrunk modules without imports between them; gives the last one's globals."""
    space = {"const": lambda v: v}
    exec(texts[main], space)
    return space


CODES = """\
from micropython import const
LIMIT = const(40)
LOW = const(-3)
"""


def test_a_constant_of_another_module_becomes_its_number():
    texts = small(
        p__codes=CODES,
        p__a="""\
        from p import codes
        def over(x):
            return x > codes.LIMIT or x < codes.LOW
        """,
    )
    assert "codes" not in texts["p.a"]
    over = run(texts, "p.a")["over"]
    assert [over(x) for x in (-4, -3, 40, 41)] == [True, False, False, True]


def test_an_imported_constant_needs_no_import():
    texts = small(
        p__codes=CODES,
        p__a="""\
        from p.codes import LIMIT
        def twice():
            return LIMIT * 2
        """,
    )
    assert "import" not in texts["p.a"]
    assert run(texts, "p.a")["twice"]() == 80


def test_a_module_used_for_more_than_constants_stays_imported():
    codes = CODES + "def f():\n    return 1\n"
    texts = small(p__codes=codes, p__a="from p import codes\nx = codes.LIMIT\ny = codes.f\n")
    assert "from p import codes" in texts["p.a"]


def test_a_constant_in_an_f_string_stays_a_name():
    texts = small(p__codes=CODES, p__a='from p.codes import LIMIT\nx = f"{LIMIT}"\n')
    assert "LIMIT = const(40)" in texts["p.codes"]
    assert "import LIMIT" in texts["p.a"]


def test_private_names_become_short_and_stay_apart():
    texts = small(
        p__a="""\
        class Meter:
            def __init__(self):
                self._energy_counts = 1
                self._power_mw = 2
            def _total(self):
                return f"{self._energy_counts}{self._power_mw:03d}"
            def show(self):
                return self._total()
        """
    )
    text = texts["p.a"]
    assert "_energy_counts" not in text and "_total" not in text
    assert run(texts, "p.a")["Meter"]().show() == "1002"


def test_parameters_nobody_names_become_letters():
    texts = small(
        p__a="""\
        def price(counts, price_micro, *, rounding):
            return counts * price_micro + rounding
        def ask():
            return price(2, 3, rounding=1)
        """
    )
    assert "price_micro" not in texts["p.a"] and "rounding" in texts["p.a"]
    assert run(texts, "p.a")["ask"]() == 7


def test_an_attribute_named_like_a_parameter_is_left_alone():
    texts = small(
        p__a="""\
        class Box:
            pass
        def fill(counts):
            box = Box()
            box.counts = counts
            return box
        """
    )
    assert run(texts, "p.a")["fill"](5).counts == 5


def test_a_nested_function_sees_what_its_outer_one_was_given():
    texts = small(
        p__a="""\
        def make(first, second):
            def inner(third):
                return (first, second, third)
            return inner
        """
    )
    assert run(texts, "p.a")["make"](1, 2)(3) == (1, 2, 3)


@pytest.fixture(scope="module")
def firmware():
    modules = {}
    for path in sorted((ROOT / "firmware/meter").rglob("*.py")):
        name = path.relative_to(ROOT / "firmware").with_suffix("").as_posix().replace("/", ".")
        modules[name.removesuffix(".__init__")] = path.read_text()
    return modules


def test_every_line_of_the_firmware_stays_where_it_was(firmware):
    for name, text in shrink(firmware).items():
        assert len(text.splitlines()) == len(firmware[name].splitlines()), name
        lines = [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
        was = [node.lineno for node in ast.walk(ast.parse(firmware[name])) if isinstance(node, ast.FunctionDef)]
        assert lines == was, name


def test_no_module_of_the_firmware_touches_anothers_private_names(firmware):
    """Private names are shortened a module at a time: two modules sharing one would part."""
    for name, text in firmware.items():
        tree = ast.parse(text)
        own = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
        own |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
        own |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                assert node.attr in own, f"{name}, line {node.lineno}: {node.attr}"
