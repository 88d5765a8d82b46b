# SPDX-License-Identifier: Apache-2.0
"""Every extreme of every key of every document: it is refused with a plain sentence, or the meter starts and meters.

The keys come from the firmware's own tables, so a new one is missed here at once. Every document is read each time;
of the meters that start with those taken, `make test` starts one portion, `make long` the others.
"""

import json
from types import SimpleNamespace

import pytest
from meter.core.errors import ConfigError
from meter.documents import calibration_doc, parse, settings_doc, tariff_doc, watch_doc
from meter.drivers.atm90e26.ic import Atm90e26
from meter.drivers.atm90e32.ic import Atm90e32

from host_tests.stands.extreme_meters import meters, usual
from host_tests.unit.documents.test_calibration import check_sum

EVERY_DAY = [f"{y}-{m:02d}-{d:02d}" for y in ("2026", "2027") for m in (1, 2, 12) for d in range(1, 6)] + ["*-02-29"]
EDGES = (["mar", 5, "sun", "02:00"], [1, 1, "mon", "00:00"], [12, 5, "sun", "23:59"], [3, 0, "sun", "02:00"], [13, 5])
# Keys that are neither whole numbers, amounts nor flags: values at their edges, fit and unfit.
OTHERS = {
    "meter_number": ["", "0", "A-1", "9" * 12, "9" * 13, "a", None, 5],
    "currency": ["AAA", "ZZZ", "eur", "EURO", ""],
    "dst": [None, "eu", "us", {}]
    + [{"start": a, "end": b} for a in EDGES for b in ([10, 5, "sun", "03:00"], EDGES[1])]
    + [{"start": [1, 1, "mon", "00:00"], "end": [12, 5, "sun", "23:59"], "shift_min": s} for s in (0, 1, 120, 121)]
    + [
        {"start": [3, 5, "sun", "00:00"], "end": [10, 5, "sun", "03:00"], "basis": b}
        for b in ("utc", "standard", "sun")
    ],
    "friendly": [
        None,
        {},
        {"from": "00:00", "until": "23:59"},
        {"from": "23:59", "until": "00:00"},
        {"from": "24:00"},
        {"weekend": True},
        {"weekend": 1},
        {"holidays": EVERY_DAY},
        {"holidays": ["*-12-31"] * 32},
        {"holidays": ["*-12-31"] * 33},
        {"holidays": ["2026-02-29"]},
    ],
    "nominal_v": [49, 50, 300, 301],
    "max_a": [0, 1, 65, 66, 100, 101],
    "profile_channels": [
        [],
        ["import"],
        ["import"] * 2,
        ["peak"],
        list(settings_doc._REGISTERS),
        list(settings_doc._MEANS),
        ["va", *settings_doc._MEANS],
        list(settings_doc._REGISTERS + settings_doc._MEANS),
    ],
    "tamper_trips": [[], [""], ["cover"], [name for name in watch_doc._TRIPS if name], "cover"],
    "events": [],  # below
}
# What goes with a value, so that it is not refused for another key's sake.
WITH = {
    "alarm1": {"alarm2": "-1000000000", "overdraft": "1000000000"},
    "alarm2": {"alarm1": "1000000000", "overdraft": "1000000000"},
    "overdraft": {"alarm2": "0"},
    "hoard": {"alarm1": "0", "alarm2": "0", "initial_credit": "0"},
    "three_wire": {"phases": 3},
    "events": {"phases": 3},
}
TWO = [{"name": "a", "price": "0"}, {"name": "b", "price": "100000"}]
TARIFFS = {
    "name": ["", "x", "x" * 20, "x" * 21],
    "currency": ["EUR", "eur"],
    "price": ["0", "100000", "100000.000001", "-0.000001"],
    "standing": ["0", "100000", "100000.000001", "-1"],
    "steps": [
        [],
        [[1, "0"]],
        [[0, "0"]],
        [[1000000, "100000"]],
        [[1000001, "0"]],
        [[1, "-100000"]],
        [[1, "-0.1"]],
        [[n, "100000"] for n in range(1, 7)],
        [[n, "0"] for n in range(1, 8)],
    ],
    "from": ["2000-01-01 00:00", "2099-12-31 23:59", "1999-12-31 23:59", "2026-02-29 00:00"],
    "signals": [
        [],
        [["2026-01-12 07:00", "2026-01-12 09:00", "100000", "x" * 12]],
        [["2026-01-12 07:00", "2026-01-12 07:00"]],
    ]
    + [[["2000-01-01 00:00", "2099-12-31 23:59", "0", "x"]]]
    + [[[f"2026-01-12 {h:02d}:00", f"2026-01-12 {h + 1:02d}:00", "0", "x"] for h in range(n)] for n in (12, 13)],
    "rates": [[{"name": f"r{n}", "price": "100000"} for n in range(k)] for k in (0, 1, 8, 9)],
    "days": [
        {"d": [["00:00", "b"]]},
        {"d": [["00:01", "b"]]},
        {},
        {"d": [[f"{h:02d}:00", "a"] for h in range(16)]},
        {"d": [[f"{h:02d}:00", "a"] for h in range(17)]},
        {"d": [["00:00", "a"], ["23:59", "b"]]},
    ],
    "weeks": [
        {"w": ["d"] * 7},
        {"w": ["d"] * 6},
        {f"w{n}": ["d"] * 7 for n in range(12)},
        {f"w{n}": ["d"] * 7 for n in range(13)},
    ],
    "seasons": [[["01-01", "w"]], [["12-31", "w"]], [["02-29", "w"]], [[f"{m:02d}-01", "w"] for m in range(1, 13)], []],
    "special_days": [
        [],
        [["*-02-29", "d"]],
        [[f"2026-{m:02d}-{d:02d}", "d"] for m in (1, 2) for d in range(1, 29)],
        [["2026-02-29", "d"]],
    ],
    "fallback": ["a", "b", "c", None],
}
CHANGED = (-32_768, -32_767, 0, 1, 3600, 32_767, 32_768)


