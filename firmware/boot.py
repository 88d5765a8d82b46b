# SPDX-License-Identifier: Apache-2.0
# Runs before main.py: counts the start, see services/starts.py. Choosing between two versions will go here.
import gc

# This loads the firmware. What loading leaves behind must go at once: else what stays lies scattered between it, and
# the largest free piece of the heap is 6 KB instead of 40.
gc.threshold(4096)

from meter.services import starts

starts.begin()

del starts  # main.py runs in the same namespace, and lets go of the module
