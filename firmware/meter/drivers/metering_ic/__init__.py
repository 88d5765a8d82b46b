# SPDX-License-Identifier: Apache-2.0
"""What every metering IC's driver shares."""
