# SPDX-License-Identifier: Apache-2.0
"""Metering IC of three phases: Microchip ATM90E32AS."""
