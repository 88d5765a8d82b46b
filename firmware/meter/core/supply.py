# SPDX-License-Identifier: Apache-2.0
"""Why supply is off, and how it comes back: the one place that decides.

Any claim opens the relay; it may close only when none is left. Claims and latches live in MeterState, so they
survive power loss. Every rule is a row of _RULES: the first row of an event whose conditions hold is applied,
and nothing else in the firmware touches claims or latches.
A remote disconnection follows DLMS disconnect control (IEC 62056-6-2 class 70): only a remote command undoes
it, and the household then closes on the spot, by card or button.

The reminder (alarm 2) trips once per purchase: LATCH_REMINDER_SERVED says none is owed. It is set when the
reminder trips or when alarm 2 is passed while the supply is off already, and cleared by credit above alarm 2.
Emergency credit is taken at the meter when credit is used up, by a card: a second limit, once until repaid.
"""

from array import array

from micropython import const

from meter.core import codes as c

_COLUMNS = const(5)
_LATCH_SHIFT = const(7)
_SERVED = c.LATCH_REMINDER_SERVED << _LATCH_SHIFT
_READY = c.LATCH_REMOTE_READY << _LATCH_SHIFT
_CARD_ONLY = c.LATCH_CARD_ONLY << _LATCH_SHIFT
_EMERGENCY = c.LATCH_EMERGENCY << _LATCH_SHIFT
CLAIMS = const(127)

# What a user card clears whenever it is shown, and what the local action ends after a remote one.
_BY_CARD = c.CLAIM_REMINDER | c.CLAIM_OVERLOAD | _CARD_ONLY
_RECLOSE = c.CLAIM_REMOTE | _READY

# fmt: off
_RULES = array("H", (
    # event             only if all of  and none of       then clear           and set
    c.EV_CREDIT_OUT,    0,              0,                0,                   c.CLAIM_NO_CREDIT,
    c.EV_CREDIT_OK,     0,              0,                c.CLAIM_NO_CREDIT,   0,
    c.EV_EMERGENCY,     0,              _EMERGENCY,       c.CLAIM_NO_CREDIT,   _EMERGENCY,
    c.EV_EMERGENCY,     0,              0,                0,                   0,
    c.EV_REPAID,        0,              0,                _EMERGENCY,          0,
    c.EV_ALARM2,        0,              CLAIMS | _SERVED, 0,                   c.CLAIM_REMINDER | _SERVED,
    c.EV_ALARM2,        0,              0,                0,                   _SERVED,
    c.EV_ABOVE_ALARM2,  0,              0,                _SERVED,             0,
    c.EV_OVERLOAD,      0,              0,                0,                   c.CLAIM_OVERLOAD,
    c.EV_OVERLOAD_LOCK, 0,              0,                0,                   c.CLAIM_OVERLOAD | _CARD_ONLY,
    c.EV_OVERLOAD_WAIT, 0,              _CARD_ONLY,       c.CLAIM_OVERLOAD,    0,
    c.EV_OVERLOAD_WAIT, 0,              0,                0,                   0,
    c.EV_USER_CARD,     _READY,         0,                _BY_CARD | _RECLOSE, 0,
    c.EV_USER_CARD,     0,              0,                _BY_CARD,            0,
    c.EV_UTILITY_CARD,  0,              0,                c.CLAIM_TAMPER,      0,
    c.EV_REMOTE_OFF,    0,              0,                _READY,              c.CLAIM_REMOTE,
    c.EV_REMOTE_ON,     c.CLAIM_REMOTE, 0,                c.CLAIM_TAMPER,      _READY,
    c.EV_REMOTE_ON,     0,              0,                c.CLAIM_TAMPER,      0,
    c.EV_BUTTON,        _READY,         0,                _RECLOSE,            0,
    c.EV_BUTTON,        0,              0,                0,                   0,
    c.EV_TAMPER,        0,              0,                0,                   c.CLAIM_TAMPER,
    c.EV_FAULT,         0,              0,                0,                   c.CLAIM_FAULT,
    c.EV_FAULT_GONE,    0,              0,                c.CLAIM_FAULT,       0,
    c.EV_NO_METERING,   0,              0,                0,                   c.CLAIM_METERING,
    c.EV_METERING,      0,              0,                c.CLAIM_METERING,    0,
))

# What the display names first: what only others can put right, then what to buy, then what the card clears.
_PRIORITY = bytes((
    c.CLAIM_FAULT, c.CLAIM_METERING, c.CLAIM_TAMPER, c.CLAIM_REMOTE, c.CLAIM_NO_CREDIT, c.CLAIM_OVERLOAD,
    c.CLAIM_REMINDER,
))
# fmt: on


def step(s, event: int) -> int:
    """Apply one event to the claims and latches of a MeterState.

    Return what changed, 0 if nothing: claims in the low seven bits (`changed & CLAIMS`), latches above them.
    ValueError for a number that is no event.
    """
    before = s.claims | s.latches << _LATCH_SHIFT
    for i in range(0, len(_RULES), _COLUMNS):
        if _RULES[i] == event and before & _RULES[i + 1] == _RULES[i + 1] and not before & _RULES[i + 2]:
            after = before & ~_RULES[i + 3] | _RULES[i + 4]
            s.claims = after & CLAIMS
            s.latches = after >> _LATCH_SHIFT
            return before ^ after
    raise ValueError(f"no supply event {event}")


def after_credit(s, alarm2_micro: int, off_micro: int, friendly: bool = False) -> int:
    """Derive the credit events from the credit as it is now; call after every tick and purchase. Return what
    changed, as step(). off_micro: where supply goes off, see floor_micro(). friendly: hours in which credit alone
    switches nobody off; what was owed then comes with their end.

    No credit comes before the reminder: credit that falls past both in one tick, or to alarm 2 while the
    supply is off, leaves no reminder owed.
    """
    credit_micro = s.credit_micro
    changed = 0
    if credit_micro > 0 and s.latches & c.LATCH_EMERGENCY:
        changed = step(s, c.EV_REPAID)
    if credit_micro <= off_micro:
        if not s.claims & c.CLAIM_NO_CREDIT and not friendly:
            changed ^= step(s, c.EV_CREDIT_OUT)
    elif s.claims & c.CLAIM_NO_CREDIT:
        changed ^= step(s, c.EV_CREDIT_OK)
    if credit_micro <= alarm2_micro:
        if not s.latches & c.LATCH_REMINDER_SERVED and not friendly:
            changed ^= step(s, c.EV_ALARM2)
    elif s.latches & c.LATCH_REMINDER_SERVED:
        changed ^= step(s, c.EV_ABOVE_ALARM2)
    return changed


def floor_micro(s, overdraft_micro: int, emergency_micro: int) -> int:
    """The credit at which supply goes off: lower by the emergency credit once that has been taken."""
    return -overdraft_micro - (emergency_micro if s.latches & c.LATCH_EMERGENCY else 0)


def closed(s) -> bool:
    """May the relay be closed: is no claim left?"""
    return s.claims == 0


def reason(s) -> int:
    """The one claim to show when supply is off, 0 when there is none."""
    for claim in _PRIORITY:
        if s.claims & claim:
            return claim
    return 0
