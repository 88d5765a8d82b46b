# SPDX-License-Identifier: Apache-2.0
"""The calibration document: check sum, hash and registers by rising addresses whatever order they came in; no register
of any part but those its driver names."""

import json

from meter.core import settings as config
from meter.core.errors import ConfigError
from meter.documents import calibration_doc

# Check sum and hash were computed apart (zlib and hashlib over the text documents/calibration_doc.py states).
TEXT = (
    '{"serial": "PW00000001", "ic": "atm90e32", "current_scale": 2, "sealed": true, "crc32": "CRC",'
    ' "registers": {"6C": 5, "61": 58395, "48": 32771, "62": 33012}}'
)
CRC = "6C18FBE5"
SHA256 = "23bf12bd67aee4cfcd5cb1e0baa7b043aeeba70889db1c8fbd643e677da528d9"
PART = ("atm90e32", b"\x40\x4f\x61\x6c", b"\x61\x62", b"\x47")


def settings(scale=2):
    setup = config.Settings()
    setup.meter_number = "PW00000001"
    setup.current_scale = scale
    return setup


def parsed(text, part=PART, scale=2):
    return calibration_doc.parse(json.loads(text), settings(scale), part)


def refused(path, part=PART, scale=2, find="", put=""):
    try:
        parsed(TEXT.replace("CRC", CRC).replace(find, put) if find else TEXT.replace("CRC", CRC), part, scale)
    except ConfigError as e:
        assert e.path == path
    else:
        raise AssertionError("accepted")


def test_registers_come_by_rising_address():
    (addresses, words), seal = parsed(TEXT.replace("CRC", CRC))
    assert seal == bytes.fromhex(SHA256)
    assert (addresses, list(words)) == (b"\x48\x61\x62\x6c", [0x8003, 0xE41B, 0x80F4, 5])


def test_the_driver_is_given_pairs():
    setup = config.Settings()
    setup.calibrated, _ = parsed(TEXT.replace("CRC", CRC))
    assert list(setup.calibration) == [(0x48, 0x8003), (0x61, 0xE41B), (0x62, 0x80F4), (0x6C, 5)]


def test_one_changed_bit_is_refused():
    refused("crc32", find="58395", put="58394")


def test_a_document_for_another_ic_is_refused_whatever_its_registers():
    refused("ic", ("ade9000",) + PART[1:])


def test_the_registers_allowed_are_those_the_board_gives():
    refused("registers.48", ("atm90e32", b"\x49\x4f\x61\x6c") + PART[2:])
    refused("registers.6C", ("atm90e32", b"\x40\x4f\x61\x6b") + PART[2:])


def test_a_document_of_another_current_scale_than_the_settings_is_refused():
    refused("current_scale", scale=1)
