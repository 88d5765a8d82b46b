# SPDX-License-Identifier: Apache-2.0
"""The supply arbiter: every set of claims and latches times every event, then the stories."""

from meter.core import codes as c
from meter.core import supply
from meter.core.state import MeterState

CLAIM_NAMES = ("remote", "no credit", "reminder", "overload", "tamper", "fault", "metering")
LATCH_NAMES = ("reminder served", "remote ready", "card only", "emergency")
EVENTS = {
    "credit out": c.EV_CREDIT_OUT,
    "credit ok": c.EV_CREDIT_OK,
    "emergency": c.EV_EMERGENCY,
    "repaid": c.EV_REPAID,
    "alarm 2": c.EV_ALARM2,
    "above alarm 2": c.EV_ABOVE_ALARM2,
    "overload": c.EV_OVERLOAD,
    "overload lock": c.EV_OVERLOAD_LOCK,
    "overload wait": c.EV_OVERLOAD_WAIT,
    "user card": c.EV_USER_CARD,
    "utility card": c.EV_UTILITY_CARD,
    "remote off": c.EV_REMOTE_OFF,
    "remote on": c.EV_REMOTE_ON,
    "button": c.EV_BUTTON,
    "tamper": c.EV_TAMPER,
    "fault": c.EV_FAULT,
    "fault gone": c.EV_FAULT_GONE,
    "no metering": c.EV_NO_METERING,
    "metering": c.EV_METERING,
}
# Who may end which claim, and who may start it. Nobody else.
MAY_CLEAR = {
    "remote": ("user card", "button"),
    "no credit": ("credit ok", "emergency"),
    "reminder": ("user card",),
    "overload": ("user card", "overload wait"),
    "tamper": ("utility card", "remote on"),
    "fault": ("fault gone",),
    "metering": ("metering",),
}
MAY_RAISE = {
    "remote": ("remote off",),
    "no credit": ("credit out",),
    "reminder": ("alarm 2",),
    "overload": ("overload", "overload lock"),
    "tamper": ("tamper",),
    "fault": ("fault",),
    "metering": ("no metering",),
}


def state(claims, latches):
    s = MeterState()
    s.claims = claims
    s.latches = latches
    return s


def names(mask, table):
    return {name for i, name in enumerate(table) if mask >> i & 1}


def mask(chosen, table):
    return sum(1 << i for i, name in enumerate(table) if name in chosen)


def all_states():
    for claims in range(128):
        for latches in range(16):
            yield claims, latches


def expected(off, kept, event):
    """What should follow, in words: the sets of claims and latches after an event."""
    off = set(off)
    kept = set(kept)
    if event == "credit out":
        off.add("no credit")
    elif event == "credit ok":
        off.discard("no credit")
    elif event == "emergency":
        if "emergency" not in kept:
            off.discard("no credit")
            kept.add("emergency")
    elif event == "repaid":
        kept.discard("emergency")
    elif event == "alarm 2":
        if not off and "reminder served" not in kept:
            off.add("reminder")
        kept.add("reminder served")
    elif event == "above alarm 2":
        kept.discard("reminder served")
    elif event == "overload":
        off.add("overload")
    elif event == "overload lock":
        off.add("overload")
        kept.add("card only")
    elif event == "overload wait":
        if "card only" not in kept:
            off.discard("overload")
    elif event == "user card":
        off.discard("reminder")
        off.discard("overload")
        kept.discard("card only")
        if "remote ready" in kept:
            off.discard("remote")
            kept.discard("remote ready")
    elif event == "utility card":
        off.discard("tamper")
    elif event == "remote off":
        off.add("remote")
        kept.discard("remote ready")
    elif event == "remote on":
        off.discard("tamper")
        if "remote" in off:
            kept.add("remote ready")
    elif event == "button":
        if "remote ready" in kept:
            off.discard("remote")
            kept.discard("remote ready")
    elif event == "tamper":
        off.add("tamper")
    elif event == "fault":
        off.add("fault")
    elif event == "fault gone":
        off.discard("fault")
    elif event == "no metering":
        off.add("metering")
    elif event == "metering":
        off.discard("metering")
    else:
        raise AssertionError(event)
    return off, kept


def test_claim_and_latch_bits_are_in_the_order_named_here():
    assert [1 << i for i in range(7)] == [
        c.CLAIM_REMOTE, c.CLAIM_NO_CREDIT, c.CLAIM_REMINDER, c.CLAIM_OVERLOAD, c.CLAIM_TAMPER, c.CLAIM_FAULT,
        c.CLAIM_METERING,
    ]  # fmt: skip
    assert [1 << i for i in range(4)] == [
        c.LATCH_REMINDER_SERVED, c.LATCH_REMOTE_READY, c.LATCH_CARD_ONLY, c.LATCH_EMERGENCY,
    ]  # fmt: skip
    assert supply.CLAIMS == 127


