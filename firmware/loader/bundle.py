# SPDX-License-Identifier: Apache-2.0
"""What a bundle looks like, and whose it is. The same head begins a bundle and lies in its slot as `manifest`.

    4s PWB1   u16 length of the manifest, little-endian   64 bytes Ed25519 over CONTEXT and the manifest's SHA-256
    manifest: lines of text
        version 0.6.0
        board esp32_devkit
        micropython 1.24            the oldest it runs on
        <sha256, hexadecimal> <bytes> <path>      one line a file, in the order of their contents
    the contents of the files, one behind the other

Nothing of a manifest is looked at before its signature has been verified, or its hash is the one in the boot state.
"""

import os
from binascii import hexlify
from hashlib import sha256

from micropython import const

from loader.errors import LoaderError

CONTEXT = b"pennywatt.pwb.1"
HEAD = const(70)  # bytes before the manifest
# Of operator keys this one is in everybody's hands: it signs for the bench and for boards that are nobody's meter.
DEMO = "92d3d638b0c723a8e2abb3ddcc30e6d2b663b4e02af971bde500d8cfe01143c6"
_MANIFEST_MAX = const(12288)
_FILES_MAX = const(96)
_BYTES_MAX = const(400_000)
_PART = const(512)
_LINE_MAX = const(160)


def open_head(path: str):
    """A bundle, or a slot's manifest: (file, at the first line; length of its manifest; SHA-256 of the head)."""
    try:
        f = open(path, "rb")
    except OSError:
        raise LoaderError("there is none")
    head = f.read(HEAD)
    length = head[4] | head[5] << 8 if len(head) == HEAD else 0
    if head[:4] != b"PWB1" or not 0 < length <= _MANIFEST_MAX:
        f.close()
        raise LoaderError("this is no bundle")
    digest = sha256(head)
    _hash(f, length, digest)
    f.seek(HEAD)
    return f, length, digest.digest()


def _hash(f, length, digest):
    while length > 0:
        part = f.read(min(length, _PART))
        if not part:
            f.close()
            raise LoaderError("it is cut short")
        digest.update(part)
        length -= len(part)


def signed(path: str, public) -> None:
    """Raises LoaderError unless the manifest has been signed with this key."""
    from loader.ed25519 import verify

    f, length, _ = open_head(path)
    digest = sha256()
    _hash(f, length, digest)
    f.seek(6)
    signature = f.read(64)
    f.close()
    if not verify(public, signature, CONTEXT + digest.digest()):
        raise LoaderError("its signature is not by this meter's operator")


def about(f):
    """The first three lines of the manifest behind an open head: (version, board, oldest MicroPython)."""
    said = []
    for name in ("version ", "board ", "micropython "):
        line = f.readline(_LINE_MAX)
        if not line.startswith(name.encode()) or not line.endswith(b"\n"):
            raise LoaderError("its manifest lacks " + name)
        said.append(line[len(name) : -1].decode())
    return said


def entries(f, length: int):
    """The lines that follow: for each file its SHA-256, bytes, path, checked. Raises LoaderError."""
    length += HEAD - f.tell()
    before = ""
    files = total = 0
    while length > 0:
        line = f.readline(_LINE_MAX)
        length -= len(line)
        parts = line.decode().split(" ")
        whole = length >= 0 and line.endswith(b"\n") and len(parts) == 3
        if not whole or len(parts[0]) != 64 or not parts[1].isdigit() or len(parts[1]) > 6:
            raise LoaderError("a line of its manifest is none")
        path = parts[2][:-1]
        files += 1
        total += int(parts[1])
        # Sorted, so none is there twice.
        if not _fit(path) or path <= before or files > _FILES_MAX or total > _BYTES_MAX:
            raise LoaderError("its manifest has a file it must not have: " + path)
        before = path
        yield bytes.fromhex(parts[0]), int(parts[1]), path
    if not files:
        raise LoaderError("it has no files")


def _fit(path):
    """Small letters, digits, _ and single slashes, .mpy at the end: no way out of the slot, nothing that hides code."""
    if len(path) > 60 or not path.endswith(".mpy") or path.count("/") > 3:
        return False
    for part in path[:-4].split("/"):
        if not part:
            return False
        for c in part:
            if not ("a" <= c <= "z" or "0" <= c <= "9" or c == "_"):
                return False
    return True


def check_file(f, digest, size: int, out=None) -> bool:
    """Do the next size bytes of f have this SHA-256? out: a file that they are copied to."""
    found = sha256()
    while size > 0:
        part = f.read(min(size, _PART))
        if not part:
            return False
        found.update(part)
        if out:
            out.write(part)
        size -= len(part)
    return found.digest() == digest


def key(root: str = ""):
    """The public key of who may give this meter firmware, or None. A provisioned meter does not take the demo key."""
    try:
        with open(root + "/trust.key", "rb") as f:
            public = f.read(33)
    except OSError:
        return None
    if len(public) != 32:
        return None
    if hexlify(public) == DEMO.encode() and _provisioned(root):
        return None
    return public


def _provisioned(root):
    import json

    for name in ("/settings.json", "/settings.old"):
        try:
            with open(root + name) as f:
                if json.load(f).get("provisioned"):
                    return True
        except (OSError, ValueError, AttributeError):
            pass
    return False


def remove(path: str) -> None:
    """A file, or a folder with all that is in it, however deep; nothing, if there is none."""
    left = [path]
    while left:
        path = left[-1]
        try:
            kind = os.stat(path)[0]
        except OSError:
            left.pop()
            continue
        inside = os.listdir(path) if kind & 0x4000 else ()
        if inside:
            left.extend([path + "/" + name for name in inside])
        elif kind & 0x4000:
            os.rmdir(path)
        else:
            os.remove(path)
