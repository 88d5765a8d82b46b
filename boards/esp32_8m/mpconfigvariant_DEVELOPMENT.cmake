# SPDX-License-Identifier: Apache-2.0
include(${MICROPY_BOARD_DIR}/../port/mpconfigdevelopment.cmake)
