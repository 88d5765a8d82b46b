# SPDX-License-Identifier: Apache-2.0
"""The rows of watch.py: what is watched for by default, and what settings change. Loaded while settings are read.

Settings may hold, all parts optional:
    "events": {"over_voltage": {"limit": 2760, "clear": 2645, "hold_s": 60, "release_s": 60}, "low_pf": null}
    "tamper_trips": ["cover", "magnet"]
null switches an event off. Limits are in the unit of its quantity (watch.py). A kind of tampering in tamper_trips
switches the supply off until the supplier releases it.

Defaults: voltage, phase failure and imbalance as Chinese fee-control meters have them (78, 60, 120 % of nominal, 30 %,
60 s), with 0.5 % and 5 % of the base current. Over-current is 120 % of the highest current, or the 65 A a register
of the metering IC holds. Where those would call an ordinary household odd they are wider:

    current imbalance   from half of the highest current on: of a fifth, three phases gave 18 events a day
    current lost        a phase without current for four hours, while another carries more than the base current. One
                        that feeds nothing but an oven was odd thrice a day after an hour, and is once in four days
                        still: leave it out ("current_loss": null) where a phase is not used
    power factor        for an hour where the household feeds in: it passes through zero with the sun

What is watched for, with its default in the unit of its quantity: the table in _defaults(), and the second one for
three phases only. Names for tamper_trips: _TRIPS.

What they make of ordinary households: host_tests/years/normal_life.py.
"""

from array import array

from micropython import const

from meter.core import codes
from meter.core import watch as w
from meter.core.errors import ConfigError
from meter.documents.checks import integer, keys, kind

_LIMITS = ("limit", "clear", "hold_s", "release_s")
_TRIPS = (
    "cover", "magnet", "reverse", "no_voltage", "current_loss", "open_energy", "open_voltage", "pulses", "",
    "neutral", "bad_cards", "pattern", "clock_back", "cover_unpowered", "calibration",
)  # fmt: skip
_MAX = const(32_767)
_NEVER = (w.COVER, _MAX)  # a gate that is never passed


def rows(cfg, doc=None):
    """The rows for these settings, as array("h"). ConfigError naming what is wrong with doc."""
    if doc is not None:
        keys(doc, "events", [row[0] for row in _defaults(cfg)])
    out = array("h")
    for row in _defaults(cfg):
        gate = row[3:5]
        limits = list(row[5:])
        if doc is not None and row[0] in doc:
            if doc[row[0]] is None:
                gate = _NEVER
            else:
                limits = _changed("events." + row[0], doc[row[0]], limits)
        elif row[0] == "reverse" and cfg.exports:
            gate = _NEVER
        out.extend(array("h", row[1:3]))
        out.extend(array("h", gate))
        out.extend(array("h", limits))
    return out


def trips(doc) -> int:
    """The mask of tampering that switches off."""
    if kind(doc) is not list:
        raise ConfigError("tamper_trips", "must be a JSON list")
    mask = 0
    for name in doc:
        if not name or name not in _TRIPS:
            raise ConfigError("tamper_trips", "no tampering is called so")
        mask |= 1 << _TRIPS.index(name)
    return mask


def _changed(path, doc, limits):
    keys(doc, path, _LIMITS)
    rises = limits[0] > limits[1]
    for i in range(4):
        if _LIMITS[i] in doc:
            limits[i] = integer(doc[_LIMITS[i]], path + "." + _LIMITS[i], -_MAX if i < 2 else 0, _MAX)
    if limits[0] == limits[1] or (limits[0] > limits[1]) != rises:
        raise ConfigError(path, "must begin at a limit %s clear" % ("above" if rises else "below"))
    return limits


def _defaults(cfg):
    """Name, code, quantity, gate, its bound, limit, clear, hold, release."""
    u = cfg.u_input_v * 10
    f = cfg.hz * 100
    base = cfg.base_a * 100
    top = min(cfg.i_max_ma // 10, 20_000)
    high = min(top * 12 // 10, 6500 * cfg.current_scale)
    start = max(2, base // 200)
    va = cfg.u_nominal_v * cfg.i_max_ma // 10_000  # a tenth
    pf_s = 3600 if cfg.exports else 900
    none = w.NO_GATE
    yield "cover", codes.LOG_COVER_OPEN, w.COVER, none, 0, 1, 0, 0, 0
    yield "magnet", codes.LOG_MAGNET_ON, w.MAGNET, none, 0, 1, 0, 0, 0
    yield "open_voltage", codes.LOG_OPEN_VOLTAGE, w.OPEN_U, none, 0, 1, 0, 5, 5
    yield "bad_cards", codes.LOG_BAD_CARDS, w.CARDS, none, 0, 5, 0, 0, 0
    yield "pulses", codes.LOG_PULSES, w.PULSES, none, 0, 20, 10, 0, 0
    yield "open_energy", codes.LOG_OPEN_ENERGY, w.OPEN_W, none, 0, 20, 10, 60, 60
    yield "no_voltage", codes.LOG_NO_VOLTAGE, w.U, w.I, base // 20, u // 10, u * 6 // 10, 60, 60
    yield "neutral", codes.LOG_NEUTRAL, w.NEUTRAL, none, 0, base // 10, base // 20, 60, 60
    yield "over_voltage", codes.LOG_OVER_VOLTAGE, w.U, none, 0, u * 120 // 100, u * 115 // 100, 60, 60
    yield "under_voltage", codes.LOG_UNDER_VOLTAGE, w.U, none, 0, u * 78 // 100, u * 85 // 100, 60, 60
    yield "over_current", codes.LOG_OVER_CURRENT, w.I, none, 0, high, min(top, high - high // 20), 60, 60
    yield "low_pf", codes.LOG_LOW_PF, w.PF, w.S, va, 500, 600, pf_s, 900
    yield "low_frequency", codes.LOG_LOW_FREQUENCY, w.FREQUENCY, w.FREQUENCY, 1, f - 100, f - 90, 60, 60
    yield "high_frequency", codes.LOG_HIGH_FREQUENCY, w.FREQUENCY, none, 0, f + 100, f + 90, 60, 60
    yield "reverse", codes.LOG_REVERSE, w.P, none, 0, -50, -20, 60, 60
    if cfg.phases == 3:
        yield "voltage_loss", codes.LOG_VOLTAGE_LOSS, w.U, w.I, start, u * 78 // 100, u * 85 // 100, 60, 60
        yield "phase_failure", codes.LOG_PHASE_FAILURE, w.U, w.I, -start, u * 60 // 100, u * 65 // 100, 60, 60
        yield "phase_sequence", codes.LOG_PHASE_SEQUENCE, w.SEQUENCE, none, 0, 1, 0, 60, 60
        yield "voltage_imbalance", codes.LOG_VOLTAGE_IMBALANCE, w.U_SPREAD, none, 0, 300, 250, 60, 60
        yield "current_imbalance", codes.LOG_CURRENT_IMBALANCE, w.I_SPREAD, w.I_HIGH, top // 2, 300, 250, 60, 60
        yield "current_loss", codes.LOG_CURRENT_LOSS, w.I, w.OTHERS, base, start, 2 * start, 14_400, 60
