# SPDX-License-Identifier: Apache-2.0
"""The bench's own words for what the meter's records say (the LCD's are in firmware/meter/services/)."""

CLAIMS = {
    1: "Disconnected by supplier",
    2: "Credit used up",
    4: "Low credit reminder",
    8: "Load too high",
    16: "Tamper",
    32: "Fault",
    64: "Nothing is metered",
}
_EVENTS = {
    1: "power up", 2: "power down", 3: "clock set", 4: "clock not believed", 5: "reset", 6: "days undone",
    16: "trip", 17: "close", 18: "relay fault", 32: "purchase", 33: "card refused", 34: "card bound",
    35: "emergency credit lent", 36: "debt taken over", 37: "days charged", 38: "keys changed", 39: "relay test",
    40: "inspected", 48: "fault", 49: "fault cleared", 50: "no metering",
    64: "tariff changed", 65: "settings changed", 66: "document refused", 67: "document taken",
    68: "documents put aside", 70: "bundle given up", 72: "supplier's keys changed",
    80: "cover open", 81: "cover closed", 82: "magnet near", 83: "magnet gone", 96: "alarm 1", 97: "alarm 2",
    106: "cover was opened while the meter was off", 108: "not the calibration that was sealed",
    112: "task restarted", 113: "ledger copy damaged", 114: "flash block given up",
    115: "too little heap",
}  # fmt: skip
# Found by the watch: what, the unit of its figure, and how many decimals it has.
_FOUND = {
    84: ("reverse energy", "W", 0), 86: ("current without voltage", "V", 1), 88: ("current lost on a phase", "A", 2),
    90: ("energy with the relay open", "W", 0), 92: ("voltage behind the open relay", "", 0),
    94: ("pulses and registers disagree", "%", 1), 98: ("line and neutral differ", "A", 2),
    100: ("too many bad cards", "", 0), 102: ("odd consumption", "%", 0), 104: ("clock set back", "s", 0),
    128: ("over-voltage", "V", 1), 130: ("under-voltage", "V", 1), 132: ("voltage lost under load", "V", 1),
    134: ("phase failure", "V", 1), 136: ("phase sequence", "", 0), 138: ("over-current", "A", 2),
    140: ("voltage imbalance", "%", 1), 142: ("current imbalance", "%", 1), 144: ("low power factor", "", 3),
    146: ("low frequency", "Hz", 2), 148: ("high frequency", "Hz", 2),
}  # fmt: skip
_FAULTS = {
    1: "metering IC", 2: "FRAM", 4: "clock", 8: "card reader", 16: "display", 32: "relay", 64: "tariff",
    128: "settings", 256: "keys", 512: "program", 1024: "safe mode", 2048: "flash",
    4096: "calibration", 8192: "FRAM keeps nothing", 16384: "too little heap",
}  # fmt: skip
_RESETS = {1: "power on", 2: "restart asked for", 3: "watchdog", 5: "soft reset"}
_CARDS = {
    1: "not a card of this kind", 2: "another meter's", 3: "used already", 4: "one before it is missing",
    5: "damaged", 6: "pulled", 7: "wrong key", 8: "replaced", 9: "too much credit", 10: "reader", 11: "memory",
    12: "too many failed logins", 13: "older than one used here", 14: "two at once",
    15: "another currency", 16: "not signed by the supplier", 17: "signed with a key that is not in force",
    18: "made later than the clock says",
}  # fmt: skip


def claims_text(claims: int) -> list[str]:
    return [text for bit, text in CLAIMS.items() if claims & bit]


def event_text(event) -> str:
    """One line for a log record."""
    text = _EVENTS.get(event.code, f"code {event.code}")
    if event.code in (16, 17):
        return f"{text}: {', '.join(claims_text(event.value)) or '-'}"
    if event.code in (48, 49):
        return f"{text}: {_FAULTS.get(event.value, event.value)}"
    if event.code == 50:
        return {0: "metering again", 1: "no metering for an hour", 2: "no start metered for an hour"}[event.value]
    if event.code == 68:
        kinds = ("settings", "calibration", "tariff", "events")
        return f"put aside: {', '.join(kind for n, kind in enumerate(kinds) if event.value >> 2 * n & 3)}"
    if event.code == 1:
        return f"supply back after {event.value} s" if event.value >= 0 else "first start"
    if event.code == 3:
        return f"{text} ({event.value:+d} s)"
    if event.code == 5:
        return f"started: {_RESETS.get(event.value, event.value)}"
    if event.code == 18 and event.value > 1:
        return f"a relay coil was on {event.value} ms too long"
    if event.code == 115:
        return f"{text}, {event.value} times since the start"
    if event.code == 32:
        return f"purchase no. {event.value} added"
    if event.code == 37:
        return f"{event.value} days charged at once" if event.value else "a wrong date: days are counted again"
    if event.code == 38:
        return f"keys of version {event.value} in force"
    if event.code == 72:
        return f"supplier's keys changed: purchases by no. {event.value >> 8}, orders by no. {event.value & 255}"
    if event.code == 39:
        return "relay test passed" if event.value == 3 else "relay test failed"
    if event.code & ~1 in _FOUND:
        what, unit, decimals = _FOUND[event.code & ~1]
        phase = event.value & 3
        figure = f" {event.value // 4 / 10**decimals:.{decimals}f} {unit}".rstrip() if unit or decimals else ""
        where = f", phase {'ABC'[phase]}" if phase < 3 else ""
        return f"{what}{where}:{figure}" + (", over" if event.code & 1 else "") if figure else what + where
    if event.code == 33:
        return f"{text}: {_CARDS.get(event.value, event.value)}"
    return text
