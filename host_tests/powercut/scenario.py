# SPDX-License-Identifier: Apache-2.0
"""A day in the life of a meter, as plain steps: everything that makes it write, erase, switch or talk to a card.

What takes a day elsewhere takes three minutes here, after a quiet hour: rates change each minute, energy is dear,
and it is the last evening of March. A step is something done once, and what must come of it; a cut in between
changes when, not whether. To add one, append it to STEPS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meter.core import codes

from host_tests.bench import documents
from host_tests.bench.cards.cards import put_purchase
from host_tests.bench.plant.plant import EPOCH

START = datetime(2026, 3, 31, 20, 54, 40)  # UTC; 22:54:40 at home
SETTINGS = {
    "utc_offset_min": 120,
    "initial_credit": "5.00",
    "alarm1": "2.00",
    "alarm2": "1.00",
    "overload_hold_s": 5,
    "debt_per_day": "0.030001",
    "debt_percent": 3,
    "events": {"over_voltage": {"hold_s": 0, "release_s": 0}},
}
TARIFF = {
    "name": "A day in minutes",
    "currency": "EUR",
    "rates": [
        {"name": "day", "price": "10.000001"},
        {"name": "peak", "price": "60.123457"},
        {"name": "evening", "price": "45.999999"},
        {"name": "spring", "price": "30.1"},
    ],
    "days": {
        "march": [["00:00", "day"], ["23:40", "evening"], ["23:58", "peak"], ["23:59", "evening"]],
        "april": [["00:00", "spring"]],
    },
    "weeks": {"march": ["march"] * 7, "april": ["april"] * 7},
    "seasons": [["01-01", "march"], ["04-01", "april"]],
    "fallback": "day",
    "standing": "0.020003",
}
TARIFF_2 = {**TARIFF, "name": "Dearer", "rates": [{**rate, "price": "77.7"} for rate in TARIFF["rates"]]}
SETTINGS_2 = documents.settings(**{**SETTINGS, "alarm1": "100.00", "alarm2": "90.00"})
_SYNC_S = 3590  # the clock is compared with the RTC an hour after the start
_JUMP_S = 150
_AGAIN_S = 6  # a start, and a card's visit


@dataclass(frozen=True)
class Step:
    """do: what happens, once. until: true when it has come to what it must. then: what happens after that."""

    name: str
    do: Callable
    until: Callable
    within_s: int = 30
    then: Callable = lambda w: None
    card: bool = False  # there is one in the slot: pulled too early, it is put in again
    every: int = 1  # ledger records written here are cut one in this many: they are all alike
    dark_until_s: int = 0  # power that is cut in this step stays away until then


def wipe(card) -> None:
    """The bench's card has a purchase on it; a new customer's has none."""
    put_purchase(card, 0, 0)


def _nothing(w):
    """Time passes."""


def _load(watts):
    return lambda w: w.load(watts)


def _for(seconds):
    return lambda w: w.for_s(seconds)


def _until(bench_s):
    return lambda w: w.plant.clock.now_us >= bench_s * 1_000_000


def _card(name, do=_nothing, card="good", until=lambda w: w.plant.relay.closed and not w.state.claims):
    """A card is put in, answered, and taken out."""

    def put_in(w):
        do(w)
        w.insert(card)

    def served(w):
        # After a cut the card is found in the slot again, and is served again: taken out before, it would miss that.
        again = w.cuts_here and not w.for_s(_AGAIN_S)
        return not again and until(w) and (card != "good" or w.written_back())

    return Step(name, put_in, served, then=lambda w: w.insert(None), card=True)


def _preset(name, **document):
    """The supplier's card brings a document; it is put in force whole, or not at all."""
    return Step(name, lambda w: w.show_document(**document), lambda w: not w.audit.changing, card=True)


def _away(name="card taken out"):
    return Step(name, _nothing, _for(2))