def test_every_event_of_codes_is_enumerated_here():
    known = sorted(getattr(c, name) for name in dir(c) if name.startswith("EV_"))
    assert known == sorted(EVENTS.values()) and len(set(known)) == len(known)


def test_every_state_and_event():
    for event, number in EVENTS.items():
        for claims, latches in all_states():
            s = state(claims, latches)
            changed = supply.step(s, number)
            off, kept = expected(names(claims, CLAIM_NAMES), names(latches, LATCH_NAMES), event)
            where = (event, claims, latches)
            assert s.claims == mask(off, CLAIM_NAMES), where
            assert s.latches == mask(kept, LATCH_NAMES), where
            assert changed == (s.claims ^ claims) | (s.latches ^ latches) << 7, where
            assert changed & supply.CLAIMS == s.claims ^ claims, where


def test_no_other_event_ever_clears_or_raises_a_claim():
    for event, number in EVENTS.items():
        for claims, latches in all_states():
            s = state(claims, latches)
            supply.step(s, number)
            for name in names(claims & ~s.claims, CLAIM_NAMES):
                assert event in MAY_CLEAR[name], (event, name)
            for name in names(s.claims & ~claims, CLAIM_NAMES):
                assert event in MAY_RAISE[name], (event, name)


def test_an_event_told_twice_is_an_event_told_once():
    for number in EVENTS.values():
        for claims, latches in all_states():
            s = state(claims, latches)
            supply.step(s, number)
            assert supply.step(s, number) == 0


def test_no_number_but_an_event_is_taken():
    for number in (0, -1, 20, 255, 3.5):
        s = state(127, 15)
        try:
            supply.step(s, number)
            raise AssertionError("took %s" % number)
        except ValueError:
            assert s.claims == 127 and s.latches == 15


def test_what_a_meter_can_reach_makes_sense():
    # One number for both: tuples kept between states let go leave no room for a larger set.
    seen = {0}
    todo = [0]
    while todo:
        latches, claims = divmod(todo.pop(), 128)
        for number in EVENTS.values():
            s = state(claims, latches)
            supply.step(s, number)
            both = s.latches * 128 + s.claims
            if both not in seen:
                seen.add(both)
                todo.append(both)
    assert len({both % 128 for both in seen}) == 128
    for both in seen:
        latches, claims = divmod(both, 128)
        assert claims & c.CLAIM_REMOTE or not latches & c.LATCH_REMOTE_READY
        assert claims & c.CLAIM_OVERLOAD or not latches & c.LATCH_CARD_ONLY


def test_closed_means_no_claim_whatever_the_latches():
    for claims, latches in all_states():
        assert supply.closed(state(claims, latches)) == (claims == 0)


def test_reason_is_the_first_that_others_must_put_right():
    order = ("fault", "metering", "tamper", "remote", "no credit", "overload", "reminder")
    for claims in range(128):
        off = names(claims, CLAIM_NAMES)
        first = [name for name in order if name in off][:1]
        assert names(supply.reason(state(claims, 0)), CLAIM_NAMES) == set(first)


ALARM2 = 5_000_000


def levels():
    for floor in (0, -2_000_000):
        for credit in (floor - 1, floor, floor + 1, 1, ALARM2, ALARM2 + 1):
            for claims, latches in all_states():
                s = state(claims, latches)
                s.credit_micro = credit
                yield s, floor, (floor, credit, claims, latches)


def test_credit_events_from_every_state_and_level():
    for s, floor, where in levels():
        _, credit, claims, latches = where
        changed = supply.after_credit(s, ALARM2, floor)
        assert bool(s.claims & c.CLAIM_NO_CREDIT) == (credit <= floor), where
        assert bool(s.latches & c.LATCH_REMINDER_SERVED) == (credit <= ALARM2), where
        others = claims & ~c.CLAIM_NO_CREDIT
        owed = floor < credit <= ALARM2 and not others and not latches & c.LATCH_REMINDER_SERVED
        assert s.claims & ~c.CLAIM_NO_CREDIT == (c.CLAIM_REMINDER if owed else others), where
        assert bool(s.latches & c.LATCH_EMERGENCY) == (bool(latches & c.LATCH_EMERGENCY) and credit <= 0), where
        assert (s.latches ^ latches) & ~c.LATCH_REMINDER_SERVED & ~c.LATCH_EMERGENCY == 0, where
        assert changed == (s.claims ^ claims) | (s.latches ^ latches) << 7, where
        assert supply.after_credit(s, ALARM2, floor) == 0, where


def test_emergency_credit_lowers_the_floor_while_it_is_in_use():
    for latches in range(16):
        lent = 5 if latches & c.LATCH_EMERGENCY else 0
        assert supply.floor_micro(state(0, latches), 3, 5) == -3 - lent
        assert supply.floor_micro(state(0, latches), 0, 0) == 0


