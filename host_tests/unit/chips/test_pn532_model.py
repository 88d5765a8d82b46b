# SPDX-License-Identifier: Apache-2.0
"""The PN532 model keeps the part's rules, whatever talks to it."""

import pytest

from host_tests.bench.plant.clock import VirtualTime
from scripts.chips import I2cNak, I2cTimeout
from scripts.chips.desfire import DesfireCard
from scripts.chips.pn532 import Pn532Chip

BYTE_US = 23
ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
SAM = bytes.fromhex("0000FF05FBD4140114010200")
FIRMWARE = bytes.fromhex("0000FF02FED4022A00")
LIST = bytes.fromhex("0000FF04FCD44A0100E100")
FIELD_OFF = bytes.fromhex("0000FF04FCD4320100F900")
FEW_TRIES = bytes.fromhex("0000FF06FAD43205FF0102F300")
NO_CARD = bytes.fromhex("0000FF03FDD54B00E000")
UID = bytes.fromhex("04112233445566")


class Host:
    """Raw I2C at the model, with its own clock and the IRQ line as a list of levels."""

    def __init__(self):
        self.clock = VirtualTime()
        self.levels = []
        self.chip = Pn532Chip(self.clock.at, self.levels.append)
        self.chip.power_on(0)
        self.clock.advance(50_000)

    def write(self, data):
        try:
            self.chip.i2c_write(data, self.clock.now_us, BYTE_US)
            self.clock.advance(BYTE_US * (len(data) + 1))
        finally:
            self.chip.i2c_stop(self.clock.now_us)

    def read(self, n):
        try:
            data = self.chip.i2c_read(n + 1, self.clock.now_us, BYTE_US)
            self.clock.advance(BYTE_US * (n + 2))
        finally:
            self.chip.i2c_stop(self.clock.now_us)
        return data

    def pause(self, us=6_000):
        self.clock.advance(us)

    def wake(self):
        with pytest.raises(I2cNak):
            self.write(SAM)
        self.pause(10_000)
        assert self.ask(SAM, 9) == bytes.fromhex("0000FF02FED5151600")
        return self

    def ask(self, command, n, wait_us=30_000):
        self.write(command)
        self.pause()
        assert self.read(6) == b"\x01" + ACK
        self.pause(wait_us)
        data = self.read(n)
        assert data[0] == 1
        self.pause()
        return data[1:]


@pytest.fixture
def host():
    return Host().wake()


def test_the_first_transfer_after_power_up_only_wakes_the_chip():
    host = Host()
    with pytest.raises(I2cNak):
        host.write(SAM)
    host.pause(1_000)
    with pytest.raises(I2cNak):
        host.write(SAM)
    host.pause()
    host.write(SAM)


def test_before_sam_configuration_no_other_command_is_acknowledged():
    host = Host()
    with pytest.raises(I2cNak):
        host.write(FIRMWARE)
    host.pause(10_000)
    host.write(FIRMWARE)
    host.pause()
    assert host.read(6)[0] & 1 == 0
    assert host.levels == [1]


def test_acknowledge_comes_before_the_answer_and_the_irq_line_falls_for_each(host):
    del host.levels[:]
    host.write(FIRMWARE)
    host.pause()
    assert host.levels == [0]
    assert host.read(6) == b"\x01" + ACK
    host.pause()
    assert host.levels == [0, 1, 0]
    assert host.read(13)[1:] == bytes.fromhex("0000FF06FAD50332010607E800")
    assert host.levels == [0, 1, 0, 1]


def test_a_read_before_the_frame_is_ready_gives_a_zero_status_byte(host):
    host.write(LIST)
    host.pause()
    assert host.read(6)[0] == 1
    host.pause()
    assert host.read(20)[0] & 1 == 0


def test_an_answer_is_given_once_and_again_after_a_host_nack(host):
    answer = host.ask(FIRMWARE, 13)
    assert host.read(13)[0] & 1 == 0
    host.pause()
    host.write(NACK)
    host.pause()
    assert host.read(13) == b"\x01" + answer


def test_a_short_read_loses_the_tail_until_a_nack(host):
    whole = host.ask(FIRMWARE, 13)
    host.write(NACK)
    host.pause()
    assert host.read(6)[1:] == whole[:6]
    host.pause()
    assert host.read(13)[0] & 1 == 0
    host.pause()
    host.write(NACK)
    host.pause()
    assert host.read(13)[1:] == whole


def test_a_write_sooner_than_five_milliseconds_is_not_acknowledged(host):
    host.write(FIRMWARE)
    host.clock.advance(4_900)
    with pytest.raises(I2cNak):
        host.write(ACK)
    assert host.chip.tbuf_violations == 1


