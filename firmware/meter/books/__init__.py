# SPDX-License-Identifier: Apache-2.0
"""The household's account and every total: the only room that writes the ledger's record."""
