# SPDX-License-Identifier: Apache-2.0
"""The card: MIFARE DESFire EV1 to EV3, over whichever reader brings its APDUs."""
