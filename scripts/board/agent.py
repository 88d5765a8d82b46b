# SPDX-License-Identifier: Apache-2.0
"""What of this tool runs on the board, as text: MicroPython that needs nothing of the firmware. Braces get values."""

# For a board whose firmware was stopped: an hour for its watchdog, no start to count, its heap back. Firmware runs
# where its modules are; where only the file is that its loader keeps, it ran before a soft reset, and its watchdog
# still does.
CALM = """
import sys, os, gc
def _calm():
    runs = 'meter' in sys.modules
    if not runs:
        try:
            os.stat('/boot.bin')
            runs = True
        except OSError:
            pass
    if runs:
        import machine
        machine.WDT(timeout=3600000)
        machine.RTC().memory(b'')
        for name in list(sys.modules):
            if name != 'sys':
                del sys.modules[name]
_calm()
for _name in list(globals()):
    if _name[:2] != '__':
        del globals()[_name]
import gc
gc.collect()
"""
_HASH = """
def _hash(path):
    import hashlib, binascii
    h = hashlib.sha256()
    b = bytearray(512)
    m = memoryview(b)
    try:
        f = open(path, 'rb')
    except OSError:
        return '-'
    with f:
        while True:
            n = f.readinto(b)
            if not n:
                return binascii.hexlify(h.digest()).decode()
            h.update(m[:n])
"""
HASHES = _HASH + """
for _n in {paths!r}:
    print(_hash(_n))
"""
# Makes the folders, and says: SHA-256 of the file there is, bytes of what an earlier try left, bytes free.
PREPARE = _HASH + """
import os
for _n in {folders!r}:
    try:
        os.stat(_n)
    except OSError:
        os.mkdir(_n)
try:
    _n = os.stat({new!r})[6]
except OSError:
    _n = 0
_v = os.statvfs('/')
print(_hash({path!r}), _n, _v[0] * _v[3])
"""
FINISH = _HASH + """
import os
_f.close()
_n = _hash({new!r})
os.rename({new!r}, {path!r}) if _n == {digest!r} else os.remove({new!r})
print('written', _n)
"""
GIVE_UP = """
import os
try:
    _f.close()
except NameError:
    pass
os.remove({new!r})
"""
