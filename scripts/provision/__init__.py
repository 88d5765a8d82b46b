# SPDX-License-Identifier: Apache-2.0
"""Who a meter is: number, board variant, keys, tariff, settings, and whose firmware it takes.

A library first; the commands (`python -m scripts.provision`) are a thin layer over it:

    errors      what can go wrong, and with which exit code
    trust       the operator's public key for firmware bundles
    firmware    the firmware's own word on documents; JSON that means the same to everybody
    identity    the documents of one meter, made and checked; nothing is written yet
    folder      documents as files, whole or not at all
    numbers     the journal: no number twice
    agent       what runs on the meter's board, as text
    found       what was on a board, and what would change: refused unless somebody agrees
    board       a meter on a port: look, write, read back
    console     the self-test's line after a restart
    sealing     the calibration's seal (that of scripts/calibrate and the firmware; there is no other)
    label       the label for the housing
    batch       many meters from a table
    zones       utc_offset_min and dst of a place, by its name in the time zone database

Keys come from the shop's key file and are derived by the shop's own code (scripts/vend), so that its cards open.
No key is printed, named in an error or put anywhere but into keys.json.
"""
