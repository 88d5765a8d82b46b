# SPDX-License-Identifier: Apache-2.0
"""Frozen into production firmware; runs before boot.py and mounts LittleFS of the partition `vfs` at /.

MicroPython's own module of this name says for ever that the file system is corrupted, and boot.py is never reached.
This one always comes to its end. A blank partition is formatted; anything else that does not mount is left as it is,
because a meter's credit may be on it. Then nothing is mounted, and the reason is in sys.modules["_boot"].trouble: on
the console of the loader it tells a service person what to repair. With all well, trouble is "".

Geometry as in scripts/image/image.py. No times are kept: the clock may be wrong, and each would cost a write.
"""

import gc
import sys


class Boot:
    """What is left of this module, which the port runs but does not import."""

    trouble = ""


def _never_used(flash) -> bool:
    """Blank, or no more than formatting puts there: power may have failed before it was done.

    That writes 64 bytes to each of the first two blocks, and with one file there would be more.
    """
    buf = bytearray(flash.ioctl(5, 0))
    blank = bytes(b"\xff" * len(buf))
    for block in range(flash.ioctl(4, 0)):
        flash.readblocks(block, buf)
        if buf != blank and (block > 1 or buf[64:] != blank[64:]):
            return False
    return True


def _mount() -> None:
    import vfs
    from esp32 import Partition

    found = Partition.find(Partition.TYPE_DATA, label="vfs")
    if not found:
        raise OSError("there is no partition vfs")
    flash = found[0]
    how = {"readsize": 32, "progsize": 32, "lookahead": 32, "mtime": False}
    try:
        root = vfs.VfsLfs2(flash, **how)
    except OSError:
        if not _never_used(flash):  # noqa: F821 - it is let go below
            raise
        vfs.VfsLfs2.mkfs(flash, **how)
        root = vfs.VfsLfs2(flash, **how)
    vfs.mount(root, "/")


sys.modules["_boot"] = Boot  # pyright: ignore[reportArgumentType]
try:
    import console  # pyright: ignore[reportMissingImports]

    console.attach()
except ImportError:
    pass  # the REPL is the console: a development build
except Exception as e:
    Boot.trouble = "console: %r" % e
try:
    _mount()
except Exception as e:
    Boot.trouble = "file system: %r" % e

del _mount, _never_used, Boot  # boot.py runs in the same namespace
gc.collect()
