# SPDX-License-Identifier: Apache-2.0
"""The bench's own words for what the meter's records say (the LCD's are in firmware/meter/services/texts.py)."""

CLAIMS = {
    1: "Disconnected by supplier",
    2: "Credit used up",
    4: "Low credit reminder",
    8: "Load too high",
    16: "Tamper",
    32: "Fault",
}
_EVENTS = {
    1: "power up", 2: "power down", 3: "clock set", 4: "clock invalid", 5: "reset", 16: "trip", 17: "close",
    18: "relay fault", 32: "purchase", 33: "card refused", 34: "card bound", 48: "fault", 49: "fault cleared",
    64: "tariff changed", 65: "settings changed", 66: "document refused", 80: "cover open", 81: "cover closed",
    82: "magnet near", 83: "magnet gone", 84: "reverse energy", 96: "alarm 1", 97: "alarm 2", 112: "task restarted",
    113: "ledger copy damaged",
}  # fmt: skip
_FAULTS = {
    1: "metering IC", 2: "FRAM", 4: "clock", 8: "card reader", 16: "display", 32: "relay", 64: "tariff",
    128: "settings", 256: "keys",
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
    if event.code == 1:
        return f"{text} after {event.value} s" if event.value >= 0 else f"{text}, first time"
    if event.code in (3, 5, 32, 33, 34):
        return f"{text} ({event.value:+d} s)" if event.code == 3 else f"{text} {event.value}"
    return text
