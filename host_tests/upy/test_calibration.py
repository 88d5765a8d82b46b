# SPDX-License-Identifier: Apache-2.0
"""The calibration document: its check sum, and registers by rising addresses whatever order they came in."""

import json

from meter.core import calibration, config
from meter.core.errors import ConfigError

# The check sum was computed apart (zlib over the text calibration.py states).
TEXT = (
    '{"serial": "PW00000001", "ic": "atm90e32", "current_scale": 2, "sealed": true, "crc32": "CRC",'
    ' "registers": {"6C": 5, "61": 58395, "48": 32771, "62": 33012}}'
)
CRC = "6C18FBE5"


def parsed(text):
    setup = config.Settings()
    setup.meter_number = "PW00000001"
    return calibration.parse(json.loads(text), setup)


def test_registers_come_by_rising_address():
    scale, (addresses, words), seal = parsed(TEXT.replace("CRC", CRC))
    assert (scale, seal) == (2, int(CRC, 16))
    assert (addresses, list(words)) == (b"\x48\x61\x62\x6c", [0x8003, 0xE41B, 0x80F4, 5])


def test_the_driver_is_given_pairs():
    setup = config.Settings()
    _, setup.calibrated, _ = parsed(TEXT.replace("CRC", CRC))
    assert list(setup.calibration) == [(0x48, 0x8003), (0x61, 0xE41B), (0x62, 0x80F4), (0x6C, 5)]


def test_one_changed_bit_is_refused():
    try:
        parsed(TEXT.replace("CRC", CRC).replace("58395", "58394"))
    except ConfigError as e:
        assert e.path == "crc32"
    else:
        raise AssertionError("accepted")
