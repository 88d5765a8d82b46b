# SPDX-License-Identifier: Apache-2.0
"""The DESFire driver against the card model: it believes only what carries the card's MAC."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter.core import cmac
from meter.core.codes import CARD_AUTH, CARD_MALFORMED, CARD_PULLED, CARD_UNKNOWN
from meter.core.errors import CardError
from meter.drivers.desfire import card as desfire

from host_tests.bench.cards import cards
from host_tests.bench.cards.cards import AID, PURCHASE, WRITEBACK
from scripts.chips.desfire import DesfireCard
from scripts.chips.desfire_crypto import aes_cmac, an10922
from scripts.supplier.keys import METER

UID = bytes.fromhex("04112233445566")
NUMBER = "00012345"
KEY = cards.DEMO.user_card_key(1, METER, UID, NUMBER)


@pytest.fixture(scope="module")
def image():
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER)
    cards.sell(card, 20_000_000)
    return card.snapshot()


@pytest.fixture
def card(image):
    card = DesfireCard(UID)
    card.restore(image)
    return card


def link(card, change=None):
    """An exchange() to the card; change(answer) may tamper with what comes back."""

    async def exchange(command, answer_n):
        answer, _ = card.transceive(bytes(command))
        if answer is None:
            raise CardError(CARD_PULLED, "gone")
        if change is not None:
            answer = change(answer)
        return answer

    return exchange


async def logged_in(exchange, key=KEY):
    d = desfire.Desfire(exchange)
    await d.select(AID)
    await d.login(METER, key)
    return d


def run(coro):
    return asyncio.run(coro)


def code_of(coro):
    with pytest.raises(CardError) as refusal:
        run(coro)
    return refusal.value.code


def test_it_reads_what_is_in_a_maced_file(card):
    async def read():
        return await (await logged_in(link(card))).read(PURCHASE, 0, 32)

    assert run(read()) == cards.purchase(1, 20_000_000)[:32]


def test_what_it_writes_and_commits_is_on_the_card(card):
    async def write():
        d = await logged_in(link(card))
        for offset in (0, 44, 88):
            await d.write(WRITEBACK, offset, bytes(range(offset, min(offset + 44, 128))))
        await d.commit()

    run(write())
    assert bytes(card.applications[AID].files[WRITEBACK].data)[:128] == bytes(range(128))


def test_a_whole_session_keeps_the_chain_over_many_commands(card):
    async def session():
        d = await logged_in(link(card))
        for i in range(20):
            await d.write(WRITEBACK, i, bytes((i,)))
            assert await d.read(PURCHASE, i, 1) == cards.purchase(1, 20_000_000)[i : i + 1]
        await d.commit()
        assert await d.read(WRITEBACK, 0, 20) == bytes(range(20))

    run(session())


def test_without_login_a_free_file_can_be_read(card):
    async def read():
        d = desfire.Desfire(link(card))
        await d.select(AID)
        return await d.read(0, 0, 17)

    assert run(read()) == cards.label(NUMBER)


def test_a_wrong_key_is_a_card_that_cannot_be_opened(card):
    assert code_of(logged_in(link(card), bytes(16))) == CARD_AUTH


def test_a_card_that_does_not_know_the_key_cannot_pass_for_one_that_does(card):
    # The impostor repeats a recorded login; the meter's own random number does not let it.
    recorded = []

    async def record(command, answer_n):
        answer = card.transceive(bytes(command))[0]
        recorded.append(answer)
        return answer

    run(logged_in(record))

    async def replay(command, answer_n):
        return recorded.pop(0)

    assert code_of(logged_in(replay)) == CARD_AUTH


def test_two_logins_never_use_the_same_random_number(card):
    tokens = []

    async def listen(command, answer_n):
        if command[0] == 0xAF:
            tokens.append(bytes(command))
        card.random_bytes = lambda n: bytes(n)
        return card.transceive(bytes(command))[0]

    for _ in range(3):
        run(logged_in(listen))
    assert len(set(tokens)) == 3


def test_another_application_is_a_card_not_known():
    assert code_of(desfire.Desfire(link(DesfireCard(UID))).select(AID)) == CARD_UNKNOWN


def test_a_missing_file_and_a_closed_one_are_told_apart(card):
    async def missing():
        await (await logged_in(link(card))).read(9, 0, 4)

    async def closed():
        await (await logged_in(link(card))).write(PURCHASE, 0, b"\0")

    assert code_of(missing()) == CARD_MALFORMED
    assert code_of(closed()) == CARD_AUTH


@pytest.mark.parametrize("n", [0, 1, 2])
def test_an_answer_of_another_length_is_malformed(card, n):
    async def short():
        d = await logged_in(link(card))
        d._exchange = link(card, lambda answer: answer[:n])
        await d.read(PURCHASE, 0, 32)

    assert code_of(short()) == CARD_MALFORMED


def test_every_single_bit_changed_in_an_answer_is_noticed(card):
    async def one(bit):
        d = await logged_in(link(card))

        def flip(answer):
            answer = bytearray(answer)
            answer[bit // 8] ^= 1 << bit % 8
            return bytes(answer)

        d._exchange = link(card, flip)
        await d.read(PURCHASE, 0, 32)

    for bit in range(8 * 29):
        with pytest.raises(CardError):
            run(one(bit))


def test_after_any_error_there_is_no_session_left(card):
    async def broken():
        d = await logged_in(link(card))
        with pytest.raises(CardError):
            await d.read(9, 0, 4)
        return d._session

    assert run(broken()) is None


def test_every_command_of_the_desk_fits_one_frame(card):
    sizes = []

    async def measure(command, answer_n):
        answer = card.transceive(bytes(command))[0]
        sizes.append((len(command), len(answer)))
        assert len(answer) <= answer_n
        return answer

    async def session():
        d = await logged_in(measure)
        await d.read(WRITEBACK, 0, desfire.READ_MAX)
        await d.write(WRITEBACK, 0, bytes(desfire.WRITE_MAX))

    run(session())
    assert max(max(pair) for pair in sizes) == 60


@given(st.binary(max_size=70), st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_driver_and_model_agree_on_every_cmac(data, key, iv):
    assert cmac.Cmac(key).mac(data, iv) == aes_cmac(key, iv, data)


@given(st.binary(min_size=16, max_size=16), st.text("0123456789ABC-", min_size=1, max_size=12))
def test_driver_and_model_agree_on_every_diversified_key(role_key, number):
    data = UID + AID + number.encode()
    assert cmac.derived(role_key, data) == an10922(role_key, data)


def test_a_diversification_input_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too long"):
        cmac.derived(bytes(16), bytes(32))


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_constant_time_compare_compares(a, b):
    assert cmac.same(a, b) == (a == b)
    assert cmac.same(a, a)


def test_a_card_pulled_in_the_middle_is_reported_as_pulled(card):
    card.pull_after(2)
    assert code_of(logged_in(link(card))) == CARD_PULLED
