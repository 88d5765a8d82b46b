# SPDX-License-Identifier: Apache-2.0
"""A board at a serial port: find it, talk to it, put files on it."""
