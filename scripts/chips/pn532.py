# SPDX-License-Identifier: Apache-2.0
"""PN532 on I2C: hand-shake, IRQ line, timing, and what happens in its RF field.

Sources: libnfc, Linux pn533, nfcpy and the frames they publish; the user manual UM0701-02 through them.
Modelled strictly where sources leave a choice:
- 5 ms (tBUF) between a STOP and the next START: a write sooner is not acknowledged, a read sooner is garbage;
- after power-up or reset the first transfer only wakes the chip and is not acknowledged, and SAMConfiguration
  must be the first command (others stay without ACK);
- every read begins with the status byte; a frame is given once, whole or not, and again after a host NACK;
- the answer is there only once the ACK has been read; a host ACK aborts;
- a card once listed is not found again until the field has been off.
Two cards may be in the field. Anticollision takes the one with a 1 where their UIDs first differ (bit order of the
air; ISO 14443-3 leaves it to the reader, the chip's own choice is not published). InListPassiveTarget for two gives
one when there is one. Cards of the same UID cannot be told apart: both answer, and differing answers are noise.
Not modelled: InAutoPoll, InSelect and InDeselect, InCommunicateThru, other modulations than 106 kbit/s type A.
Timing of the RF side is an estimate: 106 kbit/s with 9 bits a byte, plus fixed handling times.
"""

import random

from scripts.chips import I2cNak, I2cTimeout

TBUF_US = 5_000
WAKE_US = 2_000
BOOT_US = 10_000
RESET_MIN_US = 1_000
STRETCH_MAX_US = 440

_ACK_US = 700
_HANDLE_US = 1_000  # command taken to answer ready, without RF
_RESEND_US = 500
_DETECT_US = 15_000  # field, REQA, anticollision, SELECT, RATS
_TRY_US = 5_000  # one passive activation that finds nothing
_RF_BYTE_US = 85
_RF_FRAME_US = 400  # start and end of frame, guard times, both ways
_RF_SILENCE_US = 160_000  # frame waiting time of a DESFire and one repetition

_ACK = bytes.fromhex("0000FF00FF00")
_NACK = bytes.fromhex("0000FFFF0000")
_SYNTAX_ERROR = bytes.fromhex("0000FF01FF7F8100")


def _frame(payload: bytes) -> bytes:
    n = len(payload)
    return b"\x00\x00\xff" + bytes((n, (256 - n) & 255)) + payload + bytes(((256 - sum(payload)) & 255, 0))


