// SPDX-License-Identifier: Apache-2.0
// What the meter's boards have in common; each mpconfigboard.h includes this last.

// No REPL: anybody who reaches the console could read keys and write credit. Output stays, see ../modules/console.py.
// The variant DEVELOPMENT says 1 (mpconfigdevelopment.cmake).
#ifndef MICROPY_HW_ENABLE_UART_REPL
#define MICROPY_HW_ENABLE_UART_REPL (0)
#endif

// Slots run in place, in the partition `romfs` (firmware/loader/romfs.py): rom_ioctl comes with it.
#define MICROPY_VFS_ROM (1)

// With the code in flash 96 KiB of Python heap are enough, from the start and in one piece. Should it ever want to grow,
// this much of the largest free block stays for Wi-Fi and TLS (patches/reserve.patch).
#define MICROPY_GC_INITIAL_HEAP_SIZE (96 * 1024)
#define MICROPY_GC_RESERVE (32 * 1024)

// Names that end in .local: nobody asks for any, and nobody finds a meter by one.
#define MICROPY_HW_ENABLE_MDNS_QUERIES (0)
#define MICROPY_HW_ENABLE_MDNS_RESPONDER (0)

// Nothing here uses these, and without them there is room for a bigger firmware.
#define MICROPY_PY_BLUETOOTH (0)
#define MICROPY_PY_ESPNOW (0)
#define MICROPY_PY_NETWORK_LAN (0)