def _trips(claim):
    return lambda w: bool(w.state.claims & claim) and not w.plant.relay.closed


def _first(w):
    """The board has been tried before: the clock's pin gives a square wave."""
    w.plant.rtc.set_up(0x18)
    w.plug(True)


def _jump(w):
    rtc, now_us = w.plant.rtc, w.plant.clock.now_us
    rtc.set_time(rtc.time(now_us) + timedelta(seconds=_JUMP_S), now_us)


def _clock_reads(when):
    seconds = int((when - EPOCH).total_seconds())
    return lambda w: w.state.utc_s >= seconds


def _odd(on):
    """Cover, magnet and mains at once: three incidents."""

    def do(w):
        w.plant.cover(on)
        w.plant.set_input(w.plant.board.MAGNET, int(on))
        w.plant.house.set_voltage(0, 280_000 if on else 230_000)

    return do


def _all_logged(*found):
    return lambda w: all(w.logged(code) for code in found)


def _three_phases(w):
    for n, load_w in enumerate((3000, 4000, 1500)):
        w.plant.house.set_voltage(n, 230_000)
        w.plant.house.set_load(n, load_w * 1000, load_w * 100)


STEPS = (
    Step("first start", _first, lambda w: w.audit.ticks and w.state.relay_closed == 1, 5),
    Step("a quiet hour", _load(150), _until(_SYNC_S), _SYNC_S + 10, every=60, dark_until_s=_SYNC_S),
    Step(
        "the clock jumps, and is compared",
        _jump,
        # Three looks over a minute; a start takes any time over.
        lambda w: w.logged(codes.LOG_CLOCK_SET) or w.cut_names,
        120,
        every=20,
    ),
    Step(
        "cover opened, magnet put on, too high a voltage",
        _odd(True),
        _all_logged(codes.LOG_COVER_OPEN, codes.LOG_MAGNET_ON, codes.LOG_OVER_VOLTAGE),
    ),
    Step(
        "cover closed, magnet and voltage gone",
        _odd(False),
        # A meter that starts with its cover on has nothing to tell.
        lambda w: (
            _all_logged(codes.LOG_COVER_CLOSED, codes.LOG_MAGNET_OFF, codes.LOG_OVER_VOLTAGE + 1)(w)
            or (w.cut_names and w.for_s(3))
        ),
    ),
    Step("credit falls to alarm 1", _load(8000), lambda w: w.state.credit_micro <= 2_000_000, 90),
    Step("... and to alarm 2", _nothing, _trips(codes.CLAIM_REMINDER), 90),
    _card("a neighbour's card", card="foreign", until=lambda w: w.logged(codes.LOG_CARD_REFUSED)),
    _away(),
    _card("the own card switches on"),
    _away(),
    Step("credit is used up", _load(9000), _trips(codes.CLAIM_NO_CREDIT), 90),
    _card("a purchase", lambda w: w.sell(20_000_000, 2_000_001)),
    _away(),
    Step("too high a load", _load(12_000), _trips(codes.CLAIM_OVERLOAD), 30),
    _card("the card switches on", _load(1000)),
    Step("the mains goes", lambda w: w.plug(False), _for(10)),
    Step("... and comes back", lambda w: w.plug(True), lambda w: w.audit.ticks, 6),
    Step("energy is fed in", _load(-2000), lambda w: w.for_s(3) and w.state.export_counts > 300),
    Step("the last minute of March", _load(3000), _clock_reads(datetime(2026, 3, 31, 21, 59, 56)), 300, every=15),
    Step("past midnight, into April", _load(3000), _clock_reads(datetime(2026, 3, 31, 22, 0, 5)), 300),
    _card("another purchase", lambda w: w.sell(5_123_456), until=lambda w: w.state.purchase_count == 2),
    _away(),
    _preset("the supplier's card: another tariff", tariff=TARIFF_2),
    Step("... in force", lambda w: w.insert(None), lambda w: w.for_s(2) and not w.audit.changing),
    _preset("the supplier's card: other settings", settings=SETTINGS_2),
    Step("... with a higher alarm 2", lambda w: w.insert(None), _trips(codes.CLAIM_REMINDER)),
    _away(),
    _card("the card switches on again"),
    Step("at rest", _load(0), _for(3)),
)


