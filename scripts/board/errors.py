# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between this computer and a board. str() of each is one or more plain sentences, the last one
what to do; `name` is what --json calls it."""


class FlashError(Exception):
    """Anything this package refuses or cannot do. Exit code 1."""

    @property
    def name(self) -> str:
        text = type(self).__name__.removesuffix("Error")
        return "".join("_" + c.lower() if c.isupper() else c for c in text).lstrip("_")


class ToolsMissingError(FlashError):
    """esptool, mpremote or pyserial is not installed."""


class PortError(FlashError):
    """The serial port cannot be used at all."""


class NoPortError(PortError):
    """No port was named, or there is none of that name."""


class PermissionDeniedError(PortError):
    """This user may not open the port."""


class PortBusyError(PortError):
    """Another program has the port."""


class UnpluggedError(PortError):
    """The port went away while it was in use."""


class ChipError(FlashError):
    """The chip is not the one the board's folder names."""


class FlashTooSmallError(FlashError):
    """The flash holds less than the board's partition table needs."""


class NoAnswerError(FlashError):
    """The chip's ROM loader does not answer."""


class WriteError(FlashError):
    """The flash could not be written, or does not hold what was written."""


class FlashedBeforeError(FlashError):
    """The board may hold a meter's records, and nobody said that they may go."""


class DownloadError(FlashError):
    """The MicroPython image could not be fetched."""


class ImageMismatchError(FlashError):
    """A MicroPython image is not the pinned one."""


class LayoutError(FlashError):
    """A board's description or partition table does not make a flash image."""


class DeviceError(FlashError):
    """MicroPython on the board could not do what it was asked. `exception`: its last line, as the board said it."""

    exception = ""

    def __init__(self, text: str, exception: str = ""):
        super().__init__(text)
        self.exception = exception


class NoReplError(DeviceError):
    """Nothing on the port answers like MicroPython."""


class FullError(DeviceError):
    """The board's file system has no room."""


class StartError(FlashError):
    """The firmware did not come up after the restart."""


class BundleRefusedError(FlashError):
    """The loader on the board does not take the bundle."""
