# SPDX-License-Identifier: Apache-2.0
# Runs before main.py. From here on nothing is looked for in / any more, where anybody may have left a file: first the
# loader alone, then what is frozen into MicroPython, and the slot the loader has chosen (loader/start.py).
import gc
import sys

# The loader and the firmware are loaded now. What loading leaves behind must go at once: else what stays lies scattered
# between it, and the largest free piece of the heap is 6 KB instead of 40.
gc.threshold(4096)
sys.path[:] = [".frozen"]

import machine

machine.WDT(timeout=30_000)  # should the loader not even load
# The port starts at 160 MHz. Half as fast again for loading, signatures and cards; what that takes, mains gives.
machine.freq(240_000_000)


def alone():
    """Remove all but the loader from its folder: of two of a name, the source or the folder would be taken."""
    import os

    folders = ["/boot"]
    for folder in folders:
        for name, kind, *_ in list(os.ilistdir(folder)):
            path = folder + "/" + name
            if kind == 0x4000:
                folders.append(path)
            elif path != "/boot/loader.mpy":
                print("boot: removed", path)
                os.remove(path)
    for folder in folders[:0:-1]:
        os.rmdir(folder)


try:
    import loader
except ImportError:  # not frozen
    alone()
    sys.path.append("/boot")
    import loader

loader.run()

del alone, loader, gc, machine, sys  # main.py runs in the same namespace
