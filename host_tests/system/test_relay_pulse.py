# SPDX-License-Identifier: Apache-2.0
"""A relay pulse on a real interpreter: its timer ends it on time, whatever holds the loop."""

import contextlib
import io
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from host_tests.bench.documents import as_files
from host_tests.bench.plant.flash import NorFlash
from host_tests.bench.plant.plant import Plant
from host_tests.bench.run.board import load_board
from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.run.local import LocalMeter
from host_tests.bench.run.session import Bench
from host_tests.measure import lateness
from scripts.image.image import ROOT, build_image, pack

# The driver alone, on the pins of boards/esp32_devkit; a second task that holds the loop in the middle of the pulse.
SCRIPT = """
import asyncio
import time
import machine
from relay import Relay

pin = machine.Pin
relay = Relay(pin(32, pin.OUT, value=0), pin(33, pin.OUT, value=0), pin(35, pin.IN), {timer})
i2c = machine.I2C(0, scl=pin(22), sda=pin(21), freq=100_000)

def until(end_ms):
    return time.ticks_diff(end_ms, time.ticks_ms()) > 0

async def hold():
    await asyncio.sleep_ms(215)
    began_ms = time.ticks_ms()
    end_ms = time.ticks_add(began_ms, 2000)
{hold}
    print("HELD", time.ticks_diff(time.ticks_ms(), began_ms))

async def main():
    held = asyncio.create_task(hold())
    await relay.move(0)
    await held
    print("LATE", relay.late_ms)
    while True:
        await asyncio.sleep_ms(1000)

asyncio.run(main())
"""
HOLDS = {
    "sleep": "    time.sleep_ms(2000)\n",
    "sleep_us": "    time.sleep_us(2_000_000)\n",
    "busy": "    while until(end_ms):\n        pass\n",
    "transfers": "    while until(end_ms):\n        i2c.readfrom_into(0x50, bytearray(50))\n",
}


def started(script):
    meter = ROOT / "firmware/meter"
    files = {"boot.py": b"", "main.py": script.encode(), "relay.py": (meter / "drivers/relay.py").read_bytes()}
    files["meter/core/limits.py"] = (meter / "core/limits.py").read_bytes()
    return Bench(image=pack(files))


def said(b, word):
    """The numbers of the one line that begins with this word. What has been said may be on its way here."""
    patience = time.monotonic() + 20
    while True:
        lines = [line.split()[1:] for line in list(b.meter.console) if line.startswith(word)]
        if lines or time.monotonic() > patience:
            (numbers,) = lines
            return [int(n) for n in numbers]
        time.sleep(0.01)


@pytest.mark.parametrize("how", HOLDS)
def test_a_coil_is_on_for_its_time_though_the_loop_is_held_for_two_seconds(how):
    with started(SCRIPT.format(hold=HOLDS[how], timer="machine.Timer(0)")) as b:
        b.run_s(5)
        ((coil, _, length_us),) = b.plant.relay.pulses
        assert coil == "open" and 60_000 <= length_us <= 70_000
        assert b.plant.relay.violations == [] and not b.plant.relay.closed
        assert 2000 <= said(b, "HELD")[0] <= 2010  # the timer shortened no sleep
        assert said(b, "LATE")[0] <= 10


def test_a_timer_ends_no_sleep_of_asyncio_early_and_repeats_when_asked_to():
    script = """
import asyncio, time, machine
n = []
machine.Timer(1).init(mode=machine.Timer.PERIODIC, period=100, callback=lambda t: n.append(time.ticks_ms()))
async def main():
    began_ms = time.ticks_ms()
    await asyncio.sleep_ms(1050)
    print("SLEPT", time.ticks_diff(time.ticks_ms(), began_ms), len(n))
    while True:
        await asyncio.sleep_ms(10_000)
asyncio.run(main())
"""
    with started(script) as b:
        b.run_s(2)
        assert said(b, "SLEPT") == [1050, 10]


def test_without_its_timer_the_loop_ends_the_pulse_and_the_plant_has_seen_a_coil_too_long():
    deaf = "type('', (), {'ONE_SHOT': 0, 'init': lambda self, **how: None})()"
    with started(SCRIPT.format(hold=HOLDS["sleep"], timer=deaf)) as b:
        b.run_s(5)
        ((_, _, length_us),) = b.plant.relay.pulses
        assert length_us > 1_900_000 and b.plant.relay.violations == ["open coil on for more than 1 s"]
        (late,) = said(b, "LATE")
        assert abs(late - (length_us // 1000 - 60)) <= 1


def _trip_on_cpython():
    """(pulses, violations, whether the contact is closed) after half a minute of overload."""
    plant = Plant(VirtualTime(), load_board("esp32_devkit"), NorFlash(build_image(None, {})), utc_s=820_000_000)
    plant.house.set_load(0, 10_000_000, 0)
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(io.StringIO()):
        for name, content in as_files().items():
            (Path(root) / name).write_bytes(content)
        LocalMeter(plant, Path(root)).run_s(40)
    return plant.relay.pulses, plant.relay.violations, plant.relay.closed


def test_firmware_on_cpython_ends_its_pulses_by_a_timer_too():
    with ProcessPoolExecutor(1) as apart:  # a LocalMeter needs a process of its own
        ((coil, _, length_us),), violations, closed = apart.submit(_trip_on_cpython).result(timeout=300)
    assert coil == "open" and 60_000 <= length_us < 65_000 and not violations and not closed


def test_an_overload_found_on_a_whole_minute_does_not_wait_for_the_minutes_work():
    usual_us, _ = lateness.overload()
    on_the_minute_us, _ = lateness.overload(utc_s=lateness.ON_THE_MINUTE)
    assert on_the_minute_us <= max(usual_us, 100_000)
