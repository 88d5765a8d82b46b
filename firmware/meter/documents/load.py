# SPDX-License-Identifier: Apache-2.0
"""What this meter is made with: settings, calibration, tariff and keys, read once at start and then let go."""

import os

from micropython import const

from meter import heap
from meter.core import codes, settings
from meter.core.errors import ConfigError
from meter.documents import aside, files, keys_doc, parse

_ASIDE = const(16)  # the lowest bit of what is aside, in the fault mask
# What the settings must go on to say, whatever else stopped the meter: whose it is, and how it is connected.
_WHOSE = ("meter_number", "provisioned", "currency", "phases", "three_wire")
_KEPT = _WHOSE + ("decimals", "nominal_v", "hz", "base_a", "max_a", "exports", "utc_offset_min", "dst")


def read(root: str = "", fell: int = 0):
    """(settings, tariff, tariff for later or None, keys or None, fault mask).

    fell: starts in a row that fell before they metered: documents may be what they fell over (aside.py). The
    fault mask has aside.mask() from bit 16 on.

    The calibration is in the settings.
    keys: of keys_doc.parse().

    A document that is missing or not fit is said on the console, reported as a fault, and replaced by the one
    before it, or by what can do no harm: default limits, energy counted at no price, no card accepted. Settings that
    are not fit as a whole still say whose the meter is. A part that was never calibrated is one with its power-on
    gains; only a provisioned meter must have a calibration.

    Without any fit tariff energy is counted in its first register, at no price, and the balance says so: a household
    is charged nothing by a price that nobody set, nor left in the dark for a document; what was used can be read, and
    comes back as debt with a purchase.
    """
    without, faults = _without(root, fell)
    faults <<= _ASIDE
    cfg, current = _of(root, "settings.json", _eventless if without[aside.EVENTS] else parse.settings, without[0])
    if not current or without[aside.EVENTS]:
        faults |= codes.FAULT_SETTINGS
    cfg = cfg or _whose(root, fell)
    faults |= _calibrate(root, cfg, without[aside.CALIBRATION])
    lost = not cfg.meter_number  # all that the settings said: the tariff was fit when they were there

    def priced(doc):
        tariff = parse.tariff(doc)
        if tariff.currency != cfg.currency and not lost:
            raise ConfigError("currency", "%s, but the settings say %s" % (tariff.currency, cfg.currency))
        return tariff

    price = without[aside.TARIFF]
    ahead = files.check_sum(root, "later.json")[0]
    # The one that waited may be what stopped the meter: then the one before it is tariff.json.
    tariff, current = _of(root, "tariff.json", priced, 0 if ahead and price == aside.BEFORE else price)
    current = current and not price
    if not current:
        faults |= codes.FAULT_TARIFF
    tariff = tariff or _unpriced(cfg)
    cfg.currency = tariff.currency
    lost = False
    later = None
    if ahead and not price:
        later, _ = _of(root, "later.json", priced)
    keys, current = _of(root, "keys.json", keys_doc.parse)
    if not current:
        faults |= codes.FAULT_KEYS
    return cfg, tariff, later, keys, faults


def _unpriced(cfg):
    """In place of a tariff. One without a name is none: the display says so (panel/pages.py). A meter that is to
    be nobody's yet is left as it is."""
    tariff = parse.tariff({"name": "none", "currency": cfg.currency, "price": "0"})
    if cfg.provisioned or not cfg.meter_number:
        tariff.name = ""
        tariff.rate_names = ("No tariff: no price",)
    return tariff


def _without(root, fell):
    """(levels, mask) of what is aside: of nothing at nearly every start, which need not load the part for it."""
    if not fell:
        try:
            os.stat(root + "/aside.json")
        except OSError:
            return bytes(4), 0
    without = aside.levels(fell, root)
    mask = aside.mask(without)
    if mask:
        print("documents:", aside.words(mask))
    return without, mask


def _calibrate(root, cfg, level):
    """Put the calibration into the settings. Return the fault, or 0."""
    fault = codes.FAULT_CALIBRATION if cfg.provisioned or level else 0
    found = []
    for name in ("calibration.json", "calibration.old")[level:]:
        if not files.check_sum(root, name)[0]:
            continue
        try:
            found.append(_calibration(root, name, cfg))
            if name == "calibration.json":
                fault = 0
            elif len(found) == 1:
                print("calibration: the one before is in force")
                fault = codes.FAULT_CALIBRATION
        except ConfigError as e:
            if not found:
                print("calibration:", e)
                fault = codes.FAULT_CALIBRATION
    cfg.calibrated = ()
    if found:
        cfg.calibrated = found[0][0]
    elif cfg.provisioned:
        print("calibration: there is none")
    cfg.calibrations = found
    return fault


def _calibration(root, name, cfg):
    import board

    heap.borrow("calibration")
    try:
        from meter.documents import calibration_doc

        return calibration_doc.parse(files.load(root, name), cfg, board.MeterIc.calibrated())
    finally:
        heap.give_back("calibration")


def _eventless(doc):
    doc.pop("events", None)
    return parse.settings(doc)


def _whose(root, fell):
    """Settings of what a document says of the meter itself, and defaults; where even that is not fit, of less."""
    for keys in (_WHOSE,) if aside.bare(fell) else (_KEPT, _WHOSE):
        for name in ("settings.json", "settings.old"):
            try:
                doc = files.load(root, name)
                return parse.settings({key: doc[key] for key in keys if key in doc})
            except ConfigError as e:
                print("settings:", e)
    return settings.Settings()


def _of(root, name, read, level=0):
    """(what read makes of a document, or of the one before it, or None; is it the first?) level: of aside.py."""
    what = name[:-5] + ":"
    try:
        if level:
            print(what, "put aside, for no start came past it")
        else:
            return read(files.load(root, name)), True
    except ConfigError as e:
        print(what, e)
    try:
        if level == aside.NONE:
            return None, False
        old = read(files.load(root, files.kept(name)))
    except ConfigError:
        return None, False
    print(what, "the one before is in force")
    return old, False
