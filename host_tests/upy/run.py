# SPDX-License-Identifier: Apache-2.0
"""Run the test files of this folder on the interpreter that runs this file: `micropython run.py [files...]`.

Every function test_* of every file is called; a failure prints its traceback and the run goes on. The last
line reads 'N passed, M failed'; the exit status is 1 for any failure, or when there was nothing to run.
"""

import gc
import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path.insert(0, HERE + "/../../firmware")
sys.path.insert(0, HERE)

try:
    import micropython  # noqa: F401
except ImportError:
    # CPython: the one thing the rules need from MicroPython is a name for constants.
    sys.modules["micropython"] = type(sys)("micropython")
    sys.modules["micropython"].const = lambda value: value


def show(error):
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(error)


def run_file(name):
    """Import one test module and call its tests. Return (passed, failed)."""
    passed = failed = 0
    try:
        module = __import__(name)
    except Exception as error:
        print("FAILED %s: cannot be loaded" % name)
        show(error)
        return 0, 1
    for test in sorted(dir(module)):
        if not test.startswith("test_") or not callable(getattr(module, test)):
            continue
        try:
            getattr(module, test)()
            passed += 1
        except Exception as error:
            failed += 1
            print("FAILED %s.%s" % (name, test))
            show(error)
    # The next file needs the heap.
    del module
    sys.modules.pop(name, None)
    gc.collect()
    return passed, failed


def main(names):
    if not names:
        names = [f for f in os.listdir(HERE) if f.startswith("test_") and f.endswith(".py")]
    passed = failed = 0
    for name in sorted(names):
        good, bad = run_file(name.rsplit("/", 1)[-1][:-3])
        if not good and not bad:
            print("FAILED %s: no tests in it" % name)
            bad = 1
        passed += good
        failed += bad
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
