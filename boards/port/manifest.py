# SPDX-License-Identifier: Apache-2.0
# What is frozen into every meter: asyncio, the start, the loader. Of the stock manifest, webrepl, mip, requests, upysh
# and the drivers of parts a meter has not are left out. machine.py is the port's: machine.Counter is in it.
# MicroPython's tools/manifestfile.py defines the functions.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false
include("$(MPY_DIR)/extmod/asyncio")
module("machine.py", base_path="$(PORT_DIR)/modules")
module("_boot.py", base_path="../modules")
module("boot.py", base_path="../../firmware")
module("main.py", base_path="../../firmware")  # else the file system's would run, no matter who wrote that
package("loader", base_path="../../firmware", opt=2)
