# SPDX-License-Identifier: Apache-2.0
"""A card pulled at any exchange, a meter cut at any moment, cards and air that lie: money stays exact.

    PENNYWATT_MUTATIONS=10000 make unit PYTEST_ARGS="-k damaged"

tries more than the thousand of each kind of a usual run.
"""

import asyncio
import os
import random

import pytest
from meter.core import codes

from host_tests.bench.cards import cards
from host_tests.stands import states
from host_tests.stands.card import NUMBER, Meter
from scripts.chips.desfire import DesfireCard

UID = bytes.fromhex("04A1B2C3D4E5F0")
PRICE = 20_000_000
MUTATIONS = int(os.environ.get("PENNYWATT_MUTATIONS", "1000"))
# Of a good insertion, by the card's generation: select, (EV2 not known,) login 2, identity, purchase, signature 2; the
# signature is looked at; select, (EV2 not known,) login 2, write-back 6, commit.
EXCHANGES = {1: 19, 2: 17}
EACH = [(ev, n) for ev, exchanges in EXCHANGES.items() for n in range(exchanges)]


@pytest.fixture(scope="module")
def image():
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER)
    cards.sell(card, PRICE)
    return card.snapshot()


def copy_of(image, ev=1):
    card = DesfireCard(UID, ev=ev)
    card.restore(image)
    return card


@pytest.fixture
def card(image):
    return copy_of(image)


def scene(play):
    meter = Meter()

    async def main():
        async with meter:
            await play(meter)

    meter.run(main())
    return meter


@pytest.mark.parametrize("ev", EXCHANGES)
def test_a_good_insertion_takes_this_many_exchanges(image, ev):
    card = copy_of(image, ev)

    async def play(meter):
        await meter.show(card)

    scene(play)
    assert card.exchanges == EXCHANGES[ev]


@pytest.mark.parametrize("heard", [False, True], ids=["command lost", "answer lost"])
@pytest.mark.parametrize(("ev", "n"), EACH)
def test_pulled_at_any_exchange_the_next_insertion_finishes_and_money_is_exact(image, ev, n, heard):
    card = copy_of(image, ev)

    async def play(meter):
        card.pull_after(n, heard)
        await meter.show(card)
        said = meter.panel.text
        assert "insert again" in said.lower() or "Insert it again" in said
        booked = n >= EXCHANGES[ev] - 7  # everything before the first write-back command has been answered
        assert meter.s.credit_micro == (PRICE if booked else 0)
        assert meter.logged(codes.LOG_CARD_REFUSED) == []
        back = cards.read_back(card)
        assert (back is not None) == (n == EXCHANGES[ev] - 1 and heard), "complete or absent"
        await meter.show(card)
        s = meter.s
        assert (s.credit_micro, s.purchased_micro, s.purchase_count) == (PRICE, PRICE, 1)
        back = cards.read_back(card)
        assert (back.purchase_count, back.credit_micro) == (1, PRICE)
        assert back.number == s.writeback_seq

    scene(play)


def test_pulled_again_and_again_it_is_finished_in_the_end(card):
    async def play(meter):
        for n in list(range(EXCHANGES[1])) * 2:
            card.pull_after(n, heard=n % 2 == 0)
            await meter.show(card)
        await meter.show(card)
        assert (meter.s.credit_micro, meter.s.purchase_count) == (PRICE, 1)
        assert cards.sell(card, PRICE) == 2

    scene(play)


@pytest.mark.parametrize("ms", range(0, 840, 7))
def test_a_meter_that_loses_power_at_any_moment_of_a_card_credits_it_once(image, ms):
    card = copy_of(image)
    meter = Meter()

    async def cut():
        async with meter:
            meter.insert(card)
            await asyncio.sleep(ms / 1000)

    async def again():
        async with meter:
            await meter.show(card)

    meter.run(cut())
    if meter.chip.card is not None:
        meter.remove()
    meter.boot()
    assert meter.s.credit_micro in (0, PRICE)
    meter.run(again())
    s = meter.s
    assert (s.credit_micro, s.purchased_micro, s.purchase_count) == (PRICE, PRICE, 1)
    assert cards.read_back(card).number == s.writeback_seq


