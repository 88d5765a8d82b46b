# SPDX-License-Identifier: Apache-2.0
"""What computing takes an ESP32, on the bench's clock."""

from dataclasses import replace

import pytest

from host_tests.bench.documents import as_files
from host_tests.bench.plant.costs import ESP32, NONE, Costs
from host_tests.bench.run.session import Bench
from scripts.bundle.firmware import compile_mpy
from scripts.image.image import pack

WAIT = "while True:\n    time.sleep_ms(1000)\n"


def said(script: str, costs: Costs, **files) -> list[list[str]]:
    """What a script says on the console of a meter without firmware, as words."""
    content = {"boot.py": b"", "main.py": ("import time\n" + script + 'print("END")\n' + WAIT).encode()}
    content |= {f"lib/{name}.mpy": compile_mpy(code.encode(), name) for name, code in files.items()}
    with Bench(image=pack({**as_files(), **content}), costs=costs) as b:
        while "END" not in b.meter.console:
            b.run_s(0.1)
            assert b.plant.clock.now_us < 60_000_000, list(b.meter.console)
        return [line.split() for line in b.meter.console if line.startswith("TOOK")]


def took(what: str, costs: Costs, **files) -> int:
    """µs of the meter's clock that code takes."""
    script = f'a = time.ticks_us()\n{what}\ntime.sleep_us(0)\nprint("TOOK", time.ticks_diff(time.ticks_us(), a))\n'
    return int(said(script, costs, **files)[0][1])


def test_without_a_table_computing_takes_no_time():
    assert took("import part", NONE, part="X = 1\n") == 0


def test_a_module_takes_what_the_table_says_for_it_and_its_bytes():
    text = "\n".join(f"def function_{n}(x):\n    return x + {n}\n" for n in range(40))
    size = len(compile_mpy(text.encode(), "part"))
    only = Costs(load_us=2_000, load_byte_ns=4_000)
    assert size > 1000
    assert took("import part", only, part=text) == 2_000 + size * 4_000 // 1000


def test_a_module_that_is_there_takes_nothing():
    assert took("import part", Costs(load_us=2_000), part="X = 1\n") == 2_000
    assert took("import part\nimport part\nfrom part import X", Costs(load_us=2_000), part="X = 1\n") == 2_000


def test_a_file_that_is_only_read_is_no_module():
    read = 'open("/lib/part.mpy").read() if 0 else open("/main.py").read()'
    assert took(read, Costs(load_us=2_000), part="X = 1\n") == 0


@pytest.mark.parametrize(
    "what, costs, us",
    [
        ("import gc\ngc.collect()\ngc.collect()", Costs(collect_us=3_000), 6_000),
        ("pow(3, 5)\npow(3, 1 << 125, 7)", Costs(field_us=110), 13_750),
        ("pow(3, 2, (1 << 255) - 19)", Costs(field_us=110, point_us=1_500), 1_500),
        ("for _ in range(9): pow(3, 2, 7)", Costs(point_us=7, point_garbage=30, garbage_bytes=99, collect_us=90), 243),
        ("import machine\nmachine.Pin(4)()", Costs(pin_us=10), 10),
    ],
    ids=["collections", "squarings", "a point doubled", "its collections", "a pin"],
)
def test_what_asks_nothing_of_the_plant_takes_its_time_too(what, costs, us):
    assert took(what, costs) == us


def test_gc_has_all_its_names():
    names = "collect mem_free mem_alloc threshold enable disable isenabled".split()
    found = said(f'import gc\nprint("TOOK", *[hasattr(gc, n) for n in {names}])\n', ESP32)
    assert found[0][1:] == ["True"] * len(names)


def instants(**settings):
    with Bench(load_w=2000, initial_credit="12.00", **settings) as b:
        b.run_s(20)
        b.insert("good")
        b.run_s(50)
        assert b.meter.restarts == 0 and b.state().purchase_count == 1
        return list(b.tick_reads_us), b.plant.clock.now_us, b.plant.held_us, b.plant.unfed_us, b.state().credit_micro


def test_the_same_run_takes_the_same_time_to_the_microsecond():
    assert instants() == instants()


def test_money_does_not_hang_on_the_table():
    slow = replace(ESP32, read_us=3 * ESP32.read_us, book_us=3 * ESP32.book_us, turn_us=3 * ESP32.turn_us)
    counts = set()
    for costs in (NONE, ESP32, slow):
        with Bench(load_w=2000, initial_credit="12.00", costs=costs) as b:
            b.run_s(8)
            while b.plant.clock.now_us % 1_000_000 > 500_000:
                b.run_s(0.05)
            s = b.state()
            paid = 12_000_000 - s.credit_micro
            assert paid * 320_000 // 273_500 <= s.import_counts
            counts.add(b.plant.meter_ic.lifetime(0x80) - s.import_counts <= 2000 / 11.25 + 1)
    assert counts == {True}


def test_a_loop_that_never_sleeps_lets_the_clock_go_on():
    script = """
import asyncio
async def busy():
    a = time.ticks_ms()
    n = 0
    while time.ticks_diff(time.ticks_ms(), a) < 1000:
        await asyncio.sleep_ms(0)
        n += 1
    print("TOOK", n)
asyncio.run(busy())
"""
    turns = int(said(script, ESP32)[0][1])
    assert 1_000_000 // ESP32.turn_us // 2 < turns <= 1_000_000 // ESP32.turn_us + 60


def test_what_has_not_been_fed_while_the_meter_computed_bites():
    script = 'import machine\nw = machine.WDT(timeout=1000)\npow(3, 2, 7)\nw.feed()\nprint("TOOK", 1)\n'
    with Bench(image=pack({"boot.py": b"", "main.py": script.encode()}), costs=Costs(point_us=2_000_000)) as b:
        for _ in range(100):
            if b.meter.wdt_bites:
                break
            b.run_s(0.1)
        assert b.meter.wdt_bites


def test_the_console_is_complete_when_time_stands_still():
    # Lines are taken in before run_s() returns: a busy machine cannot make one of them late.
    for _ in range(5):
        with Bench(image=pack({"boot.py": b"", "main.py": f"import time\nprint('here')\n{WAIT}".encode()})) as b:
            b.run_s(2)
            assert "here" in b.meter.console


def test_the_worst_moment_of_the_heap_is_seen_between_two_looks_of_the_firmware():
    script = """
import gc
import machine
from esp32 import idf_heap_info
# Of what counts as free, ESP-IDF has its largest piece.
other = idf_heap_info(0)[0][2]
gc.collect()
print("TOOK", gc.mem_free() - other)
a = bytearray(20000)
machine.Pin(4)()
a = None
gc.collect()
print("TOOK", gc.mem_free() - other)
"""
    content = {"boot.py": b"", "main.py": (script + "import time\n" + WAIT).encode()}
    with Bench(image=pack(content)) as b:
        b.meter.watch_heap()
        b.run_s(3)
        free = [int(line.split()[1]) for line in b.meter.console if line.startswith("TOOK")]
        assert free[0] - 20_600 < b.meter.heap_low < free[0] - 20_000
        assert free[1] > free[0] - 600
