# SPDX-License-Identifier: Apache-2.0
"""NTAG213 (an Ultralight in effect): a sticker or key fob somebody holds to the reader. No ISO 14443-4, no keys.

Source: NXP data sheet NTAG213/215/216, 8.5 (memory), 10.2 READ, 10.4 WRITE. Through the PN532's InDataExchange only
READ and WRITE work, as users of nfcpy found. A tag that refuses (NAK) falls back to idle: here, as to a reader that
then waits in vain, it is mute until the field has been off.
Not modelled: GET_VERSION, FAST_READ, passwords, the counter, and writing the pages of the configuration.
"""

PAGES = 45
_USER = range(4, 40)
_BUSY_US = 2_000


class NtagCard:
    atqa = b"\x00\x44"
    sak = 0x00
    ats = b""  # no ISO 14443-4

    def __init__(self, uid: bytes):
        if len(uid) != 7:
            raise ValueError("an NTAG's UID has 7 bytes")
        self.uid = uid
        self.exchanges = 0
        self.on_pulled = None
        checks = (0x88 ^ uid[0] ^ uid[1] ^ uid[2], uid[3] ^ uid[4] ^ uid[5] ^ uid[6])
        head = uid[:3] + bytes(checks[:1]) + uid[3:] + bytes((checks[1], 0x48, 0, 0))
        self.memory = bytearray(head + b"\xe1\x10\x12\x00").ljust(4 * PAGES, b"\0")
        self._mute = False

    def field_on(self) -> None:
        self._mute = False

    def field_off(self) -> None:
        self._mute = False

    def transceive(self, command: bytes):
        """(answer, busy_us), or (None, 0): no answer, or a NAK, which ends the same way."""
        self.exchanges += 1
        answer = None if self._mute else self._carry_out(command)
        if answer is None:
            self._mute = True
            return None, 0
        return answer, _BUSY_US

    def _carry_out(self, command):
        code, page = command[:1], command[1] if len(command) > 1 else PAGES
        if page >= PAGES:
            return None
        if code == b"\x30" and len(command) == 2:
            return bytes((self.memory * 2)[4 * page : 4 * page + 16])  # rolls over to page 0
        if code == b"\xa2" and len(command) == 6 and page >= 2:
            return self._write(page, command[2:])
        return None

    def _write(self, page, data):
        at = 4 * page
        if page in _USER:
            if self._locked(page):
                return None
            self.memory[at : at + 4] = data
        elif page == 3 and not self._locked(page):  # one-time programmable: bits are only ever set
            self.memory[at : at + 4] = bytes(a | b for a, b in zip(self.memory[at : at + 4], data, strict=True))
        elif page == 2:  # the last two bytes lock pages 3 to 15
            self.memory[at + 2] |= data[2]
            self.memory[at + 3] |= data[3]
        else:
            return None
        return b""

    def _locked(self, page):
        locks = int.from_bytes(self.memory[10:12], "little")
        return page < 16 and locks >> page & 1
