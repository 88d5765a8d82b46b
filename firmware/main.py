# SPDX-License-Identifier: Apache-2.0
# Starts the version boot.py has chosen. Should it not even load, the watchdog runs already, and starts are counted.
import meter

meter.run()
