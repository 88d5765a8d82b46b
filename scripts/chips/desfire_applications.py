# SPDX-License-Identifier: Apache-2.0
"""DESFire's applications and their AES keys: selection, creation, ChangeKey, GetKeyVersion.

Sources: libfreefare, proxmark3, and the exchanges of host_tests/vectors/desfire.json.
"""

from dataclasses import dataclass, field

from scripts.chips.desfire_codes import DENIED, DUPLICATE, LENGTH, NO_APP, NO_KEY, NOT_AUTH, PARAMETER, PICC, Status
from scripts.chips.desfire_crypto import ZERO


@dataclass
class Application:
    settings: int
    keys: list
    versions: list
    files: dict = field(default_factory=dict)


class ApplicationCommands:
    """The part of a card that knows its applications; which one is selected, and the keys in it."""

    def _app(self) -> Application:
        app = self.applications.get(self._selected)
        if app is None:
            raise Status(DENIED)
        return app

    def _master_only(self):
        if self._key_no != 0:
            raise Status(NOT_AUTH)

    def _select(self, body):
        if len(body) != 3:
            raise Status(LENGTH)
        self._reset()
        if body != PICC and body not in self.applications:
            raise Status(NO_APP)
        self._selected = body
        return b"\x00"

    def _create_application(self, body):
        if self._selected != PICC:
            raise Status(DENIED)
        aid, settings, n_keys = body[:3], body[3], body[4] & 0x0F
        if body[4] & 0xF0 != 0x80 or not 0 < n_keys <= 14:
            raise Status(PARAMETER)
        if aid in self.applications or aid == PICC:
            raise Status(DUPLICATE)
        self.applications[aid] = Application(settings, [ZERO] * n_keys, [0] * n_keys)

    def _change_key(self, body):
        app = self._app()
        if self._channel is None:
            raise Status(NOT_AUTH)
        if len(body) != 1 + self._channel.key_wire_n:
            raise Status(LENGTH)
        number = body[0]
        if number >= len(app.keys):
            raise Status(NO_KEY)
        changer = app.settings >> 4
        # The master key and the key that may change others are changed by the master key.
        if self._key_no != (0 if number in (0, changer) else changer):
            raise Status(NOT_AUTH)
        own = number == self._key_no
        key, version = self._channel.take_key(number, body[1:], None if own else app.keys[number])
        app.keys[number], app.versions[number] = key, version
        if own:
            self._end_session()
            return b"\x00"
        return self._answer()

    def _key_version(self, body):
        app = self._app()
        if body[0] >= len(app.keys):
            raise Status(NO_KEY)
        return bytes((app.versions[body[0]],))
