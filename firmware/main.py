# SPDX-License-Identifier: Apache-2.0
import asyncio

import board
from meter import app

asyncio.run(app.main(board))
