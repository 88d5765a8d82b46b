# SPDX-License-Identifier: Apache-2.0
# Frozen into production firmware. The variant DEVELOPMENT has ../port/manifest.py alone.
# MicroPython's tools/manifestfile.py defines the functions.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false
include("../port/manifest.py")
module("console.py", base_path="../modules")
