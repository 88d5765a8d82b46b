# SPDX-License-Identifier: Apache-2.0
"""The virtual meter's page in the browser, and what serves it."""
