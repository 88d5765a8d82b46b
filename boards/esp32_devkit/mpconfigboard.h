// SPDX-License-Identifier: Apache-2.0
#define MICROPY_HW_BOARD_NAME "Pennywatt esp32_devkit"
#define MICROPY_HW_MCU_NAME "ESP32"

#include "../port/mpconfigmeter.h"
