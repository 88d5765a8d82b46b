# SPDX-License-Identifier: Apache-2.0
"""File systems and whole flash images."""
