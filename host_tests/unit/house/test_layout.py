# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, checked on the source: imports, integers for money, no trace of a bench."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from meter import heap

from host_tests.measure import house
from scripts.bundle import slot_modules

ROOT = Path(__file__).resolve().parents[3]
FIRMWARE = ROOT / "firmware"

# Who may enter which room; all may enter the core and meter/heap.py, and nobody the wiring.
MAY_ENTER = {
    "core": set(),
    "drivers": set(),
    "storage": set(),
    "documents": set(),
    "panel": set(),
    "books": {"storage"},
    "metering": {"drivers", "storage"},
    "watch": {"books", "documents"},
    "commands": {"documents", "books"},
    "cards": {"drivers", "storage", "documents", "books", "panel", "commands"},
    "net": {"storage", "books", "commands"},
    "upkeep": {"drivers", "storage", "documents"},
}
WIRING = {"", "entry", "begin", "tasks", "wiring"}  # the package itself, which main.py knows, and what wires all up
FREE = {"heap", "core"}
# The loader outlives versions of the firmware: it imports nothing of them, and they only what confirms a trial and says
# where it keeps what.
MAY_LOAD = ("boot.py", "meter/upkeep/memory.py", "meter/upkeep/starts.py", "meter/commands/signature.py")
# A bundle may need a newer MicroPython; the self-test says which one there is.
ASKS_VERSION = ("loader/slots.py", "meter/upkeep/selftest.py")
MICROPYTHON = set(
    "_thread array asyncio binascii cryptolib deflate errno esp esp32 gc hashlib heapq io json machine "
    "micropython network os random re select socket ssl struct sys time tls uctypes vfs".split()
)
# Rules are given what they need: they read no clock, no pin and no file.
OUTSIDE_WORLD = set(
    "_thread asyncio esp32 io machine network os select socket ssl time tls vfs board".split()
)
# What CPython has and MicroPython lacks: right in a unit test, wrong on the meter.
LACKING = set(
    "bit_length bit_count ljust rjust zfill removeprefix removesuffix translate title isalnum hexdigest cast "
    "fullmatch findall add_note with_traceback perf_counter strftime fromisoformat is_integer".split()
)
BENCH_WORDS = set(
    "sim simulate simulated simulation simulator emulated bench mock fake stub hosted cpython".split()
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def firmware_files(*layers: str) -> list[Path]:
    found = sorted(p for layer in layers for p in (FIRMWARE / "meter" / layer).rglob("*.py"))
    return found if layers else sorted(FIRMWARE.rglob("*.py"))


def python_files() -> list[Path]:
    return sorted(
        p for top in ("firmware", "boards", "scripts", "host_tests") for p in (ROOT / top).rglob("*.py")
    )


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.relative_to(ROOT).as_posix())


def room_of(module: str) -> str:
    """Room of a dotted module of the package: "" for the package itself, and the name of what stands beside rooms."""
    return module.partition(".")[2].partition(".")[0]


def is_module(dotted: str) -> bool:
    place = FIRMWARE.joinpath(*dotted.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted module) of every import, also those inside functions; relative ones made absolute."""
    here = path.relative_to(FIRMWARE).with_suffix("").parts
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found.append((node.lineno, inner if is_module(inner) else module))
    return found


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(FIRMWARE).with_suffix("").parts).removesuffix(".__init__")


def trespasses(module: str, imported: list[str]) -> list[str]:
    """What a module imports of rooms that its own may not enter."""
    here = room_of(module)
    if here in WIRING:
        return []
    allowed = FREE | {here} | MAY_ENTER.get(here, set())
    return [name for name in imported if name.startswith("meter.") and room_of(name) not in allowed]


@named(firmware_files())
def test_each_room_enters_only_those_it_may(path):
    assert trespasses(dotted(path), [name for _, name in imports(path)]) == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [("meter.core.account", "meter.books.day"), ("meter.panel.pages", "meter.books.books"),
     ("meter.commands.document", "meter.cards.supplier"), ("meter.books.day", "meter.wiring"),
     ("meter.heap", "meter.storage.ring"), ("meter.storage.ring", "meter.drivers.fram")],
)  # fmt: skip
def test_the_search_for_trespassers_finds_them(module, imported):
    assert trespasses(module, [imported]) == [imported]


def test_no_imports_go_in_a_circle():
    """Those inside functions, too. The package itself aside: main.py calls it, and it the start."""
    assert house.circles(house.imports()) == []


def test_nor_do_those_of_tools_and_tests():
    graph = house.imports(tools=True)
    assert "scripts.common.numbers" in graph["scripts.common.csv_file"], "relative imports are followed"
    assert "host_tests.system.fault_case" in graph["host_tests.system.fault_bits"]
    assert house.circles(graph) == []


@named(firmware_files())
def test_every_import_says_the_whole_way(path):
    relative = [n.lineno for n in ast.walk(tree(path)) if isinstance(n, ast.ImportFrom) and n.level]
    assert relative == []


BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.match_case)


def long_hands(module: ast.Module) -> list[str]:
    """Functions of more than 60 lines, 12 branches or 6 parameters. A tool's options are no parameters of that kind."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            branches = sum(isinstance(n, BRANCHES) for n in ast.walk(node))
            params = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            params = len(params) - (params[:1] in (["self"], ["cls"]))
            if lines > 60 or branches > 12 or params > 6:
                found.append(f"{node.name}: {lines} lines, {branches} branches, {params} parameters")
    return found


