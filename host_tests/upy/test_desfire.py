# SPDX-License-Identifier: Apache-2.0
"""The DESFire driver on the meter's own cryptolib. Sources of the values: host_tests/vectors/desfire.json."""

import asyncio
from binascii import unhexlify

from meter.core.cmac import Cmac, derived
from meter.core.codes import CARD_AUTH, CARD_MALFORMED
from meter.core.errors import CardError
from meter.drivers.desfire import card as desfire

KEY = unhexlify("10182028303840485058606870788088")
RND_A = unhexlify("40E7D27174CBA675E8EFBAB99C530E3D")
LOGIN = (
    ("AA01", "AFB351CB2465D4F33AC627FD6E87A168F2"),
    (
        "AF044B6CAC343A0865895149649CA8DDE1F5AC4EC67BD208900AF02F049E05F0B0",
        "00A2EE144B1012FBEB7B2F11132D95A454",
    ),
)
# The session that follows that login: file settings asked for, written, read.
SESSION = (
    ("CD05001100500000", "", "A75316AD1596B953"),
    ("6F", "05", "2D5FF67FFEC9D2D3"),
    ("F505", "00001100500000", "2AAC7517024E09DC"),
)


class Script:
    """A card that expects these commands and gives these answers."""

    def __init__(self, turns):
        self.turns = list(turns)

    async def exchange(self, command, answer_n):
        expected, answer = self.turns.pop(0)
        assert bytes(command) == unhexlify(expected), command
        return unhexlify(answer)


async def logged_in(*turns):
    card = desfire.Desfire(Script(LOGIN + turns).exchange)
    await card.login_ev1(1, KEY, RND_A)
    return card


def refusal(coro):
    try:
        asyncio.run(coro)
    except CardError as e:
        return e.code
    return None


def test_cmac_of_rfc_4493():
    cmac = Cmac(unhexlify("2B7E151628AED2A6ABF7158809CF4F3C"))
    assert cmac.mac(b"") == unhexlify("BB1D6929E95937287FA37D129B756746")
    message = unhexlify("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411")
    assert cmac.mac(message[:16]) == unhexlify("070A16B46B4D4144F79BDD9DD04A287C")
    assert cmac.mac(message) == unhexlify("DFA66747DE9AE63030CA32611497C827")


def test_diversification_of_an10922():
    key = derived(unhexlify("00112233445566778899AABBCCDDEEFF"), unhexlify("04782E21801D80") + b"0B\xf5NXP Abu")
    assert key == unhexlify("A8DD63A3B89D54B37CA802473FDA9175")


def test_login_and_mac_chain_of_a_published_session():
    async def session():
        card = await logged_in(*[(command, "00" + data + mac) for command, data, mac in SESSION])
        for command, data, _ in SESSION:
            assert await card._ask(unhexlify(command), len(data) // 2) == unhexlify(data)

    asyncio.run(session())


def test_a_wrong_proof_or_mac_is_refused():
    async def impostor():
        turns = (LOGIN[0], (LOGIN[1][0], "00" + "A3" + LOGIN[1][1][4:]))
        await desfire.Desfire(Script(turns).exchange).login_ev1(1, KEY, RND_A)

    async def forged():
        card = await logged_in(("6F", "00" + "06" + "2D5FF67FFEC9D2D3"))
        await card._ask(b"\x6f", 1)

    assert refusal(impostor()) == CARD_AUTH
    assert refusal(forged()) == CARD_MALFORMED


def test_a_random_number_is_new_each_time():
    tokens = []

    async def exchange(command, answer_n):
        tokens.append(bytes(command))
        return unhexlify(LOGIN[0][1]) if len(command) == 2 else b"\x00" + bytes(16)

    for _ in range(2):
        assert refusal(desfire.Desfire(exchange).login_ev1(1, KEY)) == CARD_AUTH
    assert tokens[1] != tokens[3]