def settings_values():
    """(key, value) of all of them."""
    for key, low, high in settings_doc._WHOLES:
        for value in sorted({low - 1, low, high, high + 1}):
            yield key, value
    for key, _, low in settings_doc._AMOUNTS:
        whole = settings_doc._MAX_MICRO // 1_000_000
        for value in (f"{whole}", f"{whole}.000001", f"{low // 1_000_000}", f"{low // 1_000_000 - 1}", "0", "0.000001"):
            yield key, value
    for key in settings_doc._FLAGS:
        yield from ((key, value) for value in (False, True, 1, None))
    for key in settings_doc._OTHERS:
        yield from ((key, value) for value in OTHERS[key])  # a new key: give its edges above


def said(parse, doc):
    """Why a document is refused, or ""."""
    try:
        parse(doc)
    except ConfigError as e:
        assert e.path and e.text and "Error" not in e.text
        return e.text
    return ""


def settings_docs(phases, only_numbers):
    numbers = {row[0] for row in settings_doc._WHOLES} | {"nominal_v", "max_a", "profile_channels"}
    for key, value in settings_values():
        if key in numbers or not only_numbers:
            doc = usual(**{"phases": phases, **WITH.get(key, {})})["settings.json"] | {key: value}
            yield f"{key}={json.dumps(value)[:60]}", doc


PORTIONS = 12
portions = pytest.mark.parametrize(
    "portion", [pytest.param(n, marks=[pytest.mark.long] if n else []) for n in range(PORTIONS)]
)


def taken(parse, docs):
    """(what, document) of those that are not refused."""
    return [(what, doc) for what, doc in docs if not said(parse, doc)]


def start_each(board, portion, files):
    """A meter of each of the (what, its documents) that are in this portion."""
    started = ((what, meters(board, each)) for what, each in files[portion::PORTIONS])
    wrong = [f"{what}: {trouble}" for what, trouble in started if trouble]
    assert not wrong, "\n".join(wrong)


@portions
@pytest.mark.parametrize("board, phases", [("esp32_devkit", 3), ("esp32_atm90e26", 1), ("esp32_nofram", 3)])
def test_settings(board, phases, portion):
    """All that parts are made with on each board; the rest on one of them."""
    fit = []
    for what, doc in taken(parse.settings, settings_docs(phases, board != "esp32_devkit")):
        files = usual() | {"settings.json": doc}
        files["tariff.json"] = files["tariff.json"] | {"currency": doc.get("currency", "EUR")}
        fit.append((what, files))
    assert len(fit) > (60 if board == "esp32_devkit" else 25)
    start_each(board, portion, fit)


