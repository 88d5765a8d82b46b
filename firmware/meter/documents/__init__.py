# SPDX-License-Identifier: Apache-2.0
"""Settings, tariff, calibration and keys: files, checks, and what of them is in force."""
