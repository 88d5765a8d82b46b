# SPDX-License-Identifier: Apache-2.0
"""PN532 NFC controller on I2C: its frames, and the few commands a card slot needs.

Source: NXP UM0701-02 rev 02 as the public drivers carry it out (libnfc, Linux pn533, nfcpy): frames 6.2.1,
I2C hand-shake 6.2.4, commands 7.2-7.3.
Invariants: 5 ms between any two transfers; a command is never sent twice once the chip may have taken it
(an APDU must not reach a card twice); every wait ends, with BusError (no answer), ChipError (a wrong one)
or CardError CARD_PULLED (the card stopped answering).
"""

import asyncio
import errno
import time

from micropython import const

from meter.core import codes
from meter.core.errors import BusError, CardError, ChipError

ADDR = const(0x24)
_GAP_US = const(5000)  # the chip's tBUF, STOP to next START
_TRIES = const(4)  # the first transfer after power-up only wakes the chip and is not acknowledged
_RETRY_MS = const(10)
_ACK_MS = const(50)
_ANSWER_MS = const(1000)

# Frame identifiers (TFI), 6.2.1.1
_TO_CHIP = const(0xD4)
_FROM_CHIP = const(0xD5)

# Commands with what goes with them: the manual's names
_GET_FIRMWARE_VERSION = b"\x02"  # 7.2.2
_SAM_CONFIGURATION = b"\x14\x01\x14\x01"  # 7.2.10: no SAM, 1 s (virtual card mode only), IRQ pin driven
_RF_FIELD_OFF = b"\x32\x01\x00"  # 7.3.1, RFConfiguration, item 1
_IN_LIST_ONE = b"\x4a\x01\x00"  # 7.3.5, InListPassiveTarget: one card of 106 kbps type A
_IN_LIST_TWO = b"\x4a\x02\x00"
_IN_DATA_EXCHANGE = b"\x40\x01"  # 7.3.8, with target 1
_RF_CONFIGURATION = const(0x32)
_MAX_RETRIES = const(0x05)  # its item: of ATR_RES, PSL_RES and passive activation
_ENDLESS = const(0xFF)
_BRIEF = const(0x02)

_IC = const(0x32)  # in the answer to GetFirmwareVersion
# The answer to InListPassiveTarget: NbTg, Tg, SENS_RES (2 bytes), SEL_RES, NFCIDLength, NFCID1, ATS
_NB_TG = const(0)
_SEL_RES = const(4)
_NFCID_LENGTH = const(5)
_NFCID = const(6)
_TARGET_MAX = const(41)  # NFCID1 of 10 bytes, an ATS of 20, and room
# The status byte of InDataExchange, 7.1
_ERROR_CODE = const(0x3F)
_MORE_INFORMATION = const(0x40)

_ACK = b"\x00\x00\xff\x00\xff\x00"
_NACK = b"\x00\x00\xff\xff\x00\x00"


def frame(body) -> bytes:
    """The normal information frame that carries body (command code and its data) to the chip."""
    n = len(body) + 1
    if n > 255:
        raise ValueError("too long")
    return bytes((0, 0, 0xFF, n, -n & 0xFF, _TO_CHIP)) + body + bytes((-(_TO_CHIP + sum(body)) & 0xFF, 0))


def parse(buf):
    """Where in buf an answer is: (first, end) of its code and data; (0, 0) when there is no good one.

    end >= len(buf): the read was too short, and nothing has been checked; end + 1 bytes would do.
    """
    at = 0
    while buf[at] or buf[at + 1] != 0xFF:
        at += 1
        if at + 4 > len(buf):
            return 0, 0
    n = buf[at + 2]
    first = at + 4
    end = first + n
    if (n + buf[at + 3]) & 0xFF or not 2 <= n < 255:
        return 0, 0
    if end < len(buf) and (buf[first] != _FROM_CHIP or sum(buf[first : end + 1]) & 0xFF):
        return 0, 0
    return first + 1, end