class Pn532Chip:
    """at(t_us, fn) schedules in virtual time; set_irq(level) drives the IRQ line.

    Faults: absent; wedged (holds SCL until reset); nak_rate (share of transfers not acknowledged); garbage
    (share of reads with one bit wrong).
    Figures: i2c_bytes, transfers, tbuf_violations, apdus, air_us (RF time of APDUs with the card's own time),
    stretch_us (of the last transfer; the bus may add it), stretch_total_us.
    """

    addr = 0x24

    def __init__(self, at, set_irq, seed: int = 532):
        self._at = at
        self._set_irq = set_irq
        self.rng = random.Random(seed)
        self.absent = False
        self.wedged = False
        self.nak_rate = 0.0
        self.garbage = 0.0
        self.card = None  # in the slot
        self.second = None  # another one in the field
        self.powered = False
        self.zero_counters()
        self._rst = 1
        self._rst_low_us = 0
        self._irq = None
        self._volatile(0)

    def zero_counters(self) -> None:
        self.i2c_bytes = self.transfers = self.tbuf_violations = 0
        self.apdus = self.air_us = self.stretch_us = self.stretch_total_us = 0

    def _volatile(self, ready_us):
        self._boot_us = ready_us
        self._awake_us = None  # low-Vbat until the first transfer
        self._configured = False
        self._stop_us = None
        self._queue = []  # [ready_us, frame] still to be read
        self._last = None
        self._looking = None  # token of an endless InListPassiveTarget
        self._wanted = 1  # targets the last InListPassiveTarget asked for
        self._tries = 0xFF
        self._field_off()

    # -- power, reset, slot -----------------------------------------------------------------------

    def power_on(self, now_us: int) -> None:
        self.powered = True
        self._volatile(now_us + BOOT_US)
        self._irq = None
        self._show_irq(now_us)

    def power_off(self, now_us: int) -> None:
        self.powered = False
        self.wedged = False
        self._volatile(now_us)

    def reset_pin(self, level: int, now_us: int) -> None:
        if not level:
            self._rst_low_us = now_us
        elif not self._rst and now_us - self._rst_low_us >= RESET_MIN_US:
            self.wedged = False
            self._volatile(now_us + BOOT_US)
        self._rst = level
        self._show_irq(now_us)

    def insert(self, card, now_us: int) -> None:
        """Put a card into the slot. ValueError when there is one in it."""
        if self.card is not None:
            raise ValueError("there is a card in the slot")
        self.card = card
        self._arrived(card, now_us, lambda: self.remove(now_us))

    def insert_second(self, card, now_us: int) -> None:
        """Hold another card into the field as well. ValueError when there is one already."""
        if self.second is not None or card is self.card:
            raise ValueError("there is a second card in the field")
        self.second = card
        self._arrived(card, now_us, lambda: self.remove_second(now_us))

    def _arrived(self, card, now_us, pulled):
        card.field_off()
        card.on_pulled = pulled
        if self._looking is not None:
            self._detect(card, now_us)

    def remove(self, now_us: int) -> None:
        card, self.card = self.card, None
        self._left(card)

    def remove_second(self, now_us: int) -> None:
        card, self.second = self.second, None
        self._left(card)

    def _left(self, card):
        if card is None:
            return
        self._used = [c for c in self._used if c is not card]
        for cards in self._targets.values():
            cards[:] = [c for c in cards if c is not card]
        card.on_pulled = None
        card.field_off()

    def _present(self):
        return [card for card in (self.card, self.second) if card is not None]

    def _field_off(self):
        self._field = False
        self._targets = {}  # number: the cards, still there, that answer as this target
        self._used = []  # the cards that have been listed since the field came on
        for card in self._present():
            card.field_off()

    # -- I2C --------------------------------------------------------------------------------------

    def _begin(self, n, now_us):
        """What happens to any transfer before its data counts. True: too soon after the last one."""
        self.transfers += 1
        self.i2c_bytes += n + 1
        if not self.powered or not self._rst or now_us < self._boot_us:
            raise I2cNak(self.addr)
        if self.wedged:
            raise I2cTimeout(self.addr)
        if self.rng.random() < self.nak_rate:
            raise I2cNak(self.addr)
        if self._awake_us is None:
            self._awake_us = now_us + WAKE_US
            raise I2cNak(self.addr)
        if now_us < self._awake_us:
            raise I2cNak(self.addr)
        self.stretch_us = self.rng.randint(0, STRETCH_MAX_US)
        self.stretch_total_us += self.stretch_us
        if self._stop_us is not None and now_us - self._stop_us < TBUF_US:
            self.tbuf_violations += 1
            return True
        return False

    def i2c_stop(self, now_us: int) -> None:
        self._stop_us = now_us

    def i2c_write(self, data: bytes, now_us: int, byte_us: int) -> None:
        if self._begin(len(data), now_us):
            raise I2cNak(self.addr)
        end_us = now_us + byte_us * (len(data) + 1)
        if data == _ACK:
            self._queue = []
            self._looking = None
        elif data == _NACK:
            if self._last is not None:
                self._queue = [[end_us + _RESEND_US, self._last]]
        else:
            payload = self._payload(data)
            if payload is None or not (self._configured or payload[0] == 0x14):
                return
            self._queue = [[end_us + _ACK_US, _ACK]]
            self._last = None
            self._looking = None
            self._command(payload, end_us + _ACK_US)
        self._schedule_irq(end_us)

    def i2c_read(self, n: int, now_us: int, byte_us: int) -> bytes:
        too_soon = self._begin(n, now_us)
        if too_soon or not self._queue or self._queue[0][0] > now_us:
            return b"\x00" + self.rng.randbytes(n - 1)
        _, frame = self._queue.pop(0)
        if frame != _ACK:
            self._last = frame
        end_us = now_us + byte_us * (n + 1)
        if self._queue:
            self._queue[0][0] = max(self._queue[0][0], end_us + 150)
        self._show_irq(now_us)
        self._schedule_irq(end_us)
        frame = frame[: n - 1]
        if self.rng.random() < self.garbage:
            bit = self.rng.randrange(len(frame) * 8)
            frame = bytearray(frame)
            frame[bit // 8] ^= 1 << bit % 8
        # What a read beyond the frame gives is nobody's promise.
        return b"\x01" + bytes(frame) + self.rng.randbytes(n - 1 - len(frame))

    def _payload(self, data):
        """Code and data of a well-formed command frame, or None."""
        start = data.find(b"\x00\xff")
        if start < 0 or len(data) < start + 6:
            return None
        n, lcs = data[start + 2], data[start + 3]
        body = data[start + 4 : start + 4 + n]
        if (n + lcs) & 255 or len(data) < start + 5 + n or (sum(body) + data[start + 4 + n]) & 255:
            return None
        return body[1:] if n >= 2 and body[0] == 0xD4 else None

    def _schedule_irq(self, now_us):
        if self._queue:
            self._at(max(self._queue[0][0], now_us), self._show_irq)

    def _show_irq(self, now_us):
        level = 0 if self._queue and self._queue[0][0] <= now_us else 1
        if self.powered and level != self._irq:
            self._irq = level
            self._set_irq(level)

    # -- commands ---------------------------------------------------------------------------------

    def _reply(self, code, data, ready_us):
        self._queue.append([ready_us, _frame(bytes((0xD5, code + 1)) + data)])

    def _command(self, payload, now_us):
        code, data = payload[0], payload[1:]
        done_us = now_us + _HANDLE_US
        if code == 0x02 and not data:
            self._reply(code, bytes.fromhex("32010607"), done_us)
        elif code == 0x14 and data[:1] == b"\x01":
            self._configured = True
            self._reply(code, b"", done_us)
        elif code == 0x32 and data[:1] == b"\x01" and len(data) == 2:
            if not data[1] & 1:
                self._field_off()
            self._field = bool(data[1] & 1)
            self._reply(code, b"", done_us)
        elif code == 0x32 and data[:1] == b"\x05" and len(data) == 4:
            self._tries = data[3]
            self._reply(code, b"", done_us)
        elif code == 0x40 and len(data) >= 2:
            self._exchange(data, done_us)
        elif code == 0x4A and data in (b"\x01\x00", b"\x02\x00"):
            self._list(data[0], done_us)
        elif code == 0x52 and len(data) == 1:
            for target in list(self._targets):
                if data[0] in (0, target):
                    del self._targets[target]
            self._reply(code, b"\x00", done_us)
        else:
            self._queue.append([done_us, _SYNTAX_ERROR])

    def _list(self, wanted, now_us):
        self._field = True
        self._targets = {}
        self._wanted = wanted
        if self._fresh():
            self._found(now_us + _DETECT_US * min(wanted, len(self._fresh())))
        elif self._tries == 0xFF:
            self._looking = object()
        else:
            self._reply(0x4A, b"\x00", now_us + _TRY_US * (self._tries + 1))

    def _fresh(self):
        """The cards which still answer to a request, in the order in which anticollision finds them."""
        fresh = [card for card in self._present() if not any(card is used for used in self._used)]
        return sorted(fresh, key=lambda card: _air_bits(card.uid), reverse=True)

    def _detect(self, card, now_us):
        token = self._looking

        def settle(now_us):
            if self._looking is token and any(card is c for c in self._fresh()) and self._field:
                self._looking = None
                self._found(now_us)
                self._schedule_irq(now_us)

        self._at(now_us + _DETECT_US, settle)

    def _found(self, ready_us):
        answer = b""
        while len(self._targets) < self._wanted and self._fresh():
            card = self._fresh()[0]
            cards = [c for c in self._fresh() if c.uid == card.uid]
            number = len(self._targets) + 1
            self._targets[number] = cards
            self._used += cards
            for c in cards:
                c.field_on()
            answer += bytes((number,)) + card.atqa + bytes((card.sak, len(card.uid))) + card.uid + card.ats
        self._reply(0x4A, bytes((len(self._targets),)) + answer, ready_us)

    def _exchange(self, data, now_us):
        cards = self._targets.get(data[0])
        if cards is None:
            self._reply(0x40, b"\x27", now_us)
            return
        command = data[1:]
        self.apdus += bool(cards)
        heard = [card.transceive(command) for card in tuple(cards)]
        heard = [(answer, busy_us) for answer, busy_us in heard if answer is not None]
        if not heard:
            cards.clear()
            self._reply(0x40, b"\x01", now_us + _RF_SILENCE_US)
            return
        answer, busy_us = max(heard)
        air_us = _RF_FRAME_US + _RF_BYTE_US * (len(command) + len(answer) + 6) + busy_us
        self.air_us += air_us
        garbled = any(other != answer for other, _ in heard)
        self._reply(0x40, b"\x02" if garbled else b"\x00" + answer, now_us + air_us)


def _air_bits(uid):
    """The UID's bits as anticollision sees them: level by level, the lowest bit of each byte first."""
    levels = uid if len(uid) == 4 else b"\x88" + uid
    return [byte >> bit & 1 for byte in levels for bit in range(8)]
