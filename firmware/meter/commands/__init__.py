# SPDX-License-Identifier: Apache-2.0
"""Orders, whichever carrier brings them: what each one does and what came of it. No words for people."""
