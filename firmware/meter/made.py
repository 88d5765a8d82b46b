# SPDX-License-Identifier: Apache-2.0
"""What this meter is made with: settings, tariff and keys, read once at start and then let go."""

from meter.core import codes, config
from meter.core import tariff as tariffs
from meter.core.errors import ConfigError
from meter.storage import documents


def read(root: str = ""):
    """(settings, tariff, card role key or None, fault mask).

    A document that is missing or not fit is said on the console, reported as a fault, and replaced by the one
    before it, or by what can do no harm: default limits, energy counted at no price, no card accepted.
    """
    faults = 0
    cfg, current = _of(root, "settings.json", config.parse)
    if not current:
        faults |= codes.FAULT_SETTINGS
    cfg = cfg or config.Settings()
    currency = cfg.currency

    def priced(doc):
        tariff = tariffs.parse(doc)
        if tariff.currency != currency:
            raise ConfigError("currency", "%s, but the settings say %s" % (tariff.currency, currency))
        return tariff

    tariff, current = _of(root, "tariff.json", priced)
    if not current:
        faults |= codes.FAULT_TARIFF
    tariff = tariff or tariffs.parse({"name": "none", "currency": currency, "price": "0"})
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


def _of(root, name, parse):
    """(what parse makes of a document, or of the one before it, or None; is it the first?)"""
    what = name[:-5] + ":"
    try:
        return parse(documents.load(root, name)), True
    except ConfigError as e:
        print(what, e)
    try:
        old = parse(documents.load(root, documents.kept(name)))
    except ConfigError:
        return None, False
    print(what, "the one before is in force")
    return old, False
