# SPDX-License-Identifier: Apache-2.0
"""The clerk's end of the IC card: issue, sell, read back, replace; and the supplier's utility cards.

A library first. The commands (`python -m scripts.vend`) are a thin layer over it:

    errors        what can go wrong, each with one plain sentence
    units         money, energy and time as text, exactly
    crypto        AES-CBC, CMAC, AN10922
    desfire       DESFire EV1 secure messaging, the terminal's side
    formats       records of the user card       utility_formats    records of the utility card
    signing       sale and order keys, Ed25519
    keys          masters and what is derived    keyfile            all keys under a passphrase
    journal       what was sold, proof against a crash between card and file
    personalise   a blank card gets application, keys and files
    user_card     read and sell                  issuing            issue and replace
    correcting    mistakes are put right
    meter_rules   a meter's own check of a document
    utility_card  settings, tariff, keys, public keys, relay test, read-out, cover reset
    readers       simulated cards and PC/SC

Everywhere: money in millionths of the currency unit, energy in counts of 3125 uWh, time in seconds since
2000-01-01 UTC, all of them integers.
"""
