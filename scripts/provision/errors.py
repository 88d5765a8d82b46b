# SPDX-License-Identifier: Apache-2.0
"""What can go wrong when a meter gets its identity. str() of each is one or more plain sentences, the last one what to
do. `code` is the exit code: 2, nothing was begun because it must not be; 1, it did not come to its end."""

import re

# Longer runs of hexadecimal digits may be a part of a key, whatever quotes them.
_HEX = re.compile(r"[0-9A-Fa-f]{6,}")


class ProvisionError(Exception):
    """Anything this package refuses or cannot do."""

    code = 2


class RefusedError(ProvisionError):
    """A rule forbids it; nothing was changed."""


class DocumentError(ProvisionError):
    """A document is not one that a meter would take."""


class FileError(ProvisionError):
    """A file or folder on this computer cannot be read or written."""


class BoardError(ProvisionError):
    """The board did not do what it was asked, or does not hold what it was given."""

    code = 1


class StartError(ProvisionError):
    """The meter did not come up as the meter it was made."""

    code = 1


def without_keys(text: str) -> str:
    """What somebody else said, in one line and with nothing in it that could be a key."""
    return _HEX.sub("…", " ".join(text.split()))
