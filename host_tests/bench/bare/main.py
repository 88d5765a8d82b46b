# SPDX-License-Identifier: Apache-2.0
# The yardstick for a tick's cost: a loop that reads the registers the firmware reads, as often, and does
# nothing with them. Frames as in drivers/atm90e32/ic.py, one phase: each second, every 5th, every 16th.
import time

import machine

TICK = bytes((0x79, 0xD9, 0xDD, 0xB1, 0xC1, 0xB1, 0x80, 0x78, 0x84, 0x78, 0x88, 0x78, 0x8C, 0x78))
SLOW = bytes((0xB5, 0xC5, 0xB5, 0xB9, 0xC9, 0xB9, 0xBD, 0xF8, 0x71, 0x72, 0x35, 0x79))
AUDIT = bytes((0x81, 0x78, 0x85, 0x78, 0x89, 0x78, 0x8D, 0x78))


def main():
    spi = machine.SPI(2, 1000000, polarity=1, phase=1)
    cs = machine.Pin(5, machine.Pin.OUT, value=1)
    tx = bytearray(4)
    rx = bytearray(4)
    tx[0] = 0x80

    def read(addresses):
        for addr in addresses:
            tx[1] = addr
            cs(0)
            spi.write_readinto(tx, rx)
            cs(1)

    n = 0
    while True:
        read(TICK)
        if n % 5 == 0:
            read(SLOW)
        if n % 16 == 0:
            read(AUDIT)
        n += 1
        time.sleep_ms(999)


main()
