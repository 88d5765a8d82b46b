# SPDX-License-Identifier: Apache-2.0
"""MicroPython's hardware modules, on the bench: each access is a request to the plant."""
