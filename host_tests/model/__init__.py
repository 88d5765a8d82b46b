# SPDX-License-Identifier: Apache-2.0
"""A second, independent meter, and the machine that compares both."""
