# SPDX-License-Identifier: Apache-2.0
"""The example of a test in host_tests/README.md is one, and passes."""

from pathlib import Path

from host_tests.unit.house.markdown import blocks

GUIDE = Path(__file__).parents[1] / "README.md"


def test_the_example_of_how_to_write_a_test_passes():
    (code,) = blocks("python", GUIDE.read_text())
    names: dict = {}
    exec(compile(code, str(GUIDE), "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()
