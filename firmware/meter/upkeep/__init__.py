# SPDX-License-Identifier: Apache-2.0
"""What keeps the meter going: tasks restarted, falls reported, starts counted, parts tested."""