class Pn532:
    def __init__(self, i2c, irq_pin, reset_pin):
        self._i2c = i2c
        self._irq = irq_pin
        self._reset = reset_pin
        self._fell = asyncio.ThreadSafeFlag()
        self._rx = bytearray(96)
        self._stop_us = 0
        self._patience = -1  # what RFConfiguration item 5 holds now
        irq_pin.irq(self._woken, irq_pin.IRQ_FALLING)

    def _woken(self, pin):
        self._fell.set()

    async def start(self) -> None:
        """Reset the chip and make it ready: 0.3 s when it is well. BusError, ChipError when it is not."""
        self._reset(0)
        await asyncio.sleep_ms(100)
        self._reset(1)
        await asyncio.sleep_ms(100)
        self._stop_us = time.ticks_us()
        self._patience = -1
        await self._command(_SAM_CONFIGURATION, 0)
        await self.check()
        await self.look()

    async def check(self) -> None:
        """Is the chip alive, and a PN532?"""
        answer = await self._command(_GET_FIRMWARE_VERSION, 4)
        if len(answer) != 4 or answer[0] != _IC:
            raise ChipError(0, "no PN532")

    async def field_off(self) -> None:
        """Take the RF field from the card: it forgets its session, and can be found again."""
        await self._command(_RF_FIELD_OFF, 0)

    async def wait_card(self, limit_ms: int):
        """Let the chip look for a card by itself, asleep on its IRQ. (uid, sak, 2 if there are two cards, else 1),
        or None when time is up."""
        await self._set_patience(_ENDLESS)
        await self._begin(_IN_LIST_ONE)
        if await self._ready(limit_ms):
            await self._answer(_IN_LIST_ONE, _TARGET_MAX)
            # Once more, and for two: of several, the chip names the one it happens to agree with first.
            await self.field_off()
            found = await self._list(_IN_LIST_TWO)
            if found:
                return found
        else:
            await self._send(_ACK)  # an ACK from the host aborts the command
        await self.field_off()
        return None

    async def look(self):
        """Is a card there now? As wait_card(). The card must be fresh: field_off() before the first."""
        found = await self._list(_IN_LIST_ONE)
        await self.field_off()
        return found

    async def _list(self, command):
        await self._set_patience(_BRIEF)
        return _target(await self._command(command, _TARGET_MAX))

    async def exchange(self, apdu, answer_n: int) -> bytes:
        """Send apdu to the card that wait_card() found. Return its answer, of answer_n bytes as a rule.

        CardError CARD_PULLED when the card does not answer: gone, or not held well enough to be powered.
        """
        answer = await self._command(_IN_DATA_EXCHANGE + apdu, answer_n + 1)
        if len(answer) == 0:
            raise ChipError(0, "bad answer")
        status = answer[0]
        if status & _ERROR_CODE:
            raise CardError(codes.CARD_PULLED, "status %02x" % status)
        if status & _MORE_INFORMATION:
            raise CardError(codes.CARD_MALFORMED, "too long")
        return bytes(answer[1:])

    # -- command, acknowledge, answer -------------------------------------------------------------

    async def _set_patience(self, tries):
        if self._patience != tries:
            self._patience = -1
            await self._command(bytes((_RF_CONFIGURATION, _MAX_RETRIES, 0xFF, 0x01, tries)), 0)
            self._patience = tries

    async def _command(self, body, answer_n):
        await self._begin(body)
        if not await self._ready(_ANSWER_MS):
            raise BusError(0, "no answer")
        return await self._answer(body, answer_n)

    async def _begin(self, body):
        """Send a command and fetch its ACK. A damaged ACK passes: the answer will tell whether it was one."""
        await self._send(frame(body))
        if not await self._ready(_ACK_MS) or (await self._fetch(6))[3] == 0xFF:
            raise BusError(0, "no ACK")

    async def _answer(self, body, answer_n):
        """The data of the answer to body (without its code), as a view into the receive buffer."""
        need = answer_n + 9
        for _ in range(_TRIES):
            buf = await self._fetch(need)
            first, end = parse(buf)
            if end >= need:
                need = min(end + 1, len(self._rx) - 1)
            elif end and buf[first] == body[0] + 1:
                return buf[first + 1 : end]
            # Damaged on the wire or longer than expected: the chip keeps the answer for a NACK from the host.
            await self._send(_NACK)
            if not await self._ready(_ACK_MS):
                break
        raise ChipError(0, "bad answer")

    # -- transfers --------------------------------------------------------------------------------

    async def _ready(self, limit_ms):
        """Wait until the IRQ line is low. The line decides; the edge only ends the sleep."""
        end = time.ticks_add(time.ticks_ms(), limit_ms)
        while self._irq():
            left = time.ticks_diff(end, time.ticks_ms())
            if left <= 0:
                return False
            try:
                await asyncio.wait_for_ms(self._fell.wait(), left)
            except asyncio.TimeoutError:
                pass
        return True

    async def _send(self, out):
        await self._transfer(self._i2c.writeto, out)

    async def _fetch(self, n):
        """n bytes of a frame, without the status byte that leads every read."""
        buf = memoryview(self._rx)[: n + 1]
        for _ in range(_TRIES):
            await self._transfer(self._i2c.readfrom_into, buf)
            if buf[0] & 1:
                return buf[1:]
        raise BusError(0, "not ready")

    async def _transfer(self, transfer, buf):
        for _ in range(_TRIES):
            while True:
                gone_us = time.ticks_diff(time.ticks_us(), self._stop_us)
                if not 0 <= gone_us < _GAP_US:
                    break
                await asyncio.sleep_ms((_GAP_US - gone_us) // 1000 + 1)
            try:
                transfer(ADDR, buf)
                return
            except OSError as e:
                if e.args[0] == errno.ETIMEDOUT:
                    raise BusError(0, "bus held") from None
            finally:
                self._stop_us = time.ticks_us()
            await asyncio.sleep_ms(_RETRY_MS)
        raise BusError(0, "no chip")


def _target(answer):
    """(uid, sak, number of cards) out of InListPassiveTarget's answer, None when it lists no card."""
    if len(answer) < _NFCID or not 1 <= answer[_NB_TG] <= 2:
        return None
    end = _NFCID + answer[_NFCID_LENGTH]
    if len(answer) < end:
        raise ChipError(0, "bad answer")
    return bytes(answer[_NFCID:end]), answer[_SEL_RES], answer[_NB_TG]
