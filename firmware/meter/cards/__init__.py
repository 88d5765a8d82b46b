# SPDX-License-Identifier: Apache-2.0
"""One card at a time: whose it is, what is done with it, what is said and what it carries back."""
