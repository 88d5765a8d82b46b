# SPDX-License-Identifier: Apache-2.0
"""What is watched for, from over-voltage to a bypassed phase: when it begins, lasts and ends."""
