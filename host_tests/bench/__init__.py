# SPDX-License-Identifier: Apache-2.0
"""The virtual meter: a plant of chip models, and the firmware on an interpreter joined to it."""
