# SPDX-License-Identifier: Apache-2.0
"""The link between the meter process and the plant: one shared page of memory.

    0      u8   request number, written by the meter last
    1      u8   answer number, written by the plant last
    2      u8   interrupts pending (pin numbers follow at IRQ_AT)
    3      u8   reset cause
    8      u32  ticks_ms    12  u32  ticks_us     (written by the plant before each answer)
    16     u16  request length
    32     ...  pins whose interrupt is pending
    REQ_AT      request: posted operations one after another, the last one is answered
    RSP_AT      answer

Numbers are little-endian. Posted operations (marked P) have no answer and ride with the next one that has.
"""

try:
    from micropython import const
except ImportError:
    const = int

IRQ_AT = const(32)
REQ_AT = const(64)
RSP_AT = const(5120)
SIZE = const(10240)

PIN_SET = const(1)  # P pin, level
PIN_GET = const(2)  #   pin -> level
PIN_MODE = const(3)  # P pin, output, pull-up
PIN_IRQ = const(4)  # P pin, trigger
SPI_CFG = const(5)  # P bus, mode, baudrate u32
SPI_XFER = const(6)  #   bus, n, bytes -> n bytes
I2C_CFG = const(7)  # P bus, freq u32
I2C_XFER = const(8)  #   bus, addr, wlen u16, rlen u16, bytes -> status, bytes
SLEEP_MS = const(9)  #   ms u32, wakes early for an interrupt
SLEEP_US = const(10)  #   us u32, does not
FLASH_READ = const(11)  #   offset u32, n u16 -> bytes
FLASH_PROG = const(12)  #   offset u32, n u16, bytes -> status
FLASH_ERASE = const(13)  #   block u16 -> status
WATCHDOG = const(14)  # P timeout_ms u32; 0 feeds
RESET = const(15)  #   no answer: the process ends here

STATUS_OK = const(0)
STATUS_NAK = const(1)
STATUS_TIMEOUT = const(2)
