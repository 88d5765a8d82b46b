# SPDX-License-Identifier: Apache-2.0
"""What this meter is made with: settings, calibration, tariff and keys, read once at start and then let go."""

from meter import unload
from meter.core import codes, config
from meter.core import tariff as tariffs
from meter.core.errors import ConfigError
from meter.storage import documents


def read(root: str = ""):
    """(settings, tariff, tariff for later or None, keys or None, fault mask).

    The calibration is in the settings.
    keys: (version, card key, utility key, card key before or None, utility key before or None).

    A document that is missing or not fit is said on the console, reported as a fault, and replaced by the one
    before it, or by what can do no harm: default limits, energy counted at no price, no card accepted. A part that was
    never calibrated is one with its power-on gains; only a provisioned meter must have a calibration.
    """
    faults = 0
    cfg, current = _of(root, "settings.json", config.parse)
    if not current:
        faults |= codes.FAULT_SETTINGS
    cfg = cfg or config.Settings()
    faults |= _calibrate(root, cfg)
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
    later = None
    if documents.check_sum(root, "later.json")[0]:
        later, _ = _of(root, "later.json", priced)
    keys, current = _of(root, "keys.json", _keys)
    if not current:
        faults |= codes.FAULT_KEYS
    return cfg, tariff, later, keys, faults


def _calibrate(root, cfg):
    """Put the calibration into the settings; gives the fault, or 0."""
    from meter.core import calibration

    fault = codes.FAULT_CALIBRATION if cfg.provisioned else 0
    found = []
    try:
        for name in ("calibration.json", "calibration.old"):
            if not documents.check_sum(root, name)[0]:
                continue
            import board

            try:
                found.append(calibration.parse(documents.load(root, name), cfg, board.MeterIc.calibrated()))
                if name == "calibration.json":
                    fault = 0
                elif len(found) == 1:
                    print("calibration: the one before is in force")
                    fault = codes.FAULT_CALIBRATION
            except ConfigError as e:
                if not found:
                    print("calibration:", e)
                    fault = codes.FAULT_CALIBRATION
    finally:
        unload("core.calibration", "core.checks")
    if found:
        cfg.calibrated = found[0][0]
    elif cfg.provisioned:
        print("calibration: there is none")
    cfg.calibrations = found
    return fault


def _keys(doc):
    try:
        before = doc.get("previous") or {}
        card_before = _key(before["card_key"]) if before else None
        utility_before = _key(before["utility_key"]) if before else None
        return doc["version"], _key(doc["card_key"]), _key(doc["utility_key"]), card_before, utility_before
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError("keys", "are not a version and keys of 16 bytes in hexadecimal")


def _key(text):
    key = bytes.fromhex(text)
    if len(key) != 16:
        raise ValueError
    return key


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