class Household:
    """A meter with alarm 2 at 5, told as a story."""

    def __init__(self, credit, floor=0, emergency=0):
        self.s = MeterState()
        self.floor = floor
        self.emergency = emergency
        self.credit(credit)

    def credit(self, units):
        self.s.credit_micro = units * 1_000_000
        off_micro = supply.floor_micro(self.s, -self.floor * 1_000_000, self.emergency * 1_000_000)
        supply.after_credit(self.s, ALARM2, off_micro)
        return self.on()

    def tell(self, event):
        supply.step(self.s, EVENTS[event])
        return self.on()

    def on(self):
        return supply.closed(self.s)

    def why(self):
        return supply.reason(self.s)


def test_story_reminder_trips_once_per_purchase():
    h = Household(20)
    assert h.on()
    assert h.credit(6)
    assert not h.credit(5)
    assert h.why() == c.CLAIM_REMINDER
    assert not h.tell("button")
    assert h.tell("user card")
    assert h.credit(4) and h.credit(1)  # no second reminder
    assert not h.credit(0)
    assert h.why() == c.CLAIM_NO_CREDIT
    assert h.credit(20)  # a purchase
    assert h.tell("user card")
    assert not h.credit(3)  # a new purchase, a new reminder
    assert h.why() == c.CLAIM_REMINDER


def test_story_no_credit_is_not_ended_by_card_button_or_remote():
    h = Household(0)
    for event in ("user card", "utility card", "button", "remote on", "overload wait", "fault gone"):
        assert not h.tell(event), event
    assert h.credit(1)


def test_story_small_purchase_below_alarm_2_owes_no_reminder():
    h = Household(20)
    h.credit(5)
    h.tell("user card")
    h.credit(0)
    assert h.credit(4)
    assert h.credit(1)


def test_story_credit_falling_past_both_in_one_tick():
    h = Household(20)
    assert not h.credit(-1)
    assert h.why() == c.CLAIM_NO_CREDIT
    assert h.s.claims == c.CLAIM_NO_CREDIT
    assert h.credit(3)  # small purchase: straight on, no reminder


def test_story_alarm_2_while_off_counts_as_served():
    h = Household(20)
    h.tell("remote off")
    h.credit(4)
    h.tell("remote on")
    assert h.tell("button")
    assert h.credit(3)


def test_story_pending_reminder_survives_a_top_up_until_the_card():
    h = Household(20)
    assert not h.credit(5)
    assert not h.credit(50)
    assert h.tell("user card")
    assert h.credit(49)
    assert not h.credit(5)


def test_story_overdraft_used_to_its_floor():
    h = Household(20, floor=-3)
    assert not h.credit(5)
    assert h.tell("user card")
    assert h.credit(0) and h.credit(-2)
    assert not h.credit(-3)
    assert not h.tell("user card")
    assert not h.credit(-3)
    assert h.credit(-2)


def test_story_remote_off_needs_remote_on_and_then_the_household():
    h = Household(20)
    assert not h.tell("remote off")
    assert not h.tell("user card") and not h.tell("button")
    assert not h.tell("remote on")
    assert h.tell("user card")
    assert not h.tell("remote off") and not h.tell("remote on")
    assert h.tell("button")


def test_story_second_remote_off_takes_the_readiness_back():
    h = Household(20)
    h.tell("remote off")
    h.tell("remote on")
    h.tell("remote off")
    assert not h.tell("button")


def test_story_remote_on_in_advance_is_not_saved_up():
    h = Household(20)
    h.tell("remote on")
    h.tell("remote off")
    assert not h.tell("user card")


def test_story_several_claims_all_have_to_go():
    h = Household(20)
    h.tell("overload")
    h.tell("tamper")
    h.tell("fault")
    assert not h.tell("user card")
    assert not h.tell("fault gone")
    assert h.why() == c.CLAIM_TAMPER
    assert h.tell("utility card")


def test_story_overload_locked_to_the_card():
    h = Household(20)
    h.tell("overload")
    assert h.tell("overload wait")
    h.tell("overload lock")
    assert not h.tell("overload wait")
    assert h.tell("user card")
    h.tell("overload")
    assert h.tell("overload wait")


def test_story_emergency_credit_is_lent_once_until_it_is_repaid():
    h = Household(20, emergency=2)
    assert not h.credit(0)
    assert h.tell("emergency")
    assert h.credit(0) and h.credit(-1)
    assert not h.credit(-2)
    assert not h.tell("emergency")
    assert h.credit(-1)  # a small purchase: what is left of it may be used
    assert not h.credit(-2) and not h.tell("emergency")
    assert h.credit(1)  # repaid
    assert not h.credit(0) and h.tell("emergency")


def test_story_emergency_credit_taken_in_friendly_hours_lasts_into_the_day():
    h = Household(20, emergency=2)
    h.s.credit_micro = 0  # used up, and nobody is switched off
    h.tell("emergency")
    assert not h.credit(0) and h.why() == c.CLAIM_REMINDER  # owed since the evening
    assert h.tell("user card") and h.credit(-1) and not h.credit(-2)
