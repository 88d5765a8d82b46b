# SPDX-License-Identifier: Apache-2.0
"""MIFARE Classic 1K as a terminal that does not use it sees it: it is listed, and answers nothing else."""


class ClassicCard:
    atqa = b"\x00\x04"
    sak = 0x08
    ats = b""  # no ISO 14443-4

    def __init__(self, uid: bytes):
        self.uid = uid
        self.exchanges = 0
        self.on_pulled = None

    def field_on(self) -> None:
        pass

    def field_off(self) -> None:
        pass

    def transceive(self, command: bytes):
        """Without a login in its own cipher it is mute."""
        self.exchanges += 1
        return None, 0
