# SPDX-License-Identifier: Apache-2.0
set(IDF_TARGET esp32)
include(${MICROPY_BOARD_DIR}/../port/mpconfigmeter.cmake)
