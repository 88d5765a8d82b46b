# SPDX-License-Identifier: Apache-2.0
# What the ESP32 port does between reset and main.py: mount LittleFS at /, set sys.path, run the scripts.
# The stand-ins must be loaded first: once / is LittleFS, the host's files are out of reach.
import sys

import standins

# What only builds that run code in place have (inplace.py).
import os

if os.getenv("PENNYWATT_ROMFS"):
    import inplace

    sys.modules["vfs"] = sys.modules["hashlib"] = inplace
del os

# All of them are one module (process.py links them): each costs heap that a board would have.
for name in ("esp", "esp32", "gc", "machine", "select", "time", "_asyncio"):
    sys.modules[name] = standins

# The i386 build's own functions have the ESP32's period; the amd64 build's have 2**62.
if sys.maxsize == 0x7FFFFFFF:
    from utime import ticks_add, ticks_diff

    standins.ticks_add = ticks_add
    standins.ticks_diff = ticks_diff
    del ticks_add, ticks_diff


def _start():
    # What is imported here takes none of the heap that is measured.
    import builtins
    import gc
    import os

    import vfs
    from micropython import kbd_intr

    power = pow

    def modpow(*of):
        if len(of) > 2:
            n = 0
            while of[1] >> n > 1:
                n += 1
            standins.spend(3, n)  # POWER in ops.py
        return power(*of)

    builtins.pow = modpow
    gc.collect()
    print("BENCH heap_free_at_reset=%d" % (gc.mem_free() - standins.idf_heap_info(0)[0][2]))
    vfs.umount("/")
    standins.vfs = vfs.VfsLfs2(standins.Partition.find(1, label="vfs")[0])
    vfs.mount(standins, "/")
    os.chdir("/")
    kbd_intr(3)  # SIGINT is Ctrl-C
    sys.path[:] = ["", ".frozen", "/lib"]
    scope = {"__name__": "__main__"}  # one for both, as on a board
    for name in ("boot.py", "main.py"):
        execfile(name, scope)  # noqa: F821 (MicroPython has it: the text is not kept)


_start()
