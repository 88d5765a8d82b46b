# SPDX-License-Identifier: Apache-2.0
# Runs before main.py. From here on nothing is looked for in / any more, where anybody may have left a file: first the
# loader alone, then what is frozen into MicroPython, and the slot the loader has chosen (loader/start.py).
import gc
import sys

# The loader and the firmware are loaded now. What loading leaves behind must go at once: else what stays lies scattered
# between it, and the largest free piece of the heap is 6 KB instead of 40.
gc.threshold(4096)
sys.path[:] = [".frozen", "/boot"]

import loader

loader.run()

del loader, gc, sys  # main.py runs in the same namespace
