# SPDX-License-Identifier: Apache-2.0
"""What the meter's memory holds, decoded for people and tests."""
