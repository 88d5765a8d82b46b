# SPDX-License-Identifier: Apache-2.0
"""Numbers that leave the meter: on cards, in the ledger, in the event log. Never renumbered, never reused."""

from micropython import const

# Claims: reasons to keep the supply off. Bit mask in MeterState.claims.
CLAIM_REMOTE = const(1)
CLAIM_NO_CREDIT = const(2)
CLAIM_REMINDER = const(4)
CLAIM_OVERLOAD = const(8)
CLAIM_TAMPER = const(16)
CLAIM_FAULT = const(32)
CLAIM_METERING = const(64)  # nothing has been metered for an hour

# Latches: what the supply rules must remember besides the claims. Bit mask in MeterState.latches.
LATCH_REMINDER_SERVED = const(1)
LATCH_REMOTE_READY = const(2)
LATCH_CARD_ONLY = const(4)
LATCH_EMERGENCY = const(8)  # emergency credit has been taken, and not been repaid yet

# Faults, shown on the display. Bit mask, not stored.
FAULT_METER_IC = const(1)
FAULT_FRAM = const(2)
FAULT_CLOCK = const(4)
FAULT_CARD_READER = const(8)
FAULT_DISPLAY = const(16)
FAULT_RELAY = const(32)
FAULT_TARIFF = const(64)
FAULT_SETTINGS = const(128)
FAULT_KEYS = const(256)
FAULT_PROGRAM = const(512)  # a task fell or hung within the last hour
FAULT_SAFE_MODE = const(1024)
FAULT_FLASH = const(2048)
FAULT_CALIBRATION = const(4096)
FAULT_FRAM_KEEPS = const(8192)  # it acknowledges what it does not keep
FAULT_HEAP = const(16384)  # too little for the minute's work: fallback rate

# Events for supply.step().
EV_CREDIT_OUT = const(1)
EV_CREDIT_OK = const(2)
EV_ALARM2 = const(3)
EV_ABOVE_ALARM2 = const(4)
EV_OVERLOAD = const(5)
EV_OVERLOAD_WAIT = const(6)
EV_USER_CARD = const(7)
EV_UTILITY_CARD = const(8)
EV_REMOTE_OFF = const(9)
EV_REMOTE_ON = const(10)
EV_BUTTON = const(11)
EV_TAMPER = const(12)
EV_FAULT = const(13)
EV_FAULT_GONE = const(14)
EV_OVERLOAD_LOCK = const(15)
EV_EMERGENCY = const(16)
EV_REPAID = const(17)
EV_NO_METERING = const(18)
EV_METERING = const(19)

# Event log. The comment says what the value of the record means; without one it is 0.
LOG_POWER_UP = const(1)  # seconds without power, -1: not known
LOG_POWER_DOWN = const(2)  # written at the next start, with the time of the last tick
LOG_CLOCK_SET = const(3)
LOG_CLOCK_LOOK = const(4)  # seconds by which a time that was read was off; it was not taken
LOG_CLOCK_UNDONE = const(6)  # days the calendar goes back: it had followed a wrong clock
LOG_RESET = const(5)  # machine.reset_cause(): 1 power on, 2 restart, 3 watchdog
LOG_TRIP = const(16)  # claims that opened the relay
LOG_CLOSE = const(17)
LOG_RELAY_FAULT = const(18)  # 0 did not open, 1 did not close; more: ms a coil was on too long
LOG_PURCHASE = const(32)  # purchase count
LOG_CARD_REFUSED = const(33)  # CARD_* code
LOG_CARD_BOUND = const(34)
LOG_EMERGENCY = const(35)  # emergency credit taken
LOG_DEBT = const(36)  # purchase count that brought it
LOG_DAYS = const(37)  # days charged at once, when more than one
LOG_KEYS_CHANGED = const(38)  # version
LOG_RELAY_TEST = const(39)  # 1 it opened, 2 it closed, 3 both
LOG_INSPECTED = const(40)  # claims before
LOG_FAULT = const(48)  # fault bit
LOG_FAULT_CLEARED = const(49)  # fault bit
LOG_NO_METERING = const(50)  # 1 metering IC silent for an hour, 2 no start metered for an hour, 0 it meters again
LOG_TARIFF_CHANGED = const(64)  # BY_*
LOG_SETTINGS_CHANGED = const(65)  # BY_*
LOG_DOCUMENT_REFUSED = const(66)  # BY_*, and 16 for settings
LOG_DOCUMENT_TAKEN = const(67)  # the same: about to be put in force. Power may go before it can be said that it is
LOG_DOCUMENTS_ASIDE = const(68)  # which: mask() of documents/aside.py
LOG_BUNDLE_GIVEN_UP = const(70)  # 1 /update.pwb, 2 /deploy.pwb, 4 it cannot be removed
LOG_TRUST_CHANGED = const(72)  # number of the supplier's order key, and 256 times that of the sale key
# What watch.py finds: an even number when it begins, the next one when it ends. Value: the most extreme figure seen
# so far, times 4, and the phase (0 A, 1 B, 2 C, 3 all). Tampering is 80 + 2 * TAMPER_*.
LOG_COVER_OPEN = const(80)
LOG_COVER_CLOSED = const(81)
LOG_MAGNET_ON = const(82)
LOG_MAGNET_OFF = const(83)
LOG_REVERSE = const(84)  # W, negative
LOG_NO_VOLTAGE = const(86)  # 0.1 V: current without voltage
LOG_CURRENT_LOSS = const(88)  # 0.01 A
LOG_OPEN_ENERGY = const(90)  # W, behind a contact that is open
LOG_OPEN_VOLTAGE = const(92)
LOG_PULSES = const(94)  # 1/1000: energy registers and pulse output disagree
LOG_ALARM1 = const(96)
LOG_ALARM2 = const(97)
LOG_NEUTRAL = const(98)  # 0.01 A: line and neutral current differ
LOG_BAD_CARDS = const(100)  # cards in a row that could not prove what they are
# These have no end.
LOG_PATTERN = const(102)  # percent of what was usual
LOG_CLOCK_BACK = const(104)  # seconds
LOG_COVER_UNPOWERED = const(106)  # the cover was opened while the meter was off
LOG_CALIBRATION = const(108)  # not the one that was sealed: 1 that is back in force, 2 there is none
LOG_TASK_CRASH = const(112)  # the crash report of this number says more
LOG_LEDGER_FALLBACK = const(113)
LOG_HEAP = const(115)  # how often too little heap was left since the start
LOG_FLASH_BLOCK = const(114)  # how many blocks of raw flash did not take a record

