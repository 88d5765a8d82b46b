# SPDX-License-Identifier: Apache-2.0
"""The firmware in a process of its own, or in this interpreter."""
