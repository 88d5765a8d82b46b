# SPDX-License-Identifier: Apache-2.0
"""The calibration document: what a test bench found for this meter's IC and its front end.

    {"serial": "00012345", "ic": "atm90e32", "current_scale": 1, "registers": {"61": 58395, "62": 33012},
     "sealed": false, "crc32": "5C0E9D8A"}

serial is the meter's number, ic "atm90e32" or "atm90e26". registers: address in hexadecimal -> word; those of the part
that a calibration may set, and no other. Igain is that of current_scale 1: the driver halves it for 2. crc32, eight
hexadecimal digits, is over the text
    serial|ic|current_scale|sealed as 0 or 1|61=E41B,62=80F4
with addresses rising, digits in capitals, "," between registers.
A sealed document is the only one its meter takes from then on (storage/seal.py).
"""

from array import array
from binascii import crc32

from meter.core.checks import integer, keys
from meter.core.errors import ConfigError

_KEYS = ("serial", "ic", "current_scale", "registers", "sealed", "crc32")
# From, to of what a calibration may set. What the settings decide (pulse constant, mode, thresholds) is not among it.
# ATM90E32AS: DC offsets; segment, frequency and temperature compensation; PGA; power; fundamental; voltage, current.
_E32 = bytes((0x14, 0x1C, 0x20, 0x2F, 0x34, 0x34, 0x41, 0x4C, 0x51, 0x56, 0x61, 0x6C))
_E26 = bytes((0x23, 0x26, 0x31, 0x3A))  # ATM90E26: power gains and phases; voltage, current and offsets


def parse(doc, setup) -> tuple:
    """(current_scale, (addresses, words), seal) of a document; ConfigError naming what is wrong.

    setup: the settings, for the meter's number; one that has none yet takes any. seal: its check sum if it is sealed,
    else -1.
    """
    keys(doc, "", _KEYS)
    for key in _KEYS:
        if key not in doc:
            raise ConfigError(key, "is missing")
    serial = doc["serial"]
    if type(serial) is not str or (setup.meter_number and serial != setup.meter_number):
        raise ConfigError("serial", "is of another meter: %s, and this is %s" % (serial, setup.meter_number))
    ic = doc["ic"]
    if ic != "atm90e32" and ic != "atm90e26":
        raise ConfigError("ic", 'must be "atm90e32" or "atm90e26"')
    scale = integer(doc["current_scale"], "current_scale", 1, 2)
    sealed = doc["sealed"]
    if type(sealed) is not bool:
        raise ConfigError("sealed", "must be true or false")
    found = _table(doc["registers"], _E32 if ic == "atm90e32" else _E26)
    text = "%s|%s|%d|%d|" % (serial, ic, scale, 1 if sealed else 0)
    crc = crc32(text.encode())
    comma = ""
    for addr, word in zip(*found):
        text = "%s%02X=%04X" % (comma, addr, word)
        crc = crc32(text.encode(), crc)
        comma = ","
    if doc["crc32"] != "%08X" % crc:
        raise ConfigError("crc32", "is not %08X: the document is damaged, or was changed by hand" % crc)
    return scale, found, crc if sealed else -1


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
