# SPDX-License-Identifier: Apache-2.0
"""What can go wrong at the test bench. str() of each is one or more plain sentences, the last one what to do."""


class CalibrateError(Exception):
    """Anything this package refuses or cannot do."""


class DocumentError(CalibrateError):
    """A calibration document is not fit, or is sealed."""


class LinkError(CalibrateError):
    """The board, or the part behind it, does not answer as it should."""


class ReadingError(CalibrateError):
    """What was read or typed is no reading of a reference."""


class RangeError(CalibrateError):
    """A register cannot hold what would be needed: the front end is too far off."""
