# SPDX-License-Identifier: Apache-2.0
"""Test stands: one part of the product between stand-ins."""
