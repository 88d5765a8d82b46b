# SPDX-License-Identifier: Apache-2.0
"""The display: HD44780 with 20 x 4 characters behind a PCF8574."""
