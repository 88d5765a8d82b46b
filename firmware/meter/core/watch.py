# SPDX-License-Identifier: Apache-2.0
"""What is watched for: quality of the supply, and signs of theft. One table, one rule for all of it.

A row says which quantity is compared with what, for how long, and which event that is. Where the limits come from,
and what the rows are: watch_doc.py. The quantities are put together in watch/watcher.py.

    limit above clear    begins at or over the limit, ends at or below clear
    limit below clear    begins at or under the limit, ends at or above clear
    gate                 a second quantity without which there is no event, or it ends: at least so much, or, where the
                         gate's bound is negative, less than that
    hold, release        seconds without a break until it begins, and until it ends

The extreme is taken from the first second of the hold on.
"""

from array import array

from micropython import const

# Columns of a row, eight numbers of 16 bits.
_CODE = const(0)
QUANTITY = const(1)
_GATE = const(2)
_BOUND = const(3)
LIMIT = const(4)
_CLEAR = const(5)
_HOLD_S = const(6)
_RELEASE_S = const(7)
COLUMNS = const(8)

# Quantities. The first four are per phase; quantity q of phase p is at q * 3 + p, quantity q of all at q + 8.
U = const(0)  # 0.1 V
I = const(1)  # 0.01 A  # noqa: E741
P = const(2)  # W, negative: fed in
OTHERS = const(3)  # 0.01 A: the highest current of the other phases, while this one has its voltage
S = const(4)  # VA
PF = const(5)  # 1/1000, absolute
FREQUENCY = const(6)  # 0.01 Hz, 0: none
U_SPREAD = const(7)  # 1/1000 of the highest
I_SPREAD = const(8)
I_HIGH = const(9)  # 0.01 A, of the phase with most
SEQUENCE = const(10)  # 1: the phases turn the wrong way
OPEN_W = const(11)  # W, taken while the contact is open
OPEN_U = const(12)  # 1: voltage behind a contact that is open
NEUTRAL = const(13)  # 0.01 A: line less neutral, beyond a tenth of the line's
PULSES = const(14)  # 1/1000: energy registers against pulses
COVER = const(15)
MAGNET = const(16)
CARDS = const(17)  # in a row that could not prove what they are
QUANTITIES = const(26)

BLIND = const(4)  # rows in front that do not need the metering IC
NO_GATE = const(-1)
ALL = const(3)  # in place of a phase


class Watch:
    """The rows and how far each has come. rows: array of 16-bit numbers, COLUMNS to a row."""

    def __init__(self, rows, phases: int, three_wire: bool = False):
        self.rows = rows
        self.phases = phases
        self._without = 1 if three_wire else -1
        n = len(rows) // COLUMNS * phases
        self._timers = array("H", bytes(2 * n))
        self.extremes = array("i", bytes(4 * n))
        self.since = array("I", bytes(4 * n))  # while an event lasts: when it began, in seconds; else 0

    def step(self, quantities, now_s: int, seconds: int, behind: int, tell) -> None:
        """Look at the rows in front of `behind`, `seconds` after the last look; now_s: monotonic, from 1 on.

        tell(code, phase, extreme, lasted_s) is called for what begins (lasted_s -1) and ends; the code of an end is
        one more. False is told again with the next look.
        """
        rows = self.rows
        for row in range(0, behind * COLUMNS, COLUMNS):
            quantity = rows[row + QUANTITY]
            limit = rows[row + LIMIT]
            rises = limit > rows[row + _CLEAR]
            place = quantity + 8 if quantity > OTHERS else quantity * 3
            slot = row // COLUMNS * self.phases
            for phase in range(1 if quantity > OTHERS else self.phases):
                value = quantities[place + phase]
                since = self.since[slot]
                # The first line is nearly always the end of it: nothing begins, nothing lasts.
                if (
                    (since or self._timers[slot] or (value >= limit if rises else value <= limit))
                    and phase != self._without
                    and self._turns(row, slot, value, rises, self._passes(quantities, row, phase), seconds)
                ):
                    if tell(
                        rows[row + _CODE] + (1 if since else 0),
                        ALL if quantity > OTHERS else phase,
                        self.extremes[slot],
                        now_s - since if since else -1,
                    ):
                        self.since[slot] = 0 if since else now_s
                    else:
                        self._timers[slot] = rows[row + (_RELEASE_S if since else _HOLD_S)]
                slot += 1

    def _passes(self, quantities, row, phase):
        gate = self.rows[row + _GATE]
        if gate < 0:
            return True
        value = quantities[gate + 8 if gate > OTHERS else gate * 3 + phase]
        bound = self.rows[row + _BOUND]
        return value >= bound if bound >= 0 else value < -bound

    def _turns(self, row, slot, value, rises, passes, seconds):
        """Does the event begin, or end, now?"""
        rows = self.rows
        since = self.since[slot]
        timer = self._timers[slot]
        extreme = self.extremes[slot]
        bound = rows[row + (_CLEAR if since else LIMIT)]
        beyond = passes and ((value > bound if rises else value < bound) or (value == bound and not since))
        if beyond and ((value > extreme if rises else value < extreme) or not (timer or since)):
            self.extremes[slot] = value
        turns = False
        if beyond == (since > 0):
            timer = 0
        else:
            timer += seconds
            turns = timer >= rows[row + (_RELEASE_S if since else _HOLD_S)]
        self._timers[slot] = 0 if turns else timer
        return turns
