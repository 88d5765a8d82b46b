# SPDX-License-Identifier: Apache-2.0
"""What can go wrong at the counter. str() of each is one or more plain sentences for the clerk."""

# What a card means by the status it answers with (libfreefare, proxmark3 protocols.h).
STATUS_WORDS = {
    0x0C: "there was nothing to change",
    0x0E: "its memory is full",
    0x1C: "it does not know this command",
    0x1E: "the message reached it damaged",
    0x40: "it has no such key",
    0x7E: "the message had the wrong length",
    0x9D: "this is not allowed",
    0x9E: "a parameter was wrong",
    0xA0: "it has no such application",
    0xA1: "the application on it is damaged",
    0xAE: "the key does not fit",
    0xBE: "the file has no such place",
    0xC1: "the card is damaged",
    0xCA: "it was still busy with another command",
    0xCD: "the card is disabled",
    0xCE: "it has no room for another application",
    0xDE: "this exists already",
    0xEE: "its memory cannot be written",
    0xF0: "it has no such file",
    0xF1: "a file on it is damaged",
}


class VendError(Exception):
    """Anything this package refuses or cannot do."""


class Refused(VendError):
    """A rule forbids it; nothing was changed."""


class CardError(VendError):
    """The card did not do what it was asked."""


class CardGone(CardError):
    """The card left the field. What it did with the last command is not known."""

    def __init__(self, text: str = "The card is gone. Put it back on the reader and try again."):
        super().__init__(text)


class CardStatus(CardError):
    """The card answered with a status other than success. `status` is that byte."""

    def __init__(self, status: int, command: int):
        why = STATUS_WORDS.get(status, "it gave no known reason")
        super().__init__(f"The card refused command {command:02X}: {why} (status {status:02X}).")
        self.status = status


class CardUntrusted(CardError):
    """The other side does not hold the key, or an answer was changed on its way."""


class FormatError(VendError):
    """Bytes are not the record they should be, or values do not fit into one."""


class KeyFileError(VendError):
    """The key file cannot be read, opened or written."""


class JournalError(VendError):
    """The journal cannot be used, or would contradict itself."""


class ReaderError(VendError):
    """There is no reader, or none of that name."""
