# SPDX-License-Identifier: Apache-2.0
"""Households' days and years through the whole meter, against an oracle."""
