# SPDX-License-Identifier: Apache-2.0
"""Published DESFire, CMAC and AN10922 examples, held against the driver and, apart, the card model."""

import asyncio
import json
from pathlib import Path

import pytest
from meter.core.cmac import Cmac, derived
from meter.drivers.desfire import card as driver
from meter.drivers.desfire import ev2

from host_tests.bench.cards.cards import Terminal
from scripts.chips import desfire as model
from scripts.chips import desfire_crypto as crypto
from scripts.vend.desfire import Session

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "desfire.json").read_text())
CMAC = VECTORS["cmac"]
LOGINS = VECTORS["logins"]
SESSION = VECTORS["session"]
MAC_CASES = [(int(n), mac) for n, mac in CMAC["macs"].items()]


def hexed(text):
    return bytes.fromhex(text)


def named(case):
    return case["source"].split(":")[-1].split(",")[-1].strip()


class Script:
    """An exchange() that expects these commands and gives these answers."""

    def __init__(self, *turns):
        self.turns = list(turns)

    async def __call__(self, command, answer_n):
        expected, answer = self.turns.pop(0)
        assert bytes(command) == expected
        assert len(answer) <= answer_n, "the driver would not have read all of it"
        return answer


def login_turns(case):
    return (
        (bytes((0xAA, case["key_no"])), b"\xaf" + hexed(case["challenge"])),
        (b"\xaf" + hexed(case["token"]), b"\x00" + hexed(case["proof"])),
    )


# -- driver ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "mac"), MAC_CASES)
def test_the_driver_computes_the_cmac_of_rfc_4493(n, mac):
    cmac = Cmac(hexed(CMAC["key"]))
    assert cmac.mac(hexed(CMAC["message"])[:n]) == hexed(mac)


def test_the_driver_derives_the_subkeys_of_rfc_4493():
    cmac = Cmac(hexed(CMAC["key"]))
    assert (bytes(cmac._whole), bytes(cmac._padded)) == (hexed(CMAC["k1"]), hexed(CMAC["k2"]))


def test_the_driver_diversifies_as_an10922_does():
    v = VECTORS["diversification"]
    key = derived(hexed(v["key"]), hexed(v["uid"] + v["aid"] + v["system"]))
    assert key == hexed(v["diversified"])


@pytest.mark.parametrize("case", [c for c in LOGINS if "proof" in c], ids=named)
def test_the_driver_logs_in_as_the_published_exchange(case):
    card = driver.Desfire(Script(*login_turns(case)))
    asyncio.run(card.login_ev1(case["key_no"], hexed(case["key"]), hexed(case["rnd_a"])))
    assert card._session._cmac._key == hexed(case["session"])


def test_the_driver_sends_the_published_token_to_a_real_card():
    case = LOGINS[2]
    script = Script(login_turns({**case, "proof": ""})[0], (b"\xaf" + hexed(case["token"]), b""))
    with pytest.raises(driver.CardError):
        asyncio.run(driver.Desfire(script).login_ev1(0, hexed(case["key"]), hexed(case["rnd_a"])))
    assert not script.turns


