# SPDX-License-Identifier: Apache-2.0
"""A FRAM that acknowledges and keeps nothing: what the books refuse then, what they say, and how they heal."""

import asyncio

import pytest
from meter.books import opening, purchases, visits
from meter.commands import cover_reset
from meter.core import codes
from meter.core.errors import ChipError
from meter.drivers.metering_ic.sample import Sample
from meter.storage import ledger, registers

from host_tests.bench.cards import cards
from host_tests.stands.card import NUMBER, Meter
from scripts.chips.desfire import DesfireCard

UID = bytes.fromhex("04A1B2C3D4E5F0")
MINUTE_S = 60
AT_S = 845_649_000  # a full minute


def user_card(amount_micro=0):
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER, 1)
    if amount_micro:
        cards.sell(card, amount_micro)
    return card


def scene(play, **settings):
    """Run play(meter) with a desk at work. Return the meter."""
    meter = Meter(**settings)

    async def main():
        async with meter:
            await play(meter)

    meter.run(main())
    return meter


def ticks(meter, n, at_s=AT_S):
    for second in range(n):
        meter.books.tick(Sample(), at_s + second)


def reads(meter):
    """Offsets of the FRAM that are read from now on."""
    offsets = []
    chip = meter.fram_chip
    genuine = chip.i2c_read

    def i2c_read(n, now_us, byte_us):
        offsets.append(chip._address)
        return genuine(n, now_us, byte_us)

    chip.i2c_read = i2c_read
    return offsets


def next_goes_to(meter, offset):
    """The next commit goes over the copy that has this offset."""
    chip = meter.fram_chip
    meter.books.keep()
    if newest(chip) & 1 == offset // ledger.SLOT_B:
        meter.books.keep()
    assert newest(chip) & 1 != offset // ledger.SLOT_B


def newest(chip):
    return max(int.from_bytes(chip.data[at + 4 : at + 8], "little") for at in (ledger.SLOT_A, ledger.SLOT_B))


# -- money ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps_nothing", [True, ledger.SLOT_A, ledger.SLOT_B, ledger.SLOT_B + 340])
def test_a_purchase_that_is_not_kept_is_refused_in_words_and_can_be_booked_later(keeps_nothing):
    card = user_card(20_000_000)

    async def play(meter):
        next_goes_to(meter, keeps_nothing if keeps_nothing is not True else 0)
        meter.fram_chip.keeps_nothing = keeps_nothing
        await meter.show(card)
        assert meter.s.credit_micro == meter.s.purchase_count == meter.s.writeback_seq == 0
        assert "Card not accepted Memory fault. Credit stays on the card." in meter.panel.text
        assert "Credit added" not in meter.panel.text and "20.00" not in meter.panel.text
        assert cards.read_back(card) is None
        assert meter.books.faults & codes.FAULT_FRAM_KEEPS and not meter.books.faults & codes.FAULT_FRAM
        meter.boot()  # a power cut
        assert meter.s.purchase_count == 0

    scene(play)

    async def later(meter):
        await meter.show(card)
        assert (meter.s.credit_micro, meter.s.purchase_count) == (20_000_000, 1)
        assert cards.read_back(card).number == 1

    scene(later)


@pytest.mark.parametrize("debt_micro", [0, 7_000_000])
def test_a_purchase_that_is_not_kept_leaves_the_whole_state_as_it_was(debt_micro):
    async def play(meter):
        books, s = meter.books, meter.s
        ticks(meter, 2)
        s.credit_micro, s.debt_micro, s.lock = -1_000_000, 3_000_000, 2
        s.latches |= codes.LATCH_EMERGENCY
        books.assess()
        books.keep()
        assert s.claims and s.latches
        meter.fram_chip.keeps_nothing = True
        before = {name: bytes(value) if type(value) is bytearray else value for name, value in vars(s).items()}
        bought = purchases.purchase(books, 20_000_000, debt_micro), 1, debt_micro
        assert s.debt_paid_micro and s.latches != before["latches"], "it changed what must be put back"
        assert purchases.user_card(books, UID, 1, True, bought) == 0
        after = dict(vars(s))
        assert after.pop("event_seq") >= before.pop("event_seq")
        assert after == before

    scene(play, initial_credit="1", debt_percent=50, emergency="5")


def test_a_purchase_kept_in_one_copy_stays_when_the_other_is_dead():
    async def play(meter):
        next_goes_to(meter, ledger.SLOT_A)
        meter.fram_chip.keeps_nothing = ledger.SLOT_B
        card = user_card(20_000_000)
        await meter.show(card)
        assert meter.s.purchase_count == 1 and cards.read_back(card).number == 1
        ticks(meter, 50)
        assert meter.books.faults & codes.FAULT_FRAM_KEEPS
        meter.boot()
        assert meter.s.purchase_count == 1

    scene(play)


def test_a_purchase_that_is_told_is_in_both_copies_with_the_next_tick():
    async def play(meter):
        await meter.show(user_card(20_000_000))
        ticks(meter, 1)
        for copy in (ledger.SLOT_A, ledger.SLOT_B):
            other = bytes(meter.fram_chip.data[copy : copy + 512])
            meter.fram_chip.data[copy : copy + 512] = bytes(512)
            meter.boot()
            assert meter.s.purchase_count == 1
            meter.fram_chip.data[copy : copy + 512] = other

    scene(play)


