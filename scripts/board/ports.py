# SPDX-License-Identifier: Apache-2.0
"""Serial ports of this computer, by pyserial: which there are, and why one cannot be used."""

import os

from scripts.board.errors import NoPortError, PermissionDeniedError, PortBusyError, PortError, ToolsMissingError


def listed() -> list[tuple[str, str]]:
    """(name, what it says it is) of each port with something on it."""
    try:
        from serial.tools import list_ports  # pyright: ignore[reportMissingModuleSource, reportMissingImports]
    except ImportError:
        raise ToolsMissingError("pyserial is not installed. Run 'make device-tools' once.") from None
    return [(p.device, p.description) for p in sorted(list_ports.comports()) if p.hwid != "n/a"]


def there_are() -> str:
    """A sentence on the ports there are, and what to do with it."""
    found = listed()
    if not found:
        return (
            "This computer sees no board on USB: plug it in, with a cable that carries data (many only charge), and"
            " install its USB chip's driver if your system needs one."
        )
    return "There is " + " and ".join(f"{name} ({what})" for name, what in found) + f": say PORT={found[0][0]}."


def exists(port: str) -> bool:
    return "://" in port or os.path.exists(port)


def check(port: str) -> None:
    """Raises PortError where it is certain that a port cannot be used."""
    if not port:
        raise NoPortError(f"No port was named. {there_are()}")
    if "://" in port:
        raise PortError(f"{port} is a network address. This needs a serial port of this computer: say PORT=/dev/…")
    if not exists(port):
        raise NoPortError(f"There is no port {port}. {there_are()}")
    if not os.access(port, os.R_OK | os.W_OK):
        raise PermissionDeniedError(
            f"You may not use {port}. Add yourself to the group that owns it, mostly dialout"
            " (sudo usermod -aG dialout $USER), then log out and in again."
        )


def opened(port: str, baud: int = 115200):
    """A port as pyserial has it, for reading. Raises PortError."""
    check(port)
    try:
        import serial  # pyright: ignore[reportMissingModuleSource, reportMissingImports]
    except ImportError:
        raise ToolsMissingError("pyserial is not installed. Run 'make device-tools' once.") from None
    try:
        return serial.Serial(port, baud, timeout=0.2, exclusive=True)
    except (OSError, ValueError) as e:
        if "lock" in str(e) or "busy" in str(e).lower() or "temporarily unavailable" in str(e):
            raise busy(port) from None
        raise PortError(f"{port} cannot be opened ({e}). Unplug the board, plug it in again, and try again.") from None


def busy(port: str) -> PortBusyError:
    return PortBusyError(
        f"{port} is in use by another program. Close the serial monitor, or what else has it, and try again."
    )
