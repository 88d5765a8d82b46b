# SPDX-License-Identifier: Apache-2.0
"""Settings, tariff and keys: JSON documents in the file system, read whole or not at all."""

import json

from meter.core.errors import ConfigError


def load(root: str, name: str):
    """The document as a dict. Raises ConfigError when it is missing, cut short or not JSON."""
    path = root + "/" + name
    try:
        with open(path) as f:
            doc = json.load(f)
    except OSError:
        raise ConfigError(name, "the file is missing")
    except ValueError:
        raise ConfigError(name, "this is not JSON")
    if not isinstance(doc, dict):
        raise ConfigError(name, "a JSON object is expected")
    return doc
