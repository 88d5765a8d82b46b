# SPDX-License-Identifier: Apache-2.0
"""Calibration of a meter's IC on a test bench, and a look at how it is connected.

A library first. The commands (`python -m scripts.calibrate`) are a thin layer over it:

    errors      what can go wrong, each with one plain sentence and what to do about it
    formulas    what to put into a register, by the application note; integers only
    document    calibration.json: check sum, seal, file
    link        what reads and writes the registers of a part      sim     the same, of the chip model
    board       a real board, through its raw REPL                 agent   the part of it that runs there
    ic          a part under the firmware's own configuration: voltages, currents, powers
    reference   what the test bench says: typed, or by lines from a reference meter
    guide       the steps, in their order                          verify  what error is left
    checkup     CTs turned or swapped, phases missing or out of order, neutral lost
    firmware    where the firmware's sources are

Everywhere: voltage in uV, current in uA, power in uW, as integers; phases 0, 1, 2 are A, B, C.
"""