@named(firmware_files())
def test_no_function_outgrows_a_reader(path):
    assert long_hands(tree(path)) == []


def test_the_search_for_long_hands_finds_them():
    assert long_hands(ast.parse("def f(a, b, c, d, e, f, g): pass"))
    assert long_hands(ast.parse("def f():\n" + "    if a: pass\n" * 13))
    assert long_hands(ast.parse("def f():\n" + "    a()\n" * 60))
    assert not long_hands(ast.parse("def f(self, a, b, c, d, e, f):\n" + "    if a: pass\n" * 12))


# Reached by no firmware yet, and by whom it will be.
WAITS_FOR = {
    "backlight": "the page and the night",
    "remote": "orders of the office over the network",
    "Reader": "the load profile over the network",
    "to_unix": "times in messages",
    "from_unix": "times in messages",
}
CALLED_BY_THE_INTERPRETER = {"readinto"}  # of a stream


def defined_and_unused() -> list[str]:
    """Functions, methods and classes of firmware/ that no firmware names."""
    names, used = {}, set()
    for path in (*firmware_files(), *sorted((ROOT / "boards").rglob("*.py"))):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.setdefault(node.name, path.relative_to(ROOT).as_posix())
            elif isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                used.update(alias.name for alias in node.names)
    used |= CALLED_BY_THE_INTERPRETER
    return [f"{where}: {name}" for name, where in names.items() if name not in used and not name.startswith("__")]


def test_what_only_tests_reach_is_named_here_with_what_it_waits_for():
    assert {said.rpartition(" ")[2] for said in defined_and_unused()} == set(WAITS_FOR)


@named(firmware_files())
def test_firmware_needs_only_itself_micropython_and_the_board(path):
    where = path.relative_to(FIRMWARE).as_posix()
    own = {"loader"} if where.startswith("loader/") or where in MAY_LOAD else set()
    own |= set() if where.startswith("loader/") or where == "boot.py" else {"meter", "board"}
    for line, module in imports(path):
        assert module.split(".")[0] in MICROPYTHON | own, f"line {line}: a meter has no module {module}"


@named(firmware_files("core"))
def test_the_rules_touch_nothing_outside(path):
    for line, module in imports(path):
        assert module.split(".")[0] not in OUTSIDE_WORLD, f"line {line}: a rule reaches for {module}"


def float_uses(module: ast.Module) -> list[str]:
    """Every place where a float could come into being."""
    found = []
    for node in ast.walk(module):
        what = None
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            what = f"the literal {node.value!r}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            what = "the operator /"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("float", "round", "complex")
        ):
            what = f"{node.func.id}()"
        elif isinstance(node, ast.Name | ast.Attribute) and "sqrt" in ast.unparse(node):
            what = "a square root"
        if what:
            found.append(f"line {node.lineno}: {what}")
    return found


@named(firmware_files("core", "storage"))
def test_money_and_energy_never_meet_a_float(path):
    assert float_uses(tree(path)) == []


@pytest.mark.parametrize(
    "code", ["a = 1.0", "a = b / 2", "a /= 2", "a = float('1')", "a = round(b)", "a = 1e3"]
)
def test_the_ban_on_floats_sees_each_way_to_make_one(code):
    assert float_uses(ast.parse(code))


def test_the_ban_on_floats_lets_integers_pass():
    assert float_uses(ast.parse("a = b // 2 % 7\ns = '1/2'\nd = b << 3")) == []


