# SPDX-License-Identifier: Apache-2.0
"""DESFire's status codes and limits, and how a refusal travels inside the model of the card."""

OK, NO_CHANGES, MEMORY, ILLEGAL, INTEGRITY = 0x00, 0x0C, 0x0E, 0x1C, 0x1E
NO_KEY, LENGTH, DENIED, PARAMETER, NO_APP = 0x40, 0x7E, 0x9D, 0x9E, 0xA0
NOT_AUTH, MORE, BOUNDARY, ABORTED, DUPLICATE, NO_FILE = 0xAE, 0xAF, 0xBE, 0xCA, 0xDE, 0xF0

FRAME_MAX = 60
FREE, NEVER = 14, 15
PICC = bytes(3)

PLAIN, MACED, FULL = 0, 1, 3


class Status(Exception):
    """A command is refused with this status code: the session, and what was not committed, are gone."""
