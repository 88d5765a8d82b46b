# SPDX-License-Identifier: Apache-2.0
"""Firmware in this interpreter: the same stand-ins and plant, joined by a function call.

For coverage, debugging, and as the third opinion of a replay. What it cannot show (heap, .mpy, LittleFS,
kills) the MicroPython process shows.
"""

import asyncio
import importlib.util
import struct
import sys
import types
from pathlib import Path

from .meter import ops
from .plant import Plant

ROOT = Path(__file__).resolve().parents[2]


def _link_module(plant: Plant):
    link = types.ModuleType("_link")
    link.buf = plant.buf
    link.RSP_AT = ops.RSP_AT
    link.irq_handlers = {}
    pos = ops.REQ_AT

    def room(n):
        nonlocal pos
        at = pos
        pos += n
        return at

    def call():
        nonlocal pos
        struct.pack_into("<H", plant.buf, 16, pos - ops.REQ_AT)
        pos = ops.REQ_AT
        if not plant.serve():
            plant.clock.sleep_until(plant.sleep_until_us)
            plant.sleep_until_us = None

    link.room, link.call = room, call
    return link


def _load(name: str):
    path = Path(__file__).parent / "meter" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class LocalMeter:
    """The firmware's main() on a plant whose clock is a cpython.VirtualTime; root holds its documents."""

    def __init__(self, plant: Plant, root: Path):
        self.plant = plant
        self.root = str(root)
        for path in (str(ROOT / "firmware"), str(Path(__file__).parent / "shims")):
            if path not in sys.path:
                sys.path.insert(0, path)
        sys.modules["ops"] = ops
        sys.modules["_link"] = self._link = _link_module(plant)
        _load("machine")
        plant.set_interrupt = self._interrupt
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
        from meter import app

        plant = self.plant
        plant.power_on()
        plant.buf[3] = 1

        async def bounded():
            main = asyncio.ensure_future(app.main(plant.board, self.root))
            done, _ = await asyncio.wait([main], timeout=seconds)
            if done:
                main.result()

        plant.clock.run(bounded())
        plant.power_off()
