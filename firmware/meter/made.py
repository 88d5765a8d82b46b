# SPDX-License-Identifier: Apache-2.0
"""What this meter is made with: settings, tariff and keys, read once at start and then let go."""

from meter.core import codes, config
from meter.core import tariff as tariffs
from meter.core.errors import ConfigError
from meter.storage import documents


def read(root: str = ""):
    """(settings, tariff, card role key or None, fault mask).

    A document that is missing or not fit is said on the console, reported as a fault, and replaced by what
    can do no harm: default limits, energy counted at no price, no card accepted.
    """
    faults = 0
    try:
        cfg = config.parse(documents.load(root, "settings.json"))
    except ConfigError as e:
        print("settings:", e)
        cfg = config.Settings()
        faults |= codes.FAULT_SETTINGS
    try:
        tariff = tariffs.parse(documents.load(root, "tariff.json"))
        if tariff.currency != cfg.currency:
            raise ConfigError("currency", "%s, but the settings say %s" % (tariff.currency, cfg.currency))
    except ConfigError as e:
        print("tariff:", e)
        tariff = tariffs.parse({"name": "none", "currency": cfg.currency, "price": "0"})
        faults |= codes.FAULT_TARIFF
    key = None
    try:
        key = bytes.fromhex(documents.load(root, "keys.json")["card_role_key"])
        if len(key) != 16:
            raise ValueError("16 bytes are expected")
    except (ConfigError, KeyError, TypeError, ValueError) as e:
        print("keys:", e)
        key = None
        faults |= codes.FAULT_KEYS
    return cfg, tariff, key, faults
