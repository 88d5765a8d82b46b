# SPDX-License-Identifier: Apache-2.0
"""Set up build/: Python tools, MicroPython, npm packages."""
