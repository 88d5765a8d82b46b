# SPDX-License-Identifier: Apache-2.0
# For the variant DEVELOPMENT: the REPL is on UART 0, and is the console. Not for a meter that is sold.
list(APPEND MICROPY_DEF_BOARD
    MICROPY_HW_ENABLE_UART_REPL=1
)

set(MICROPY_FROZEN_MANIFEST ${CMAKE_CURRENT_LIST_DIR}/manifest.py)
