# SPDX-License-Identifier: Apache-2.0
"""The PN532 driver against the chip model: start, waiting, exchanges, and every way a bus can fail."""

import asyncio
import contextlib

import pytest
from meter.core.codes import CARD_PULLED
from meter.core.errors import BusError, CardError, ChipError

from host_tests.stands.card import Slot
from scripts.chips.desfire import DesfireCard
from scripts.chips.mifare_classic import ClassicCard

UID = bytes.fromhex("04112233445566")
SELECT_PICC = b"\x5a\x00\x00\x00"


@pytest.fixture
def slot():
    return Slot()


def started(slot):
    slot.run(slot.reader.start())
    return slot.reader


def wait_with(slot, card, limit_ms=30_000):
    slot.insert(card)
    return slot.run(slot.reader.wait_card(limit_ms))


def test_start_wakes_resets_and_configures_a_chip_just_powered(slot):
    started(slot)
    assert slot.chip._configured
    assert slot.vt.now_us < 400_000
    assert slot.chip.tbuf_violations == 0


def test_start_takes_a_hung_chip_through_the_reset_pin(slot):
    started(slot)
    slot.chip.wedged = True
    with pytest.raises(BusError, match="bus held"):
        slot.run(slot.reader.check())
    started(slot)
    assert not slot.chip.wedged


@pytest.mark.parametrize("freq", [100_000, 400_000])
def test_a_desfire_card_is_found_with_uid_and_sak(freq):
    slot = Slot(freq)
    started(slot)
    assert wait_with(slot, DesfireCard(UID)) == (UID, 0x20, 1)
    assert slot.chip.tbuf_violations == 0


def test_a_classic_card_is_found_as_what_it_is(slot):
    started(slot)
    assert wait_with(slot, ClassicCard(b"\x01\x02\x03\x04")) == (b"\x01\x02\x03\x04", 0x08, 1)


def test_nothing_moves_on_the_bus_while_no_card_is_there(slot):
    reader = started(slot)
    transfers = []
    slot.vt.at(slot.vt.now_us + 1_000_000, lambda now_us: transfers.append(slot.chip.transfers))
    slot.vt.at(slot.vt.now_us + 29_000_000, lambda now_us: transfers.append(slot.chip.transfers))
    assert slot.run(reader.wait_card(30_000)) is None
    assert transfers[0] == transfers[1]


def test_after_the_wait_is_aborted_the_chip_takes_commands_and_finds_cards(slot):
    reader = started(slot)
    assert slot.run(reader.wait_card(1_000)) is None
    slot.run(reader.check())
    assert wait_with(slot, DesfireCard(UID)) == (UID, 0x20, 1)


def test_a_card_that_comes_just_as_the_wait_ends_is_found_in_the_next(slot):
    reader = started(slot)
    card = DesfireCard(UID)
    slot.vt.at(slot.vt.now_us + 1_030_000, lambda now_us: slot.chip.insert(card, now_us))
    found = slot.run(reader.wait_card(1_000)) or slot.run(reader.wait_card(1_000))
    assert found == (UID, 0x20, 1)


def test_an_exchange_carries_bytes_to_the_card_and_back(slot):
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    assert slot.run(reader.exchange(SELECT_PICC, 1)) == b"\x00"
    assert slot.run(reader.exchange(b"\x5a\x01\x02\x03", 1)) == b"\xa0"


def test_an_answer_longer_than_expected_is_fetched_again_whole(slot):
    reader = started(slot)
    card = DesfireCard(UID)
    card.transceive = lambda command: (b"\x00" + bytes(range(50)), 1000)
    wait_with(slot, card)
    assert slot.run(reader.exchange(b"\xbd", 5)) == b"\x00" + bytes(range(50))


def test_a_card_taken_out_is_a_card_error(slot):
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    slot.remove()
    with pytest.raises(CardError) as refusal:
        slot.run(reader.exchange(SELECT_PICC, 1))
    assert refusal.value.code == CARD_PULLED


def test_look_sees_a_card_come_and_go_and_comes_to_the_same_end_each_time(slot):
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    slot.run(reader.field_off())
    assert [slot.run(reader.look()) for _ in range(3)] == [(UID, 0x20, 1)] * 3
    slot.remove()
    assert slot.run(reader.look()) is None


