# SPDX-License-Identifier: Apache-2.0
"""Corrupted and hostile bundles and boot states against the loader: python -m host_tests.hostile."""