def test_a_card_thrown_in_and_out_at_random_is_credited_once(card):
    rng = random.Random(1)

    async def play(meter):
        for _ in range(200):
            meter.insert(card)
            await asyncio.sleep(rng.random() * 0.4)
            meter.remove()
            await asyncio.sleep(rng.random() * 0.2)
        await asyncio.sleep(2)
        await meter.show(card)
        assert (meter.s.credit_micro, meter.s.purchase_count) == (PRICE, 1)
        assert cards.read_back(card).purchase_count == 1

    scene(play)


def mutate(data, rng):
    """A few bytes changed, cut, doubled or swapped; always something else."""
    new = bytearray(data)
    while bytes(new) == bytes(data):
        for _ in range(rng.randint(1, 3)):
            kind = rng.randrange(5)
            at = rng.randrange(len(new)) if new else 0
            if kind == 0 and new:
                new[at] ^= 1 << rng.randrange(8)
            elif kind == 1 and new:
                new[at] = rng.randrange(256)
            elif kind == 2:
                del new[at:]
            elif kind == 3:
                new += rng.randbytes(rng.randint(1, 20))
            elif new:
                other = rng.randrange(len(new))
                new[at], new[other] = new[other], new[at]
    return bytes(new)


async def flash(meter, card):
    """In, served, out: as short as the desk allows."""
    meter.panel.said.clear()
    meter.insert(card)
    for _ in range(40):
        await asyncio.sleep(0.05)
        if meter.panel.said:
            break
    if meter.chip.card is not None:
        meter.remove()
    await asyncio.sleep(0.8)


def money(s):
    return s.credit_micro, s.purchased_micro, s.purchase_count, s.last_purchase_micro


def test_damaged_card_images_change_no_money(image):
    rng = random.Random(2)

    async def play(meter):
        for _ in range(MUTATIONS):
            card = DesfireCard(UID)
            card.restore(image)
            number = rng.choice((cards.IDENTITY, cards.PURCHASE))
            content = card.applications[cards.AID].files[number].data
            content[:] = mutate(content, rng).ljust(len(content), b"\0")[: len(content)]
            if content == image[cards.AID].files[number].data:
                continue
            await flash(meter, card)
            assert meter.panel.said, "somebody stands there and reads nothing"
            assert money(meter.s) == (0, 0, 0, 0)
            assert meter.s.card_uid == bytes(7)
        assert not meter.task.done()

    scene(play)


def test_damaged_answers_book_nothing_but_what_was_sold(image):
    """Somebody between card and reader changes one answer: refused, or booked as sold, nothing else."""
    rng = random.Random(3)

    async def play(meter):
        blank = type(meter.s)()
        booked = 0
        for _ in range(MUTATIONS):
            generation = rng.choice((1, 2))
            card = DesfireCard(UID, ev=generation)
            card.restore(image)
            states.copy(meter.s, blank)
            card.transceive = tampered(card, rng.randrange(EXCHANGES[generation]), rng)
            await flash(meter, card)
            assert meter.panel.said, "somebody stands there and reads nothing"
            assert money(meter.s) in ((0, 0, 0, 0), (PRICE, PRICE, 1, PRICE))
            # Booked only when what was changed came after the second login.
            assert (meter.s.purchase_count == 1) == (card.tampered_at > 13 - 2 * generation)
            booked += meter.s.purchase_count
        assert 0.3 * MUTATIONS < booked < 0.6 * MUTATIONS
        assert not meter.task.done()

    scene(play)


def tampered(card, turn, rng):
    """card.transceive with the answer of one turn changed."""
    genuine = card.transceive
    card.tampered_at = turn
    turns = iter(range(1000))

    def transceive(command):
        answer, busy_us = genuine(command)
        if next(turns) == turn and answer is not None:
            answer = mutate(answer, rng)
        return answer, busy_us

    return transceive
