# SPDX-License-Identifier: Apache-2.0
"""Display, button, lamp and buzzer: what is shown when, and in which words."""
