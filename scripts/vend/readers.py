# SPDX-License-Identifier: Apache-2.0
"""Where the card is: `sim:FILE`, a simulated card kept in a file, or `pcsc[:NAME]`, a reader on this computer.

Both carry native commands; PC/SC wraps them as ISO 7816 has it (90 INS 00 00, answer 91 SS).
Errors: ReaderError in words when there is no such reader, CardGone when the card has left.
"""

import contextlib
from pathlib import Path

from scripts.supplier.errors import CardError, CardGone, ReaderError

from .desfire import NATIVE_FRAME_N, Carrier

_WRAPPED_FRAME_N = 56  # libfreefare: 55 bytes of payload stay within a reader's frame, plus the code
_UID_N = 7


def open_reader(spec: str) -> Carrier:
    """The card of a --card option."""
    kind, _, rest = spec.partition(":")
    if kind == "sim" and rest:
        return SimReader(Path(rest))
    if kind == "pcsc":
        return PcscReader(rest)
    raise ReaderError(f"There is no card at {spec!r}. Say pcsc, pcsc:NAME or sim:FILE.")


class SimReader:
    """A simulated card in a JSON file. A file that does not exist yet is a blank card with a number of its own."""

    frame_n = NATIVE_FRAME_N

    def __init__(self, path: Path):
        try:
            from scripts.chips.card_file import CardFile  # not there in an installation without the bench
        except ImportError:
            raise ReaderError("Simulated cards need the test bench: run this from the source tree.") from None
        self._path = path
        try:
            self.card = CardFile(path)
        except OSError as e:
            raise ReaderError(f"The simulated card {path} cannot be read: {e.strerror}.") from e
        except (ValueError, RecursionError) as e:
            raise ReaderError(f"{path} is not a simulated card: {e}. Name another file.") from e
        self.uid = self.card.uid
        self.card.field_on()

    def exchange(self, command: bytes) -> bytes:
        try:
            answer, _ = self.card.transceive(command)
        except OSError as e:
            raise ReaderError(f"The simulated card {self._path} cannot be written: {e.strerror}.") from e
        if answer is None:
            raise CardGone
        return answer

    def close(self) -> None:
        self.card.field_off()


class PcscReader:
    """A contactless reader with PC/SC, such as the ACR122U, through pyscard. name: a part of the reader's name."""

    frame_n = _WRAPPED_FRAME_N

    def __init__(self, name: str = ""):
        try:
            # Apart from the other tools: it must be built on the shop's computer.
            from smartcard.Exceptions import (  # pyright: ignore[reportMissingImports]
                CardConnectionException,
                NoCardException,
                SmartcardException,
            )
            from smartcard.System import readers  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise ReaderError(
                "For a PC/SC reader, pyscard and the system's PC/SC service are needed:"
                " install pcscd, libpcsclite-dev, swig and a C compiler,"
                " then run 'build/venv/bin/pip install -r scripts/lock/pcsc.txt'."
            ) from None
        self._gone = (CardConnectionException, NoCardException)
        try:
            present = readers()
        except SmartcardException as e:
            raise ReaderError(f"The PC/SC service does not answer ({e}). Start pcscd.") from e
        fitting = [reader for reader in present if name.lower() in str(reader).lower()]
        if not fitting:
            there = ", ".join(str(reader) for reader in present) or "none at all"
            raise ReaderError(f"There is no card reader{f' {name!r}' if name else ''}; there is {there}. Plug it in.")
        self._connection = fitting[0].createConnection()
        try:
            self._connection.connect()
        except self._gone:
            raise CardGone("There is no card on the reader. Put it there and try again.") from None
        self.uid = self._card_number()

    def _transmit(self, apdu):
        try:
            data, sw1, sw2 = self._connection.transmit(list(apdu))
        except self._gone:
            raise CardGone from None
        return bytes(data), sw1, sw2

    def _card_number(self):
        uid, sw1, _ = self._transmit(b"\xff\xca\x00\x00\x00")
        if sw1 != 0x90 or len(uid) != _UID_N:
            raise CardError("This is no DESFire card, or one that hides its number. Take a DESFire EV1 or later.")
        return uid

    def exchange(self, command: bytes) -> bytes:
        data, sw1, sw2 = self._transmit(wrapped(command))
        if sw1 == 0x91:
            return bytes((sw2,)) + data
        if (sw1, sw2) in ((0x63, 0x00), (0x64, 0x00), (0x64, 0x01)):  # how readers say that no card answered
            raise CardGone
        raise CardError(
            f"The reader answered {sw1:02X}{sw2:02X}, which no DESFire says. Take the card off and try again."
        )

    def close(self) -> None:
        with contextlib.suppress(*self._gone):  # it may be away already
            self._connection.disconnect()


def wrapped(command: bytes) -> bytes:
    """A native command as an ISO 7816-4 APDU."""
    data = command[1:]
    length = bytes((len(data),)) + data if data else b""
    return b"\x90" + command[:1] + b"\x00\x00" + length + b"\x00"
