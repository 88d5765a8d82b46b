# SPDX-License-Identifier: Apache-2.0
"""DESFire's logins with AES keys: AuthenticateAES, AuthenticateEV2First and AuthenticateEV2NonFirst.

Sources: libfreefare and the traces in host_tests/vectors/desfire.json; NXP's data sheet NT4H2421Gx, 9.1.5 and
9.1.6, for EV2. Chosen where sources are silent: a login that asks for LRP is refused with 9D, one that is not the
first without an EV2 session before it with AE. A login does not drop what waits for a commit (libfreefare's test).
"""

from scripts.chips.desfire_channel import Ev1Channel, Ev2Channel
from scripts.chips.desfire_codes import DENIED, LENGTH, MORE, NO_KEY, NOT_AUTH, Status
from scripts.chips.desfire_crypto import ZERO, aes_cbc


class Logins:
    """Who is logged in (_key_no), the session (_channel), and a login half done (_challenge)."""

    def _end_session(self):
        self._key_no = None
        self._channel = None
        self._challenge = None

    @property
    def _session(self):
        """The session key, the one for MACs in EV2. Published exchanges without a login set it."""
        return self._channel and self._channel.key

    @_session.setter
    def _session(self, key):
        self._channel = Ev1Channel(key)

    def _login(self, body):
        """AuthenticateAES."""
        if len(body) != 1:
            raise Status(LENGTH)
        self._end_session()
        return self._challenged(body[0], lambda sent: sent, self._settle_ev1)

    def _login_ev2_first(self, body):
        if len(body) < 2 or len(body) != 2 + body[1] or body[1] > 6:
            raise Status(LENGTH)
        if body[2:3] and body[2] & 2:
            raise Status(DENIED)  # asks for LRP
        self._end_session()
        caps = bytes(6) + body[2:].ljust(6, b"\0")
        ti = None

        def settle(key, token, rnd_a, rnd_b):
            nonlocal ti
            ti = self.random_bytes(4)
            self._channel = Ev2Channel.after_login(key, rnd_a, rnd_b, ti, 0)
            return aes_cbc(key, ZERO, ti + rnd_a[1:] + rnd_a[:1] + caps)

        return self._challenged(body[0], lambda sent: ZERO, settle)

    def _login_ev2_next(self, body):
        if len(body) != 1:
            raise Status(LENGTH)
        before = self._channel
        if not isinstance(before, Ev2Channel):
            raise Status(NOT_AUTH)
        self._end_session()

        def settle(key, token, rnd_a, rnd_b):
            self._channel = Ev2Channel.after_login(key, rnd_a, rnd_b, before.ti, before.counter)
            return aes_cbc(key, ZERO, rnd_a[1:] + rnd_a[:1])

        return self._challenged(body[0], lambda sent: ZERO, settle)

    def _settle_ev1(self, key, token, rnd_a, rnd_b):
        self._channel = Ev1Channel(rnd_a[:4] + rnd_b[:4] + rnd_a[12:] + rnd_b[12:])
        return aes_cbc(key, token[16:], rnd_a[1:] + rnd_a[:1])

    def _challenged(self, key_no, token_iv, settle):
        """Send a challenge. token_iv(challenge): start value of the token; settle: opens a session, gives the proof."""
        app = self.applications.get(self._selected)
        if app is None:  # at card level this card has a DES key
            raise Status(NOT_AUTH)
        if key_no >= len(app.keys):
            raise Status(NO_KEY)
        key = app.keys[key_no]
        rnd_b = self.random_bytes(16)
        sent = aes_cbc(key, ZERO, rnd_b)
        self._challenge = (key_no, key, rnd_b, token_iv(sent), settle)
        return bytes((MORE,)) + sent

    def _login_second(self, token):
        key_no, key, rnd_b, iv, settle = self._challenge
        self._challenge = None
        if len(token) != 32:
            raise Status(LENGTH)
        plain = aes_cbc(key, iv, token, decrypt=True)
        if plain[16:] != rnd_b[1:] + rnd_b[:1]:
            raise Status(NOT_AUTH)
        self._key_no = key_no
        return b"\x00" + settle(key, token, plain[:16], rnd_b)
