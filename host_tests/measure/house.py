# SPDX-License-Identifier: Apache-2.0
"""Figures of the house itself, by its source: circles among modules, the fullest room, lines, the longest function."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
TOOLS = ("scripts", "host_tests")


@cache
def trees(tools: bool = False) -> dict[str, ast.Module]:
    """Every module of the firmware by its dotted name, or of what runs on a computer only."""
    home = ROOT if tools else FIRMWARE
    paths = [path for top in (TOOLS if tools else ("",)) for path in (home / top).rglob("*.py")]
    found = {}
    for path in sorted(paths):
        name = ".".join(path.relative_to(home).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text(), str(path))
    return found


def imports(tools: bool = False) -> dict[str, set[str]]:
    """Module -> those of trees() it imports, also inside functions. A file that imports itself to be known by its name
    when it is run, as `__main__`, does not count.

    The package `meter` itself aside: main.py calls it, and it the start.
    """
    known = trees(tools)
    packages = {name.rpartition(".")[0] for name in known}
    graph = {}
    for name, tree in known.items():
        parts = [*name.split("."), ""] if name in packages else name.split(".")
        out = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                out |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = parts[: len(parts) - node.level] if node.level else []
                module = ".".join([*base, *filter(None, [node.module])])
                for alias in node.names:
                    inner = f"{module}.{alias.name}"
                    out.add(inner if inner in known else module)
        graph[name] = (out & known.keys()) - {"meter"} - ({name} if tools else set())
    graph.pop("meter", None)
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or by others."""
    reach = {}
    for start in graph:
        seen, todo = set(), [start]
        while todo:
            for there in graph.get(todo.pop(), ()):
                if there not in seen:
                    seen.add(there)
                    todo.append(there)
        reach[start] = seen
    groups = {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in graph if a in reach[a]}
    return [list(group) for group in sorted(groups)]


def fullest() -> tuple[str, int]:
    """Return the folder with the most modules in it, and how many."""
    rooms: dict[str, int] = {}
    for path in FIRMWARE.rglob("*.py"):
        if path.name != "__init__.py":
            room = path.parent.relative_to(FIRMWARE).as_posix()
            rooms[room] = rooms.get(room, 0) + 1
    room = max(sorted(rooms), key=rooms.__getitem__)
    return room, rooms[room]


def lines() -> tuple[int, int]:
    """Return the lines of the firmware's source, and its files."""
    files = list(FIRMWARE.rglob("*.py"))
    return sum(len(path.read_text().splitlines()) for path in files), len(files)


def longest() -> tuple[str, int]:
    """Return the longest function and its lines."""
    found = [
        (node.end_lineno - node.lineno + 1, f"{module}.{node.name}")
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    n, name = max(found)
    return name, n
