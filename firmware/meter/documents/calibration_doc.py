# SPDX-License-Identifier: Apache-2.0
"""The calibration document: what a test bench found for this meter's IC and its front end.

    {"serial": "00012345", "ic": "atm90e32", "current_scale": 1, "registers": {"61": 58395, "62": 33012},
     "sealed": false, "crc32": "218EE2D1"}

serial is the meter's number, ic the name of its board's metering IC, as that part's driver gives it. registers: address
in hexadecimal -> word; those that a calibration of this part may set (its driver says so, too), and no other: what the
settings decide, as pulse constant, mode and thresholds, is not among them. current_scale must be that of the settings;
Igain is the one of current_scale 1, and the driver halves it for 2. crc32, eight hexadecimal digits, is over the text
    serial|ic|current_scale|sealed as 0 or 1|61=E41B,62=80F4
with addresses rising, digits in capitals, "," between registers. It finds damage; who changes a document on purpose
can compute it.
A sealed document is the only one its meter takes from then on: the SHA-256 of the same text is kept (storage/seal.py).
"""

from array import array
from binascii import crc32
from hashlib import sha256

from meter.core.errors import ConfigError
from meter.core.limits import GAIN_MIN, TRIM_MIN
from meter.documents.checks import integer, keys

_KEYS = ("serial", "ic", "current_scale", "registers", "sealed", "crc32")


def parse(doc, setup, part) -> tuple:
    """((addresses, words), seal) of a document; ConfigError naming what is wrong.

    setup: the settings, for scale and number of the meter; one that has no number yet takes any. part: calibrated() of
    the board's metering IC. seal: SHA-256 of the text above if the document is sealed, else empty.
    """
    keys(doc, "", _KEYS)
    for key in _KEYS:
        if key not in doc:
            raise ConfigError(key, "is missing")
    serial = doc["serial"]
    if type(serial) is not str or (setup.meter_number and serial != setup.meter_number):
        raise ConfigError("serial", "is of another meter: %s, and this is %s" % (serial, setup.meter_number))
    ic, may, gains, trims = part
    if doc["ic"] != ic:
        raise ConfigError("ic", "is %s, and this board has %s" % (doc["ic"], ic))
    scale = integer(doc["current_scale"], "current_scale", 1, 2)
    if scale != setup.current_scale:
        raise ConfigError("current_scale", "is %d, and by the settings' max_a it is %d" % (scale, setup.current_scale))
    sealed = doc["sealed"]
    if type(sealed) is not bool:
        raise ConfigError("sealed", "must be true or false")
    found = _table(doc["registers"], may)
    for addr, word in zip(*found):
        if addr in gains and word < GAIN_MIN:
            raise ConfigError("registers.%02X" % addr, "%d is a gain below %d" % (word, GAIN_MIN))
        if addr in trims and 0x8000 <= word < 0x10000 + TRIM_MIN:
            raise ConfigError("registers.%02X" % addr, "%d takes more than half of the power away" % word)
    crc, seal = _sums(("%s|%s|%d|%d|" % (serial, ic, scale, 1 if sealed else 0)).encode(), found)
    if doc["crc32"] != "%08X" % crc:
        raise ConfigError("crc32", "is not %08X: the document is damaged, or was changed by hand" % crc)
    return found, seal if sealed else b""


def _sums(text, found):
    """(CRC-32, SHA-256) of the text above."""
    crc = crc32(text)
    whole = sha256(text)
    comma = ""
    for addr, word in zip(*found):
        text = ("%s%02X=%04X" % (comma, addr, word)).encode()
        crc = crc32(text, crc)
        whole.update(text)
        comma = ","
    return crc, whole.digest()


def _table(registers, may):
    if type(registers) is not dict:
        raise ConfigError("registers", "must be a JSON object")
    found = {}
    for key in registers:
        path = "registers." + key
        try:
            addr = int(key, 16)
        except ValueError:
            addr = -1
        if key != "%02X" % addr or not any(may[i] <= addr <= may[i + 1] for i in range(0, len(may), 2)):
            raise ConfigError(path, "is not a register a calibration may set")
        found[addr] = integer(registers[key], path, 0, 0xFFFF)
    rising = sorted(found)
    return bytes(rising), array("H", [found[addr] for addr in rising])