def test_the_driver_carries_the_mac_chain_through_the_published_session():
    turns = [(hexed(c["command"]), b"\x00" + hexed(c["data"] + c["mac"])) for c in SESSION["commands"]]
    card = driver.Desfire(Script(*login_turns(LOGINS[1]), *turns))

    async def session():
        await card.login_ev1(1, hexed(LOGINS[1]["key"]), hexed(LOGINS[1]["rnd_a"]))
        for c in SESSION["commands"]:
            assert await card._ask(hexed(c["command"]), len(c["data"]) // 2) == hexed(c["data"])

    asyncio.run(session())


def test_the_driver_reads_as_the_published_session_does():
    first_reads = [c for c in SESSION["commands"] if c["command"].startswith("BD")]
    sent = []

    async def exchange(command, answer_n):
        sent.append(command)
        return b"\x00" + bytes(answer_n - 1)

    async def session():
        card = driver.Desfire(exchange)
        await card.read(5, 0x00, 0x30)
        await card.read(5, 0x30, 0x20)

    asyncio.run(session())
    assert sent == [hexed(c["command"]) for c in first_reads]


@pytest.mark.parametrize("case", VECTORS["first_macs"], ids=named)
def test_the_driver_accepts_the_first_mac_observed_on_a_card(case):
    card = driver.Desfire(Script((hexed(case["command"]), b"\x00" + hexed(case["data"] + case["mac"]))))
    card._session = driver.Session(hexed(case["session"]))
    assert asyncio.run(card._ask(hexed(case["command"]), len(case["data"]) // 2)) == hexed(case["data"])


EV2 = VECTORS["ev2"]


@pytest.mark.parametrize("case", EV2["logins"], ids=named)
def test_the_driver_logs_in_to_the_second_generation_as_the_published_exchange(case):
    script = Script((b"\xaf" + hexed(case["token"]), b"\x00" + hexed(case["proof"])))
    answer = b"\xaf" + hexed(case["challenge"])
    session = asyncio.run(ev2.login(script, answer, hexed(case["key"]), hexed(case["rnd_a"])))
    assert session._ti == hexed(case["ti"])
    assert session._cmac._key == hexed(case["mac_key"])


@pytest.mark.parametrize("case", [c for c in EV2["commands"] if c["mode"] == 1], ids=named)
def test_the_driver_seals_and_opens_as_the_published_commands(case):
    session = ev2.Session(bytes(16), bytes(16), bytes(16), hexed(case["ti"]))
    session._cmac, session._count = Cmac(hexed(case["mac_key"])), case["counter"]
    assert session.seal(hexed(case["head"] + case["data"]), True) == hexed(case["head"] + case["wire"])
    answer = hexed(case["answer_wire"])
    assert session.open(answer[:-8], answer[-8:])
    assert not session.open(answer[:-8], answer[-8:])


# -- model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "mac"), MAC_CASES)
def test_the_model_computes_the_cmac_of_rfc_4493(n, mac):
    assert crypto.aes_cmac(hexed(CMAC["key"]), crypto.ZERO, hexed(CMAC["message"])[:n]) == hexed(mac)


def test_the_model_diversifies_as_an10922_does():
    v = VECTORS["diversification"]
    key = crypto.an10922(hexed(v["key"]), hexed(v["uid"] + v["aid"] + v["system"]))
    assert key == hexed(v["diversified"])


def card_with(key_no, key, rnd_b, settings=0x0F):
    """A card with one application of two keys, that will choose rnd_b."""
    card = model.DesfireCard(bytes(range(4, 11)))
    assert card.transceive(b"\xca\x01\x02\x03" + bytes((settings, 0x82)))[0] == b"\x00"
    assert card.transceive(b"\x5a\x01\x02\x03")[0] == b"\x00"
    card.applications[b"\x01\x02\x03"].keys[key_no] = key
    card.random_bytes = lambda n: rnd_b
    return card


@pytest.mark.parametrize("case", LOGINS, ids=named)
def test_the_model_answers_the_published_login(case):
    card = card_with(case["key_no"], hexed(case["key"]), hexed(case["rnd_b"]))
    first, second = login_turns({"proof": "", **case})
    assert card.transceive(first[0])[0] == first[1]
    answer = card.transceive(second[0])[0]
    assert answer[0] == 0
    if "proof" in case:
        assert answer == second[1]
        assert card._session == hexed(case["session"])


def test_the_model_answers_the_published_session():
    # The log was made with the master key under another number: any key may create files here.
    card = card_with(1, hexed(SESSION["key"]), hexed(LOGINS[1]["rnd_b"]))
    for command, _ in login_turns(LOGINS[1]):
        card.transceive(command)
    for c in SESSION["commands"]:
        assert card.transceive(hexed(c["command"]))[0] == b"\x00" + hexed(c["data"] + c["mac"])


def test_the_model_chains_the_mac_observed_on_a_card():
    case = VECTORS["first_macs"][0]
    card = card_with(0, crypto.ZERO, crypto.ZERO)
    card.applications[b"\x01\x02\x03"].versions[0] = 0x10
    card._key_no, card._session = 0, hexed(case["session"])
    assert card.transceive(hexed(case["command"]))[0] == b"\x00" + hexed(case["data"] + case["mac"])


@pytest.mark.parametrize("case", VECTORS["change_keys"], ids=["own, first", "own, second", "another"])
def test_model_and_terminal_change_keys_as_published(case):
    old, new = hexed(case["old"]), hexed(case["new"])
    card = card_with(case["key_no"], old, crypto.ZERO)
    terminal = Terminal(card)
    terminal.select(b"\x01\x02\x03")
    card._key_no, card._session = 0, hexed(case["session"])
    session = terminal.session = Session(card._session)
    heard = []
    transceive = card.transceive
    card.transceive = lambda command: heard.append(command) or transceive(command)
    terminal.change_key(case["key_no"], new, old, case["version"])
    assert heard == [bytes((0xC4, case["key_no"])) + hexed(case["cipher"])]
    assert card.applications[b"\x01\x02\x03"].keys[case["key_no"]] == new
    if "mac" in case:
        assert session.iv[:8] == hexed(case["mac"])
    else:
        assert card._session is None
