# SPDX-License-Identifier: Apache-2.0
# What the meter's boards have in common; each mpconfigboard.cmake sets IDF_TARGET, then includes this.

# IDF looks for a partition table beside ports/esp32; ours is in the board's folder, wherever that is.
file(WRITE ${CMAKE_BINARY_DIR}/sdkconfig.partitions
    "CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${MICROPY_BOARD_DIR}/partitions-place.csv\"\n")

# The port's own first, no sdkconfig.ble; of two lines for one option the later one counts.
set(SDKCONFIG_DEFAULTS
    boards/sdkconfig.base
    ${CMAKE_CURRENT_LIST_DIR}/sdkconfig.meter
    ${MICROPY_BOARD_DIR}/sdkconfig.board
    ${CMAKE_BINARY_DIR}/sdkconfig.partitions
)

set(MICROPY_PY_BTREE OFF)
set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