LOG_OVER_VOLTAGE = const(128)  # 0.1 V
LOG_UNDER_VOLTAGE = const(130)  # 0.1 V
LOG_VOLTAGE_LOSS = const(132)  # 0.1 V: of a phase that carries current
LOG_PHASE_FAILURE = const(134)  # 0.1 V: of a phase without current
LOG_PHASE_SEQUENCE = const(136)
LOG_OVER_CURRENT = const(138)  # 0.01 A
LOG_VOLTAGE_IMBALANCE = const(140)  # 1/1000
LOG_CURRENT_IMBALANCE = const(142)  # 1/1000
LOG_LOW_PF = const(144)  # 1/1000
LOG_LOW_FREQUENCY = const(146)  # 0.01 Hz
LOG_HIGH_FREQUENCY = const(148)  # 0.01 Hz

# Kinds of tampering: MeterState.tampers counts them, Settings.tamper_trips says which switch off.
TAMPER_COVER = const(0)
TAMPER_MAGNET = const(1)
TAMPER_REVERSE = const(2)
TAMPER_NO_VOLTAGE = const(3)
TAMPER_CURRENT_LOSS = const(4)
TAMPER_OPEN_ENERGY = const(5)
TAMPER_OPEN_VOLTAGE = const(6)
TAMPER_PULSES = const(7)
TAMPER_NEUTRAL = const(9)
TAMPER_BAD_CARDS = const(10)
TAMPER_PATTERN = const(11)
TAMPER_CLOCK_BACK = const(12)
TAMPER_COVER_UNPOWERED = const(13)
TAMPER_CALIBRATION = const(14)

# Who changed a document.
BY_CARD = const(1)
BY_NETWORK = const(2)
BY_TIME = const(3)  # a tariff that was waiting for its day

# Why a card is refused.
CARD_UNKNOWN = const(1)  # not a card of this scheme
CARD_FOREIGN = const(2)  # made for another meter
CARD_REPLAYED = const(3)  # purchase count behind the meter's
CARD_SKIPPED = const(4)  # purchase count too far ahead
CARD_MALFORMED = const(5)
CARD_PULLED = const(6)
CARD_AUTH = const(7)
CARD_OLD_GENERATION = const(8)  # replaced by a newer card
CARD_HOARD = const(9)  # credit would pass the hoarding cap
CARD_READER = const(10)
CARD_STORAGE = const(11)
CARD_LOCKED = const(12)  # too many cards that could not prove what they are
CARD_OUTDATED = const(13)  # a utility card older than the last one that changed something
CARD_TWO = const(14)  # more than one card at once
CARD_CURRENCY = const(15)  # of a card for another currency
CARD_SIGNATURE = const(16)  # not signed by the supplier
CARD_KEY_OLD = const(17)  # signed with a key that is not in force
CARD_AHEAD = const(18)  # made later than this meter's clock says
