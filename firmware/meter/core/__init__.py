# SPDX-License-Identifier: Apache-2.0
"""The rules of the meter: integers in, decisions out. No input or output, no clock, no floats."""
