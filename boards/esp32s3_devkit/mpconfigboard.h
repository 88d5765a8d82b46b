// SPDX-License-Identifier: Apache-2.0
#define MICROPY_HW_BOARD_NAME "Pennywatt esp32s3_devkit"
#define MICROPY_HW_MCU_NAME "ESP32S3"

// No USB: its serial port would be a REPL, too. The chip's ROM still flashes over USB when GPIO 0 is held low.
#define MICROPY_HW_ENABLE_USBDEV (0)
#define MICROPY_HW_USB_CDC (0)
#define MICROPY_HW_ESP_USB_SERIAL_JTAG (0)

#include "../port/mpconfigmeter.h"
