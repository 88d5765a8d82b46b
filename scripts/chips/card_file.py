# SPDX-License-Identifier: Apache-2.0
"""A simulated DESFire that lies in a JSON file: shop and bench pass it to each other as people pass a card."""

import json
import secrets
from pathlib import Path

from scripts.chips.desfire import DesfireCard
from scripts.common import InputError, read_json

_UID_N = 7


class CardFile(DesfireCard):
    """What a command changes is in the file before the card answers. OSError when it cannot be written."""

    def __init__(self, path: Path):
        self.path = path
        self.read()

    def read(self) -> None:
        """Be the card in the file as it is now, or a blank one with a number of its own when there is none.

        OSError; ValueError when the file is no card.
        """
        if self.path.exists():
            try:
                card = DesfireCard.load(read_json(self.path))
            except InputError as e:
                where = f"line {e.line}: " if e.line else ""
                raise ValueError(where + e.why) from None
        else:
            card = DesfireCard(b"\x04" + secrets.token_bytes(_UID_N - 1))
        vars(self).update(vars(card))
        self._kept = self.dump()

    def transceive(self, command: bytes):
        answer = super().transceive(command)
        now = self.dump()
        if now != self._kept:
            tmp = self.path.with_name(f".{self.path.name}.tmp")
            tmp.write_text(json.dumps(now))
            tmp.replace(self.path)
            self._kept = now
        return answer
