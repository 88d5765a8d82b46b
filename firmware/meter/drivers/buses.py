# SPDX-License-Identifier: Apache-2.0
"""The buses of this board, by the port's hardware or, where board.py says so, by software. Loaded at start only.

By software any pin will do, and a part may stretch the clock as long as 50 ms; the transfer keeps the processor.
"""

import board
import machine
from micropython import const

_STRETCH_US = const(50_000)


def spi():
    """The metering IC's: mode 3."""
    sck = machine.Pin(board.SPI_SCK)
    mosi = machine.Pin(board.SPI_MOSI)
    miso = machine.Pin(board.SPI_MISO)
    if board.SOFT_SPI:
        return machine.SoftSPI(board.SPI_BAUDRATE, polarity=1, phase=1, sck=sck, mosi=mosi, miso=miso)
    return machine.SPI(board.SPI_ID, board.SPI_BAUDRATE, polarity=1, phase=1, sck=sck, mosi=mosi, miso=miso)


def i2c():
    """Of display, clock and FRAM."""
    return _i2c(1, board.I2C_ID, board.I2C_SCL, board.I2C_SDA, board.I2C_FREQ)


def card_i2c():
    """Of the card reader."""
    return _i2c(2, board.CARD_I2C_ID, board.CARD_SCL, board.CARD_SDA, board.CARD_FREQ)


def _i2c(bit, number, scl, sda, freq):
    scl = machine.Pin(scl)
    sda = machine.Pin(sda)
    if board.SOFT_I2C & bit:
        return machine.SoftI2C(scl=scl, sda=sda, freq=freq, timeout=_STRETCH_US)
    return machine.I2C(number, scl=scl, sda=sda, freq=freq, timeout=_STRETCH_US)
