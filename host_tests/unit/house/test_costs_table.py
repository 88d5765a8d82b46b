# SPDX-License-Identifier: Apache-2.0
"""The table of what computing takes (host_tests/bench/plant/costs.py), and what of it is where."""

from dataclasses import fields
from pathlib import Path

from host_tests.bench.plant import costs
from host_tests.bench.port import ops

README = Path(__file__).resolve().parents[2] / "bench/README.md"


def test_the_page_of_the_bench_has_the_table_as_it_is():
    text = README.read_text()
    begin, end = "<!-- costs:begin -->\n", "\n<!-- costs:end -->"
    assert text[text.index(begin) + len(begin) : text.index(end)] == costs.table()


def test_each_row_is_spent_and_without_a_table_nothing_is():
    rows = {name for name, _, _, _ in costs._TABLE}
    assert rows == {field.name for field in fields(costs.Costs)}
    assert not any(costs.NONE.by_operation())
    assert all(getattr(costs.ESP32, name) > 0 for name in rows)


def test_every_operation_of_the_link_has_a_place_in_the_table():
    numbers = [n for name, n in vars(ops).items() if name.isupper() and isinstance(n, int) and 0 < n <= ops.SPEND]
    assert max(numbers) < len(costs.ESP32.by_operation())
