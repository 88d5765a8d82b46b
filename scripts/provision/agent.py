# SPDX-License-Identifier: Apache-2.0
"""What runs on the meter's board while it gets its identity, as text. Each prints one line of JSON.

No key leaves the board: what is compared are SHA-256 sums, made there over what its file system gives back.
"""

import json

# The root's files with their sums, the chip's own number, what the port says it is.
LOOK = """
import os, sys, json, hashlib
from binascii import hexlify
def _sum(name):
    h = hashlib.sha256()
    b = bytearray(256)
    with open('/' + name, 'rb') as f:
        n = f.readinto(b)
        while n:
            h.update(memoryview(b)[:n])
            n = f.readinto(b)
    return hexlify(h.digest()).decode()
_found = {}
for _name in os.listdir('/'):
    if _name.endswith(('.json', '.old', '.bad', '.new', '.tmp', '.key')):
        _found[_name] = _sum(_name)
try:
    import machine
    _uid = hexlify(machine.unique_id()).decode()
except (ImportError, AttributeError):
    _uid = ''
print(json.dumps({'files': _found, 'uid': _uid, 'port': getattr(sys.implementation, '_machine', '')}))
"""

# Version, time and the sums of the keys; "damaged" when that is not what the file holds.
KEYS = """
import json, hashlib
from binascii import hexlify, unhexlify
try:
    with open('/keys.json') as _f:
        _d = json.load(_f)
    _s = {}
    for _p, _k in (('', _d), ('previous ', _d.get('previous') or {})):
        for _n in ('card_key', 'utility_key'):
            if _n in _k:
                _s[_p + _n] = hexlify(hashlib.sha256(unhexlify(_k[_n])).digest()).decode()
    for _n in ('sale', 'order'):
        _s[_n] = hexlify(hashlib.sha256(unhexlify(_d[_n][1])).digest()).decode()
    print(json.dumps({'version': _d['version'], 'made': _d['made'], 'sums': _s}))
except OSError:
    print('null')
except Exception:
    print('"damaged"')
_d = _k = None
"""

_REMOVE = """
import os
for _name in {names}:
    try:
        os.remove('/' + _name)
    except OSError as e:
        if e.errno != 2:
            raise
print('null')
"""

_FRAM = """
import json
from machine import Pin, SoftI2C
from binascii import hexlify
_b = SoftI2C(scl=Pin({scl}), sda=Pin({sda}), freq={freq})
try:
    print(json.dumps(hexlify(_b.readfrom_mem({addr}, {offset}, {size}, addrsize=16)).decode()))
except OSError:
    print('null')
"""


def remove(names: list[str]) -> str:
    return _REMOVE.format(names=json.dumps(names))


def read_fram(scl: int, sda: int, freq: int, addr: int, offset: int, size: int) -> str:
    """null: the part does not answer."""
    return _FRAM.format(scl=scl, sda=sda, freq=freq, addr=addr, offset=offset, size=size)
