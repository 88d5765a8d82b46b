# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by who must act on it.

Drivers and storage raise, services decide. `args` is always (code, text): code is a number of codes.py or 0,
text is a plain sentence. ConfigError carries (path, reason) instead, because a person has to find the place.
"""


class MeterError(Exception):
    """Base of every error the firmware raises on purpose."""

    @property
    def code(self) -> int:
        return self.args[0] if len(self.args) > 1 else 0

    @property
    def text(self) -> str:
        return self.args[-1] if self.args else ""

    def __str__(self) -> str:
        return self.text


class BusError(MeterError):
    """A part did not answer, or a transfer failed on the way."""


class ChipError(MeterError):
    """A part answered, but wrongly: identity, read-back or check sum."""


class CardError(MeterError):
    """A card is refused; code is one of CARD_*."""


class StorageError(MeterError):
    """A record could not be written, or none could be read."""


class ConfigError(MeterError):
    """A settings or tariff document is refused. args: (path, reason); str() is "path: reason"."""

    @property
    def code(self) -> int:
        return 0

    @property
    def path(self) -> str:
        return self.args[0]

    @property
    def text(self) -> str:
        return f"{self.args[0]}: {self.args[1]}"
