# SPDX-License-Identifier: Apache-2.0
"""Is the time that was read from the clock to be taken over? One look after the other decides, purely.

A look is several transfers that agree (metering/clock_look.py): one wrong bit is none. It may find

    own time        the look shows               what is done
    not known       a time                       taken: at a start nobody knows how long power was away
    known           the same, give or take 5 s   taken, which is all there is to it in an hour
                    another                      not taken; looked at again soon
                    the same other one, for a    taken
                    minute and three looks, and
                    for an hour if it is more
                    than a day off

What a doubt is: (seconds off, own time of the first look that showed it, number of looks). The supplier's cable sets
the clock while the firmware is stopped: a start follows.
"""

from micropython import const

_AGREES_S = const(5)  # the ESP32's crystal drifts by some tens of ppm: 0.2 s an hour
_LOOKS = const(3)
_MINUTE_S = const(60)
_HOUR_S = const(3600)
_DAY_S = const(86_400)


def judge(doubt, own_s, seen_s: int) -> tuple:
    """own_s: what the meter's own seconds say, None: nothing. doubt: as the look before left it, None: there is none.

    Return (take it?, doubt)."""
    if own_s is None:
        return True, None
    off_s = seen_s - own_s
    if -_AGREES_S <= off_s <= _AGREES_S:
        return True, None
    if not doubt or not -_AGREES_S <= off_s - doubt[0] <= _AGREES_S:
        return False, (off_s, own_s, 1)
    off_s, since_s, looks = doubt[0], doubt[1], doubt[2] + 1
    passed_s = own_s - since_s
    wait_s = _MINUTE_S if -_DAY_S <= off_s <= _DAY_S else _HOUR_S
    if looks >= _LOOKS and passed_s >= wait_s:
        return True, None
    return False, (off_s, since_s, looks)