@dataclass(frozen=True)
class Day:
    """What a meter goes through, and where it begins."""

    steps: tuple
    start: datetime
    settings: dict
    name: str = ""  # its cases are called name:case
    about: str = ""  # for the report
    may_tell: tuple = ()  # faults that are named, for they are there
    clock_moves: bool = False
    falls_with: dict | None = None  # the newest settings: no start comes past them, until it goes without them


# Power that is cut in the first start stays away for the quiet hour: what follows is as with one that is cut in that.
WHOLE = Day((replace(STEPS[0], dark_until_s=_SYNC_S), *STEPS[1:]), START, SETTINGS)
# Without the quiet hour: for tests, and for cases that must begin at the beginning each time.
SHORT = Day(
    tuple(step for step in STEPS if step.name not in ("a quiet hour", "the clock jumps, and is compared")),
    datetime(2026, 3, 31, 21, 58, 20),
    {**SETTINGS, "initial_credit": "2.06"},
)
# What only three phases have: registers of each, and a longer ledger record.
THREE_PHASES = Day(
    (
        Step("first start", lambda w: w.plug(True), lambda w: w.audit.ticks and w.state.relay_closed == 1, 5),
        Step("all phases are loaded", _three_phases, _for(4)),
        *(step for step in STEPS if step.name.startswith(("cover", "past midnight"))),
        _card("a purchase", lambda w: w.sell(20_000_000)),
        _away(),
        Step("at rest", lambda w: [w.plant.house.set_load(n, 0) for n in range(3)], _for(3)),
    ),
    datetime(2026, 3, 31, 21, 59, 30),
    {**SETTINGS, "phases": 3, "initial_credit": "50.00"},
)


def _bought(n):
    return lambda w: w.state.purchase_count == n


def _clock_moved(by):
    """No power, and the clock is another when it comes back."""

    def do(w):
        w.plug(False)
        rtc, now_us = w.plant.rtc, w.plant.clock.now_us
        rtc.set_time(rtc.time(now_us) + by, now_us)

    return do


_EAST_MIN = 180


def _follows(w):
    """Is the day the one that the clock shows, right or wrong?"""
    home = w.plant.rtc.time(w.plant.clock.now_us) + timedelta(minutes=_EAST_MIN)
    return w.state.day == (home - EPOCH).days and w.for_s(4)


def _next_day(w):
    return w.state.day >= (datetime(2026, 3, 31) - EPOCH).days and _follows(w)


def _back(name, until):
    return Step(name, lambda w: w.plug(True), lambda w: w.audit.ticks and until(w), every=3)


_START = Step("first start", lambda w: w.plug(True), lambda w: w.audit.ticks and w.state.relay_closed == 1, 5)
_AHEAD = timedelta(days=3)

CLOCK = Day(
    (
        _START,
        Step("some energy", _load(3000), _for(3)),
        Step("no power, and the clock goes ahead", _clock_moved(_AHEAD), _for(5)),
        _back("power, with the wrong date", _follows),
        _card("a purchase on the wrong date", lambda w: w.sell(20_000_000), until=_bought(1)),
        _away(),
        Step("no power, and the clock is put right", _clock_moved(-_AHEAD), _for(5)),
        _back("power, with the right date", _follows),
        Step("the next day comes", _load(3000), _next_day, 200, every=60),
        Step("at rest", _load(0), _for(3)),
    ),
    datetime(2026, 3, 30, 20, 58, 30),
    {**SETTINGS, "initial_credit": "9.00", "utc_offset_min": _EAST_MIN},
    "clock",
    "the clock is three days ahead over the begin of a month, at a start, and is put right at another",
    clock_moves=True,
)