def test_a_read_sooner_than_five_milliseconds_gives_nothing_to_rely_on(host):
    host.write(FIRMWARE)
    host.clock.advance(3_000)
    assert host.read(6)[0] & 1 == 0
    assert host.chip.tbuf_violations == 1


def test_looking_for_a_card_without_limit_ends_only_with_a_card(host):
    host.write(LIST)
    host.pause()
    host.read(6)
    del host.levels[:]
    host.pause(3_600_000_000)
    assert host.levels == []
    host.chip.insert(DesfireCard(UID), host.clock.now_us)
    host.pause(30_000)
    assert host.levels == [0]
    assert host.read(28)[1:] == bytes.fromhex("0000FF15EBD54B010103442007 04112233445566 067577810280 1200")


def test_a_host_ack_aborts_the_search(host):
    host.write(LIST)
    host.pause()
    host.read(6)
    host.pause()
    host.write(ACK)
    del host.levels[:]
    host.chip.insert(DesfireCard(UID), host.clock.now_us)
    host.pause(1_000_000)
    assert host.levels == []


def test_looking_with_few_tries_gives_up(host):
    host.ask(FEW_TRIES, 9)
    assert host.ask(LIST, 10) == NO_CARD


def test_a_card_listed_once_is_not_found_again_until_the_field_was_off(host):
    host.ask(FEW_TRIES, 9)
    host.chip.insert(DesfireCard(UID), host.clock.now_us)
    assert host.ask(LIST, 28)[7] == 1
    assert host.ask(LIST, 10) == NO_CARD
    host.ask(FIELD_OFF, 9)
    assert host.ask(LIST, 28)[7] == 1


def test_field_off_makes_the_card_forget(host):
    card = DesfireCard(UID)
    host.chip.insert(card, host.clock.now_us)
    host.ask(LIST, 28)
    card._pending = {1: bytearray(4)}
    host.ask(FIELD_OFF, 9)
    assert card._pending == {}


def test_an_exchange_without_a_target_is_refused_and_with_a_lost_one_times_out(host):
    exchange = bytes.fromhex("0000FF07F9D440015A00000091") + b"\x00"
    assert host.ask(exchange, 10) == bytes.fromhex("0000FF03FDD54127C300")
    host.chip.insert(DesfireCard(UID), host.clock.now_us)
    host.ask(LIST, 28)
    host.chip.remove(host.clock.now_us)
    assert host.ask(exchange, 10, 300_000) == bytes.fromhex("0000FF03FDD54101E900")


def test_an_unknown_command_gets_an_error_frame(host):
    assert host.ask(bytes.fromhex("0000FF02FED4999300"), 8) == bytes.fromhex("0000FF01FF7F8100")


def test_a_damaged_command_is_not_acknowledged(host):
    host.write(FIRMWARE[:-2] + b"\x2b\x00")
    host.pause()
    assert host.read(6)[0] & 1 == 0


def test_a_wedged_chip_holds_the_bus_until_its_reset_pin_has_been_low(host):
    host.chip.wedged = True
    with pytest.raises(I2cTimeout):
        host.write(FIRMWARE)
    host.chip.reset_pin(0, host.clock.now_us)
    host.pause(100)
    host.chip.reset_pin(1, host.clock.now_us)
    with pytest.raises(I2cTimeout):
        host.write(FIRMWARE)
    host.chip.reset_pin(0, host.clock.now_us)
    host.pause(2_000)
    host.chip.reset_pin(1, host.clock.now_us)
    host.pause(20_000)
    host.wake()


def test_reset_forgets_configuration_and_answers(host):
    host.write(FIRMWARE)
    host.chip.reset_pin(0, host.clock.now_us)
    host.pause(2_000)
    host.chip.reset_pin(1, host.clock.now_us)
    host.pause(20_000)
    with pytest.raises(I2cNak):
        host.read(6)
    host.pause(10_000)
    assert host.read(6)[0] & 1 == 0


def test_without_power_nothing_answers(host):
    host.chip.power_off(host.clock.now_us)
    with pytest.raises(I2cNak):
        host.write(FIRMWARE)


def test_the_clock_is_stretched_by_no_more_than_440_microseconds(host):
    seen = set()
    for _ in range(60):
        host.ask(FIRMWARE, 13)
        seen.add(host.chip.stretch_us)
    assert 0 <= min(seen) < max(seen) <= 440


def test_a_slot_takes_one_card(host):
    host.chip.insert(DesfireCard(UID), host.clock.now_us)
    with pytest.raises(ValueError, match="there is a card"):
        host.chip.insert(DesfireCard(UID), host.clock.now_us)
