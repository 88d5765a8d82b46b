# SPDX-License-Identifier: Apache-2.0
"""NUMBERS.md and the README's five, from the rows of make measures; and the figures of the source itself."""

from datetime import date
from types import SimpleNamespace

import pytest

from host_tests.measure import house, numbers

DAY = date(2026, 11, 30)


def row(what, value="1 ms", bar="≤ 2 ms", met: bool | None = True):
    return SimpleNamespace(what=what, value=value, bar=bar, met=met, verdict="MISSED" if met is False else "")


ROWS = [row(what, f"{n} ms") for n, what in enumerate(numbers.FIVE.values())]


def test_the_page_says_how_and_when_it_was_written_and_has_every_row():
    page = numbers.page([*ROWS, row("another", "7", "", None)], DAY)
    assert "`make measures ARGS=--write` on 2026-11-30" in page
    assert numbers.read(page)["another"] == ("7", "") and len(numbers.read(page)) == len(ROWS) + 1


def test_a_bar_that_is_missed_says_so():
    page = numbers.page([row("slow", "3 ms", "≤ 2 ms", False)], DAY)
    assert numbers.read(page)["slow"] == ("3 ms", "≤ 2 ms (MISSED)")


def test_the_readme_takes_the_five_by_their_names_and_keeps_the_rest():
    before = f"# Door\n\n{numbers.BEGIN}\n17 s\n{numbers.END}\n\nafter\n"
    after = numbers.placed(before, numbers.page(ROWS, DAY))
    assert after.startswith("# Door\n\n") and after.endswith("\n\nafter\n") and "17 s" not in after
    for n, name in enumerate(numbers.FIVE):
        assert f"| {name} | {n} ms | ≤ 2 ms |" in after
    assert numbers.placed(after, numbers.page(ROWS, DAY)) == after


def test_a_row_that_is_no_more_is_not_passed_over():
    with pytest.raises(KeyError, match=next(iter(numbers.FIVE.values()))):
        numbers.five(numbers.page(ROWS[1:], DAY))


@pytest.mark.parametrize(
    "graph, found",
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"a"}}, [["a"]]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}, "e": {"a", "c"}}, [["a", "b"], ["c", "d"]]),
    ],
)
def test_modules_that_import_each_other_are_a_circle(graph, found):
    assert house.circles(graph) == found


def test_imports_are_of_modules_and_also_those_inside_functions():
    graph = house.imports()
    assert "meter.core.codes" in graph["meter.wiring"] and "loader.state" in graph["loader"]
    assert all(there in graph for names in graph.values() for there in names)


def test_the_source_has_a_size():
    lines, files = house.lines()
    assert lines > 10_000 and files == len(house.trees())
    assert house.fullest()[1] >= 2 and house.longest()[1] > 10