def test_one_bit_hit_on_the_way_to_the_memory_costs_no_purchase():
    async def play(meter):
        chip = meter.fram_chip
        genuine = chip.i2c_write
        large = []

        def i2c_write(data, now_us, byte_us):
            if len(data) > 300:
                large.append(data)
                if len(large) == 1:
                    data = bytes(data[:60]) + bytes([data[60] ^ 4]) + bytes(data[61:])
            genuine(data, now_us, byte_us)

        chip.i2c_write = i2c_write
        await meter.show(user_card(20_000_000))
        assert meter.s.purchase_count == 1 and not meter.books.faults
        meter.boot()
        assert meter.s.purchase_count == 1

    scene(play)


def test_what_a_card_clears_and_is_lent_is_undone_when_it_is_not_kept():
    async def play(meter):
        meter.s.credit_micro = 0
        meter.books.assess()
        meter.s.latches |= codes.LATCH_REMINDER_SERVED
        ticks(meter, 2)
        before = dict(vars(meter.s))
        logged = meter.events.next_number
        meter.fram_chip.keeps_nothing = True
        await meter.show(user_card())
        meter.fram_chip.keeps_nothing = False
        after = dict(vars(meter.s))
        for counted in ("refused_cards", "event_seq"):
            del before[counted], after[counted]
        assert after == before and meter.s.claims == codes.CLAIM_NO_CREDIT
        assert meter.events.next_number == logged
        assert "Card not accepted Memory fault." in meter.panel.text
        await meter.show(user_card())
        assert meter.s.claims == 0 and meter.s.latches & codes.LATCH_EMERGENCY
        assert meter.logged(codes.LOG_EMERGENCY) == [0]

    scene(play, emergency="5.00")


# -- the fault ------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [ledger.SLOT_A, ledger.SLOT_B])
def test_all_is_read_back_once_a_minute_in_both_copies_and_no_other_tick_is(copy):
    meter = Meter()
    ticks(meter, 3)
    seen = reads(meter)
    ticks(meter, MINUTE_S - 3, AT_S + 3)
    assert not seen
    ticks(meter, 2, AT_S + MINUTE_S)
    assert {at & 0xFE00 for at in seen} >= {ledger.SLOT_A, ledger.SLOT_B}
    at_s = AT_S + MINUTE_S + 2
    meter.fram_chip.keeps_nothing = copy or True
    ticks(meter, MINUTE_S + 2, at_s)
    assert meter.books.faults & codes.FAULT_FRAM_KEEPS


def test_the_fault_ends_by_itself_and_the_log_has_when_it_began():
    meter = Meter()
    ticks(meter, 5)
    meter.fram_chip.keeps_nothing = True
    ticks(meter, 100, AT_S + 5)
    began = AT_S + 60
    assert meter.books.faults == codes.FAULT_FRAM_KEEPS and codes.FAULT_FRAM_KEEPS not in meter.logged(codes.LOG_FAULT)
    meter.fram_chip.keeps_nothing = False
    ticks(meter, 69, AT_S + 105)
    assert meter.books.faults == codes.FAULT_FRAM_KEEPS
    ticks(meter, 1, AT_S + 174)
    assert meter.books.faults == 0
    assert meter.logged(codes.LOG_FAULT) == meter.logged(codes.LOG_FAULT_CLEARED) == [codes.FAULT_FRAM_KEEPS]
    (told,) = [r for r in map(meter.events.record, range(1, meter.events.next_number)) if r[2] == codes.LOG_FAULT]
    assert told[1] == began


def test_a_part_that_keeps_all_but_the_registers_does_not_fill_its_own_log():
    meter = Meter()
    meter.fram_chip.keeps_nothing = registers.SLOT_A
    ticks(meter, 600)
    assert meter.books.faults & codes.FAULT_FRAM_KEEPS
    assert len(meter.logged(codes.LOG_FAULT)) <= 1


def test_claims_and_what_keys_and_commands_change_are_read_back():
    meter = Meter(overload_w=1000, overload_hold_s=1)
    ticks(meter, 3)
    books = meter.books
    for change in (
        lambda: books.relay_is(1),
        books.relay_moves,
        books.button,
        lambda: books.remote(False),
        lambda: visits.served(books, 7),
        lambda: cover_reset.inspected(books),
    ):
        ticks(meter, 2)
        seen = reads(meter)
        change()
        assert seen, change
    ticks(meter, 3)
    seen = reads(meter)
    sample = Sample()
    sample.p_total_mw = 5_000_000
    for second in range(3):
        books.tick(sample, AT_S + 10 + second)
    assert books.s.claims & codes.CLAIM_OVERLOAD and seen


# -- a new meter ----------------------------------------------------------------------------------


def test_a_new_meter_whose_memory_keeps_nothing_is_not_given_its_first_credit_at_each_start():
    meter = Meter(initial_credit="20.00")
    meter.fram_chip.data[:] = bytes(len(meter.fram_chip.data))
    meter.books.ready = False
    with pytest.raises(ChipError):
        opening.read_ledger(meter.books, False)
    assert not meter.books.ready


def test_the_desk_goes_on_after_all_that():
    async def play(meter):
        meter.fram_chip.keeps_nothing = True
        await meter.show(user_card(20_000_000))
        meter.fram_chip.keeps_nothing = False
        await asyncio.sleep(1)
        await meter.show(user_card(20_000_000))
        assert meter.s.purchase_count == 1

    scene(play)
