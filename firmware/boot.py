# SPDX-License-Identifier: Apache-2.0
# Runs before main.py: counts the start, see services/starts.py. Choosing between two versions will go here.
from meter.services import starts

starts.begin()
