# SPDX-License-Identifier: Apache-2.0
# Runs before main.py. Where the port has no buffer for it, a traceback needs a reserve when memory is gone.
import micropython

if hasattr(micropython, "alloc_emergency_exception_buf"):
    micropython.alloc_emergency_exception_buf(100)
