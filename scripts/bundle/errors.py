# SPDX-License-Identifier: Apache-2.0
"""Why there is no bundle."""


class BundleError(Exception):
    """A bundle could not be built or read; str() says why in one sentence."""
