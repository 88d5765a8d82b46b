# SPDX-License-Identifier: Apache-2.0
"""The figures of NUMBERS.md: heap, ticks, reactions, sizes."""
