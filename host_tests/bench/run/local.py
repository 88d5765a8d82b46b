# SPDX-License-Identifier: Apache-2.0
"""Firmware in this interpreter: the same stand-ins and plant, joined by a function call.

For coverage, debugging, and as the third opinion of a replay. What it cannot show (heap, .mpy, LittleFS,
kills) the MicroPython process shows. Modules that a meter lets go stay loaded.
"""

import asyncio
import importlib.util
import struct
import sys
import types
from pathlib import Path

from host_tests.bench.plant.plant import Plant
from host_tests.bench.port import ops


def _link_module(plant: Plant):
    link = types.ModuleType("link")
    link.buf = plant.buf
    link.irq_handlers = {}
    link.timer_handlers = {}
    pos = ops.REQ_AT
    serving = False

    def room(n):
        nonlocal pos
        if pos == ops.REQ_AT:
            timers()
        at = pos
        pos += n
        return at

    def call():
        nonlocal pos, serving
        struct.pack_into("<H", plant.buf, 16, pos - ops.REQ_AT)
        pos = ops.REQ_AT
        serving = True
        awake = plant.serve()
        serving = False
        if not awake:
            plant.clock.sleep_until(plant.sleep_until_us)
            plant.sleep_until_us = None

    def timers():
        """Callbacks that are due, between two requests or in a sleep: as the process's link does it."""
        if serving or pos != ops.REQ_AT:
            return
        due, plant.buf[5] = plant.buf[5], 0
        for number, handler in link.timer_handlers.items():
            if due >> number & 1 and handler:
                handler(None)
        if due:
            flush()

    def flush():
        # Sleeping carries what was posted to the plant.
        if pos > ops.REQ_AT and not serving:
            call()

    sleep_until = plant.clock.sleep_until

    def sleep(t_us, awake=None):
        timers()
        flush()
        sleep_until(t_us, awake)

    plant.clock.sleep_until = sleep
    plant.on_timer = timers
    link.room, link.call = room, call
    return link


def _load(name: str):
    path = Path(__file__).parents[1] / "port" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class LocalMeter:
    """The firmware's main() on a plant whose clock is a cpython.VirtualTime; root holds its documents.

    One to a process: the firmware's modules stay loaded, bound to the first one's plant.
    """

    def __init__(self, plant: Plant, root: Path):
        if "link" in sys.modules:
            raise RuntimeError("a second LocalMeter in this process")
        from meter import heap

        heap._let_go = lambda module: None  # memory is no matter here, and to load a module each minute takes longest
        self.plant = plant
        self.root = str(root)
        sys.modules["ops"] = ops
        sys.modules["link"] = self._link = _link_module(plant)
        sys.modules["board"] = plant.board
        for name in ("esp", "machine", "esp32"):
            _load(name)
        self._set_input = plant.set_input
        plant.set_input = self._drive

    def _drive(self, pin, level):
        # No sleeping meter to wake by a message here: the handler runs at the edge, as a soft interrupt would.
        self._set_input(pin, level)
        self._interrupt()

    def _interrupt(self):
        while self.plant.pending:
            handler = self._link.irq_handlers.get(self.plant.pending.pop(0))
            if handler:
                handler()

    def run_s(self, seconds: int) -> None:
        """Plug in, run main() for this long, and pull the plug."""
        from meter import begin
        from meter.documents import load

        begin.documents = lambda: ((0, 0, "", 0), load.read(self.root))
        plant = self.plant
        plant.power_on()
        plant.buf[3] = 1

        async def bounded():
            supervisor = await begin.started()
            left_s = seconds - plant.clock.now_us / 1e6
            main = asyncio.ensure_future(supervisor.run())
            done, _ = await asyncio.wait([main], timeout=left_s)
            if done:
                main.result()

        plant.clock.run(bounded())
        plant.power_off()