def _keeps(nothing):
    def do(w):
        w.plant.fram.keeps_nothing = nothing

    return do


def _buys_in_vain(w):
    _keeps(True)(w)
    w.sell(20_000_000)
    w.insert("good")


def _refused(w):
    """The card has been told so, and nothing else has been shown; a cut mends the memory, and the card is served."""
    if w.cuts_here:
        return w.written_back() and w.state.purchase_count == 2
    w.audit.expect(not w.shows("Purchase"), "a purchase is shown that was not kept")
    return w.shows("Memory fault") and w.for_s(2)


KEEPS = Day(
    (
        _START,
        _card("a purchase", lambda w: w.sell(5_000_000), until=_bought(1)),
        _away(),
        Step("some energy", _load(3000), _for(2)),
        Step("a purchase, and the memory keeps nothing", _buys_in_vain, _refused, card=True, every=2),
        Step("the card is taken out", lambda w: w.insert(None), _for(2)),
        Step("the memory is well", _keeps(False), _for(75), 90, every=10),
        _card("the purchase again", until=_bought(2)),
        _away(),
        Step("at rest", _load(0), _for(3)),
    ),
    datetime(2026, 3, 31, 20, 56),
    SETTINGS,
    "keeps",
    "a purchase while the memory acknowledges all and stores nothing: refused; when it is mended, booked once",
    (codes.FAULT_FRAM, getattr(codes, "FAULT_FRAM_KEEPS", 8192)),
)

FELL = Day(
    (
        Step("starts that fall, and one that does not", lambda w: w.plug(True), lambda w: w.audit.ticks, 90),
        Step("it meters", _load(3000), _for(15), every=10),
        _card("a purchase", lambda w: w.sell(20_000_000), until=_bought(1)),
        _away(),
        Step("the mains goes", lambda w: w.plug(False), _for(10)),
        Step("... and comes back", lambda w: w.plug(True), lambda w: w.audit.ticks, 6),
        Step("at rest", _load(0), _for(3)),
    ),
    datetime(2026, 3, 31, 20, 56),
    SETTINGS,
    "fell",
    "settings that every check takes, and this firmware falls over (world.py breaks it): after some starts those "
    "before are in force, and stay so without another fall",
    (codes.FAULT_SETTINGS,),
    falls_with=documents.settings(**{**SETTINGS, "relay_pulse_ms": 77}),
)


def _with_new_keys(w):
    w.renew_card()
    w.sell(7_000_000)


KEYS = Day(
    (
        _START,
        _card("a purchase", lambda w: w.sell(5_000_000), until=_bought(1)),
        _away(),
        Step(
            "the supplier's card: other keys",
            lambda w: w.show_keys(),
            lambda w: w.kept_keys()["version"] == 2,
            card=True,
        ),
        _away(),
        _card("the card with its key of before", lambda w: w.sell(6_000_000), until=_bought(2)),
        _away(),
        _card("the card with its new key", _with_new_keys, until=_bought(3)),
        _away("... and the key before is forgotten"),
        Step(
            "the supplier's card: other public keys",
            lambda w: w.show_trust(),
            lambda w: w.kept_keys()["sale"][0] == w.kept_keys()["order"][0] == 2,
            card=True,
        ),
        _away(),
        _card("a purchase signed with the new key", lambda w: w.sell(8_000_000, sale_number=2), until=_bought(4)),
        _away(),
        Step("no key of before is left", _load(0), lambda w: "previous" not in w.kept_keys() and w.for_s(1)),
    ),
    datetime(2026, 3, 31, 20, 56),
    SETTINGS,
    "keys",
    "other keys, the household's card with its old key and its new one, other public keys, a purchase by each",
)
MORE = {day.name: day for day in (CLOCK, KEEPS, FELL, KEYS)}