@named(firmware_files())
def test_firmware_uses_no_method_micropython_lacks(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in LACKING, f"line {node.lineno}: .{node.attr} does not exist on the meter"


@named(firmware_files())
def test_firmware_does_not_know_where_it_runs(path):
    for node in ast.walk(tree(path)):
        name = (
            getattr(node, "id", None)
            or getattr(node, "attr", None)
            or getattr(node, "arg", None)
            or getattr(node, "name", None)
        )
        if isinstance(name, str):
            assert not set(name.lower().split("_")) & BENCH_WORDS, f"line {node.lineno}: {name}"
        asks = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys"
        if asks and path.relative_to(FIRMWARE).as_posix() not in ASKS_VERSION:
            assert node.attr not in ("platform", "implementation"), (
                f"line {node.lineno}: asks which interpreter this is"
            )


# -- what is on loan ------------------------------------------------------------------------------

# Loans that are given back elsewhere than in a `finally` of the function that borrows them, and why.
GIVEN_BACK_ELSEWHERE = {
    ("cards/desk.py", "household"): "out as long as the desk has a Visit",
    ("cards/desk.py", "supplier"): "out as long as the desk has a Utility",
    ("cards/desk.py", "signature"): "out as long as the desk has a Proof",
    ("cards/desk.py", "dialogue"): "out as long as the desk has a Dialogue",
    ("drivers/atm90e32/energy.py", "atm90e32_audit"): "out as long as the line is noisy: judging is no time to load",
    ("drivers/atm90e26/energy.py", "atm90e26_audit"): "the same",
    ("drivers/atm90e32/energy.py", "atm90e32_phases"): "for good, on three phases",
    ("wiring.py", "flash_ledger"): "for good, on a board without FRAM",
    ("begin.py", "metered"): "what runs then gives itself back",
    ("upkeep/metered.py", "metered"): "the same",
}
MAY_DROP = ("meter/heap.py", "meter/upkeep/starts.py")  # the loader, which is no part of the firmware, goes by itself


def loans_in(node: ast.AST, what: str) -> list[str]:
    """Names of the loans that calls of heap.borrow() or heap.give_back() in a piece of code have."""
    return [
        call.args[0].value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"heap.{what}"
        and isinstance(call.args[0], ast.Constant)
    ]  # fmt: skip


def functions(path: Path) -> list[ast.AST]:
    return [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_every_loan_is_borrowed_somewhere_and_every_module_of_it_exists():
    borrowed = {name for path in firmware_files() for name in loans_in(tree(path), "borrow")}
    assert borrowed == set(heap.LOANS)
    for modules in heap.LOANS.values():
        assert len(set(modules)) == len(modules)
        for module in modules:
            place = FIRMWARE if module.startswith("loader.") else FIRMWARE / "meter"
            assert place.joinpath(*module.split(".")).with_suffix(".py").exists(), module


@named(firmware_files())
def test_what_is_borrowed_is_given_back_in_a_finally(path):
    where = path.relative_to(FIRMWARE / "meter").as_posix() if path.is_relative_to(FIRMWARE / "meter") else ""
    excepted = {name for file, name in GIVEN_BACK_ELSEWHERE if file == where}
    for function in functions(path):
        inner = [n for n in ast.walk(function) if isinstance(n, ast.Try)]
        back = [name for n in inner for part in n.finalbody for name in loans_in(part, "give_back")]
        out = loans_in(function, "borrow")
        assert sorted(set(out) - excepted) == sorted(set(back) - excepted), function.name
        assert len(out) == len(set(out)) and len(back) == len(set(back)), function.name


def test_each_exception_is_one():
    for file, name in GIVEN_BACK_ELSEWHERE:
        code = tree(FIRMWARE / "meter" / file)
        assert name in loans_in(code, "borrow") + loans_in(code, "give_back"), (file, name)


@pytest.mark.parametrize("board", sorted(p.parent.name for p in (ROOT / "boards").glob("*/board.py")))
def test_no_module_imports_at_its_top_what_may_be_let_go_before_it(board):
    """Else the linker refuses (test_linker.py)."""
    assert "meter.books.minute" in slot_modules(board)


@named([p for p in firmware_files() if p.relative_to(FIRMWARE).as_posix() not in MAY_DROP])
def test_nobody_else_lets_modules_go(path):
    if path.relative_to(FIRMWARE).parts[0] == "meter":
        assert "sys.modules" not in [ast.unparse(n) for n in ast.walk(tree(path)) if isinstance(n, ast.Attribute)]


@named([*sorted((ROOT / "boards").rglob("board.py")), ROOT / "boards/base.py"])
def test_a_board_file_is_constants_the_metering_ics_driver_and_what_it_takes_of_another(path):
    for node in tree(path).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        constant = isinstance(node, ast.Assign) or ast.unparse(node) == "from micropython import const"
        driver = re.fullmatch(r"from meter\.drivers\.\w+\.ic import \w+", ast.unparse(node))
        taken = re.fullmatch(r"from boards\.(base|\w+\.board) import \*", ast.unparse(node))
        assert docstring or constant or driver or taken, f"line {node.lineno}: {ast.unparse(node)}"


@named(python_files())
def test_every_module_carries_its_licence(path):
    lines = path.read_text().splitlines()
    first = lines[1] if lines[0].startswith("#!") else lines[0]
    assert first == "# SPDX-License-Identifier: Apache-2.0"


@named([p for p in python_files() if not p.name.startswith("test_")])
def test_no_module_outgrows_a_reader(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 400, f"{len(lines)} lines: time to part it"


# -- the repository -------------------------------------------------------------------------------

# [h]ome instead of home: so that this file passes its own test.
PRIVATE = re.compile(r"/(?:[h]ome|[U]sers)/\w+|(?<![\w.}])/(?:[r]oot|[w]ork)/|[A-Z]:\\[U]sers")
HOSTS = re.compile(
    r"(?:https?|ftp|file)://[^\s\"'<>/]*\b"
    r"(?:[p]ypi|[p]ythonhosted|[n]pmjs|[r]egistry|[m]irrors?|[d]eb|[a]rchive|[a]rtifact\w*|[s]ecurity)\b"
    r"|--(?:extra-)?[i]ndex-url|--[f]ind-links|--[t]rusted-host|[a-z]+\.(?:[d]ebian|[u]buntu)\.(?:org|com|net)"
)


def repository_files() -> list[Path]:
    """What is tracked, or would be: without git (a source archive), everything outside build/."""
    try:
        said = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        paths = [ROOT / name for name in said.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        hidden = {"build", ".git", "__pycache__", ".hypothesis", ".pytest_cache", ".ruff_cache"}
        paths = [p for p in ROOT.rglob("*") if not hidden & set(p.relative_to(ROOT).parts)]
    return sorted(p for p in paths if p.is_file())


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data[:4096] else data.decode(errors="replace")


def test_no_file_names_a_place_on_somebodys_computer():
    found = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}"
        for path in repository_files()
        for n, line in enumerate(text_of(path).splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert found == []


def test_no_file_names_a_package_host():
    found = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}"
        for path in repository_files()
        for n, line in enumerate(text_of(path).splitlines(), 1)
        if HOSTS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line, inserted",
    [
        ("see /{}/jo/x", "home"),
        ("open('/{}/x')", "root"),
        ("cd /{}/main", "work"),
        ("http://{}.example.org/x", "mirror"),
        ("https://{}.org/simple", "pypi"),
        ("pip install --{} x", "find-links"),
    ],
)
def test_the_search_for_places_and_hosts_finds_them(line, inserted):
    line = line.format(inserted)
    assert PRIVATE.search(line) or HOSTS.search(line)


def test_the_version_is_what_the_changelog_says():
    """Under way: X.Y.Z.dev0, above the last release. Released: the number on top of the changelog."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    titles = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert titles, "the changelog has no section"
    if titles[0] != "Unreleased":
        assert version == titles[0]
        return
    assert re.fullmatch(r"\d+\.\d+\.\d+\.dev0", version)
    released = [tuple(map(int, title.split("."))) for title in titles[1:]]
    assert all(tuple(map(int, version.split(".")[:3])) > each for each in released)


def test_every_make_target_has_a_line_of_help():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.+)$", text, re.M)[1].split())
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.M))
    helped = set(re.findall(r"^([a-z][a-z-]*):.*## \S", text, re.M))
    assert targets == phony == helped


def test_ci_runs_the_tests_and_lets_nothing_be_skipped():
    script = ROOT / ".ci/run"
    text = script.read_text()
    assert script.stat().st_mode & 0o111
    assert re.search(r"^export PENNYWATT_NO_SKIP=1$", text, re.M) and re.search(r"^make test$", text, re.M)
