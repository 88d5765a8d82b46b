# SPDX-License-Identifier: Apache-2.0
# What the ESP32 port does between reset and main.py: mount LittleFS at /, set sys.path, run the scripts.
# The stand-ins must be loaded first: once / is LittleFS, the host's files are out of reach.
import gc
import os
import sys

import esp32
import machine
import select
import time
import vfs

import tasks

sys.modules["_asyncio"] = tasks


def _start():
    gc.collect()
    print("BENCH heap_free_at_reset=%d" % gc.mem_free())
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(esp32.Partition.find(1, label="vfs")[0]), "/")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    for name in ("boot.py", "main.py"):
        execfile(name, {"__name__": "__main__"})  # noqa: F821 (MicroPython has it: the text is not kept)


_start()
