# SPDX-License-Identifier: Apache-2.0
"""The link between the meter process and the plant: one shared page of memory.

    0      u8   request number, written by the meter last
    1      u8   answer number, written by the plant last
    2      u8   interrupts pending (pin numbers follow at IRQ_AT)
    3      u8   reset cause
    4      u8   1: wait in the kernel for requests and answers, and wake who waits (futex on the first word)
    5      u8   timers whose time has come, a bit each (bit 0: machine.Timer(0))
    6      u8   1: look at the heap's peaks
    8      u32  ticks_ms    12  u32  ticks_us     (written by the plant before each answer)
    16     u16  request length
    20     u24  least bytes of heap that were free, with nothing to collect (while byte 6 is set)
    32     ...  pins whose interrupt is pending
    REQ_AT      request: posted operations one after another, the last one is answered
    RSP_AT      answer
    RTC_AT      memory of the RTC: u16 length, bytes; kept across resets, not without power

Numbers are little-endian. Posted operations (marked P) have no answer and ride with the next one that has.
"""

IRQ_AT = 32
REQ_AT = 64
RSP_AT = 5120
RTC_AT = 8192
SIZE = 10240

PIN_SET = 1  # P pin, level
PIN_GET = 2  #   pin -> level
PIN_MODE = 3  # P pin, output, pull-up
PIN_IRQ = 4  # P pin, trigger
SPI_CFG = 5  # P bus, mode, baudrate u32
SPI_XFER = 6  #   bus, n, bytes -> n bytes
I2C_CFG = 7  # P bus, freq u32
I2C_XFER = 8  #   bus, addr, wlen u16, rlen u16, bytes -> status, bytes
SLEEP_MS = 9  #   ms u32, wakes early for an interrupt
SLEEP_US = 10  #   us u32, does not
FLASH_READ = 11  #   offset u32, n u16 -> bytes
FLASH_PROG = 12  #   offset u32, n u16, bytes -> status
FLASH_ERASE = 13  #   block u16 -> status
WATCHDOG = 14  # P timeout_ms u32; 0 feeds
RESET = 15  #   no answer: the process ends here
COUNT_GET = 16  #   pin -> rising edges seen there so far u32
TIMER = 17  # P number, period ms u32 (0: stop), 1 for periodic
SLEEP_ON = 18  #   go on with the sleep that a timer interrupted: no sleep ends early for one
FREQ = 19  # P MHz of the processor u16
SPEND = 32  # P what, n u16: computing that asks nothing of the plant (bench/plant/costs.py); what:
TURN = 0  # asyncio chose a task
LOAD = 1  # a module of n bytes came
COLLECT = 2  # gc.collect()
HASH = 4  # n pieces of 64 bytes of a slot in place
IN_PLACE = 5  # a module of n bytes came whose byte code stays where it is
POWER = 3  # pow() with a modulus: n squarings in a row; 1: a point of a signature is doubled

LOW_AT = 20

STATUS_OK = 0
STATUS_NAK = 1
STATUS_TIMEOUT = 2
