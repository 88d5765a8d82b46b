# SPDX-License-Identifier: Apache-2.0
"""Metering IC of one phase: Microchip ATM90E26."""