def tariff_docs():
    assert set(TARIFFS) == set(tariff_doc._ALWAYS + tariff_doc._KEYS)  # a new key: give its edges above
    flat = {"name": "x", "currency": "EUR", "price": "0.3"}
    rated = {"name": "x", "currency": "EUR", "rates": TWO, "fallback": "a", "days": {"d": [["00:00", "a"]]}}
    rated["weeks"] = {"w": ["d"] * 7}
    for key, values in TARIFFS.items():
        for value in values:
            doc = (flat if key in flat or key not in tariff_doc._KEYS else rated) | {key: value}
            if key == "rates" and value:
                doc |= {"fallback": "r0", "days": {"d": [["00:00", value[-1]["name"]]]}}
            if key == "weeks" and len(value) > 1:
                doc["seasons"] = [["01-01", "w0"]]
            yield f"{key}={json.dumps(value)[:60]}", doc


@portions
def test_tariffs(portion):
    fit = [(what, usual() | {"tariff.json": doc}) for what, doc in taken(parse.tariff, tariff_docs())]
    assert len(fit) > 30
    start_each("esp32_devkit", portion, fit)


@portions
def test_events(portion):
    """Each limit of each row at once, wherever the check takes it."""
    base = usual(phases=3)["settings.json"]
    rows = [row[0] for row in watch_doc._defaults(parse.settings(base))]
    fit = [("no row", usual() | {"settings.json": base | {"events": dict.fromkeys(rows)}})]
    for limit in watch_doc._LIMITS:
        for value in CHANGED:
            one = {row: {limit: value} for row in rows}
            events = {row: one[row] for row in rows if not said(parse.settings, base | {"events": {row: one[row]}})}
            if events:
                fit.append((f"{limit}={value}", usual() | {"settings.json": base | {"events": events}}))
    assert len(fit) > 11
    start_each("esp32_devkit", portion, fit)


def calibration_docs(part, scale):
    name, ranges, *_ = part.calibrated()
    registers = [addr for i in range(0, len(ranges), 2) for addr in range(ranges[i], ranges[i + 1] + 1)]
    setup = SimpleNamespace(meter_number="", current_scale=scale)
    for word in (0, 1, 0x1FFF, 0x2000, 0x7FFF, 0x8000, 0xBFFF, 0xC000, 0xFFFF):
        whole = {"serial": usual()["settings.json"]["meter_number"], "ic": name, "current_scale": scale, "sealed": True}
        taken = {}
        for addr in registers:
            doc = whole | {"registers": {f"{addr:02X}": word}}
            sealed = doc | {"crc32": check_sum(doc)}
            if not said(lambda doc: calibration_doc.parse(doc, setup, part.calibrated()), sealed):
                taken[f"{addr:02X}"] = word
        doc = whole | {"registers": taken}
        yield f"{word:04X}", doc | {"crc32": check_sum(doc)}


@portions
@pytest.mark.parametrize("board, part", [("esp32_devkit", Atm90e32), ("esp32_atm90e26", Atm90e26)])
def test_calibrations(board, part, portion):
    fit = []
    for max_a, nominal_v in ((60, 50), (60, 300), (100, 300)):
        for three_wire in (False, True) if part is Atm90e32 else (False,):
            changes = {"max_a": max_a, "nominal_v": nominal_v, "provisioned": True, "three_wire": three_wire}
            files = usual(phases=3 if three_wire else 1, **changes)
            for what, doc in calibration_docs(part, 1 if max_a == 60 else 2):
                fit.append((f"{what} {max_a} A {nominal_v} V {three_wire}", files | {"calibration.json": doc}))
    start_each(board, portion, fit)


@pytest.mark.parametrize("pulse_ms", [10, 49])
def test_the_pulses_that_stopped_a_meter_are_refused(pulse_ms):
    assert (
        said(parse.settings, usual()["settings.json"] | {"relay_pulse_ms": pulse_ms})
        == f"relay_pulse_ms: {pulse_ms} is not between 50 and 500"
    )
