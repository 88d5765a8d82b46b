# SPDX-License-Identifier: Apache-2.0
"""The supplier's keys, journal and card formats: what selling and provisioning share."""
