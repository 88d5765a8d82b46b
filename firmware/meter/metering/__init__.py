# SPDX-License-Identifier: Apache-2.0
"""From the metering IC's counts to the books each second; the clock, the relay's guard and the load profile."""
