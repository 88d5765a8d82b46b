# SPDX-License-Identifier: Apache-2.0
"""Firmware onto real boards: a bare one, one that has it already, and a flash image for the factory.

A library first. The commands (`python -m scripts.flash`) are a thin layer over it:

    errors     what can go wrong, each with one plain sentence and what to do about it
    ports      serial ports of this computer, and why one cannot be used
    boards     what boards/<name>/ says: chip, flash, pinned MicroPython, partition table
    download   the pinned MicroPython image, checked
    layout     what goes where on the flash; the whole image
    rom        the chip's ROM loader, through esptool
    device     MicroPython on a board, through mpremote
    clock      its clock and its DS3231, in UTC
    console    what a board says: its REPL, a start up to the SELFTEST line
    install    loader files and a bundle onto a board, and the start after it
    process    a program that runs, watched          show   what is printed

Everywhere: sizes and offsets in bytes, times in seconds, progress as (bytes done, bytes altogether).
"""
