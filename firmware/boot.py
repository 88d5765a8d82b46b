# SPDX-License-Identifier: Apache-2.0
# Runs before main.py. Nothing to do yet: choosing between two versions of the firmware will go here.