def test_an_absent_chip_is_a_bus_error_within_half_a_second(slot):
    slot.chip.absent = True
    with pytest.raises(BusError, match="no chip"):
        started(slot)
    assert slot.vt.now_us < 500_000


def test_another_chip_than_a_pn532_is_refused(slot):
    reply = slot.chip._reply

    def other(code, data, ready_us):
        reply(code, b"\x33\x01\x06\x07" if code == 0x02 else data, ready_us)

    slot.chip._reply = other
    with pytest.raises(ChipError, match="no PN532"):
        started(slot)


def test_an_answer_without_data_where_there_should_be_some_is_a_chip_error(slot):
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    reply = slot.chip._reply
    slot.chip._reply = lambda code, data, ready_us: reply(code, b"", ready_us)
    for ask in (reader.exchange(SELECT_PICC, 1), reader.check()):
        with pytest.raises(ChipError):
            slot.run(ask)
    assert slot.run(reader.look()) is None


def test_a_card_that_fails_to_start_is_looked_for_again(slot):
    started(slot)
    found = slot.chip._found

    def weak(ready_us):
        slot.chip._found = found
        slot.chip._used = [slot.chip.card]
        slot.chip._reply(0x4A, b"\x00", ready_us)

    slot.chip._found = weak
    assert wait_with(slot, DesfireCard(UID)) == (UID, 0x20, 1)


def test_two_cards_are_told_from_one(slot):
    started(slot)
    slot.chip.insert_second(DesfireCard(bytes.fromhex("04112233445577")), slot.vt.now_us)
    assert wait_with(slot, DesfireCard(UID))[2] == 2


def test_a_dead_irq_line_ends_in_a_bus_error(slot):
    slot.chip._set_irq = lambda level: None
    slot.irq.level = 1
    with pytest.raises(BusError, match="no ACK"):
        started(slot)


def test_a_refused_command_is_a_chip_error(slot):
    reader = started(slot)
    with pytest.raises(ChipError, match="bad answer"):
        slot.run(reader._command(b"\x99", 0))


def test_one_transfer_in_twenty_without_acknowledge_disturbs_nothing(slot):
    slot.chip.nak_rate = 0.05
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    for _ in range(50):
        assert slot.run(reader.exchange(SELECT_PICC, 1)) == b"\x00"
    assert slot.chip.tbuf_violations == 0


def test_one_damaged_read_in_ten_is_fetched_again_and_never_believed(slot):
    reader = started(slot)
    card = DesfireCard(UID)
    wait_with(slot, card)
    slot.chip.garbage = 0.1
    for _ in range(200):
        assert slot.run(reader.exchange(SELECT_PICC, 1)) == b"\x00"


def test_a_command_once_acknowledged_is_never_sent_twice(slot):
    reader = started(slot)
    card = DesfireCard(UID)
    wait_with(slot, card)
    slot.chip.garbage = 0.2
    slot.chip.nak_rate = 0.1
    for n in range(1, 200):
        with contextlib.suppress(BusError, ChipError):
            slot.run(reader.exchange(SELECT_PICC, 1))
        assert card.exchanges <= n


def test_no_two_transfers_are_closer_than_five_milliseconds(slot):
    reader = started(slot)
    spans = []
    transfer = slot.i2c.bus.transfer
    last = [None]

    def timed(*args):
        if last[0] is not None:
            spans.append(slot.vt.now_us - last[0])
        try:
            return transfer(*args)
        finally:
            last[0] = slot.vt.now_us

    slot.i2c.bus.transfer = timed
    wait_with(slot, DesfireCard(UID))
    for _ in range(20):
        slot.run(reader.exchange(SELECT_PICC, 1))
    assert len(spans) > 60
    assert min(spans) >= 5_000


def test_a_reader_that_goes_silent_in_a_command_ends_in_a_bus_error(slot):
    reader = started(slot)
    wait_with(slot, DesfireCard(UID))
    slot.chip._reply = lambda *args: None
    start_us = slot.vt.now_us
    with pytest.raises(BusError, match="no answer"):
        slot.run(reader.exchange(SELECT_PICC, 1))
    assert slot.vt.now_us - start_us < 1_200_000


def test_waiting_can_be_cancelled(slot):
    async def main():
        await slot.reader.start()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(slot.reader.wait_card(30_000), 1)
        await slot.reader.start()
        await slot.reader.check()

    slot.run(main())
