# SPDX-License-Identifier: Apache-2.0
"""What is around the meter's processor: house, parts, flash, time, and what goes wrong with them."""
