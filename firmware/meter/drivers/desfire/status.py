# SPDX-License-Identifier: Apache-2.0
"""DESFire's status codes, the first byte of every answer, and what the meter takes them for.

Source: NXP's names and numbers as libfreefare (freefare.h) and proxmark3 (desfire.h) have them. With any code that is
not here, the card is not one of the scheme.
"""

from micropython import const

from meter.core import codes
from meter.core.errors import CardError

OPERATION_OK = const(0x00)
ILLEGAL_COMMAND_CODE = const(0x1C)  # the card does not know this command
PERMISSION_DENIED = const(0x9D)
APPLICATION_NOT_FOUND = const(0xA0)
AUTHENTICATION_ERROR = const(0xAE)
ADDITIONAL_FRAME = const(0xAF)  # half of a login: the card waits for the other half


def expect(answer, status: int, n: int) -> None:
    """Raise CardError for an answer of another status or length: CARD_UNKNOWN, CARD_AUTH or CARD_MALFORMED."""
    got = answer[0] if answer else -1
    if got == status and len(answer) == n:
        return
    if got == APPLICATION_NOT_FOUND:
        code = codes.CARD_UNKNOWN
    elif got in (AUTHENTICATION_ERROR, PERMISSION_DENIED):
        code = codes.CARD_AUTH
    else:
        code = codes.CARD_MALFORMED
    raise CardError(code, "status %02x" % (got & 0xFF))
