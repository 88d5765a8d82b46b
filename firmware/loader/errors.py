# SPDX-License-Identifier: Apache-2.0
"""What the loader refuses, in words."""


class LoaderError(Exception):
    """A bundle or a slot is not what it should be; str() says why."""
