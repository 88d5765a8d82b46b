# SPDX-License-Identifier: Apache-2.0
"""Cards to hold to the reader: households', the supplier's, others'."""
