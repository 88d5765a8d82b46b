// SPDX-License-Identifier: Apache-2.0
// What the meter's boards have in common; each mpconfigboard.h includes this last.

// No REPL: anybody who reaches the console could read keys and write credit. Output stays, see ../modules/console.py.
// The variant DEVELOPMENT says 1 (mpconfigdevelopment.cmake).
#ifndef MICROPY_HW_ENABLE_UART_REPL
#define MICROPY_HW_ENABLE_UART_REPL (0)
#endif

// Nothing here uses these, and without them there is room for a bigger firmware.
#define MICROPY_PY_BLUETOOTH (0)
#define MICROPY_PY_ESPNOW (0)
#define MICROPY_PY_NETWORK_LAN (0)
