# SPDX-License-Identifier: Apache-2.0
"""Master keys: what is derived from them, and the file that keeps them."""

import hashlib
import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from scripts.chips.desfire_crypto import an10922
from scripts.supplier import keyfile
from scripts.supplier.errors import KeyFileError
from scripts.supplier.keys import METER, UTILITY, KeySet
from scripts.supplier.signing import SigningKeys

DEMO = KeySet.demo()
UID = bytes.fromhex("04A1B2C3D4E5F0")
NUMBER = "00012345"
PASSPHRASE = "correct horse"


def demo_master(i):
    return b"PENNYWATT-DEMO-%d" % i


def demo_seed(kind):
    return hashlib.sha256(b"Pennywatt demo %s key" % kind).digest()


def test_a_meter_gets_a_card_key_of_its_own_and_the_fleets_utility_key():
    public = [Ed25519PrivateKey.from_private_bytes(demo_seed(kind)).public_key().public_bytes_raw().hex()
              for kind in (b"sale", b"order")]  # fmt: skip
    assert DEMO.meter_document(NUMBER, made=820_000_000) == {
        "version": 1,
        "card_key": an10922(demo_master(METER), b"CARD" + NUMBER.encode()).hex(),
        "utility_key": an10922(demo_master(UTILITY), b"UTIL").hex(),
        "sale": [1, public[0]],
        "order": [1, public[1]],
        "made": 820_000_000,
    }


def test_key_1_of_a_user_card_comes_from_its_meters_card_key():
    card_key = bytes.fromhex(DEMO.meter_document(NUMBER)["card_key"])
    assert DEMO.user_card_key(1, METER, UID, NUMBER) == an10922(card_key, UID + b"\x01\x57\x50")


@pytest.mark.parametrize("role", [0, 2, 3, 4])
def test_the_other_keys_of_a_user_card_come_from_their_masters(role):
    expected = an10922(demo_master(role), UID + b"\x01\x57\x50" + NUMBER.encode())
    assert DEMO.user_card_key(1, role, UID, NUMBER) == expected


def test_key_1_of_a_utility_card_comes_from_the_fleets_utility_key():
    utility_key = bytes.fromhex(DEMO.meter_document(NUMBER)["utility_key"])
    assert DEMO.utility_card_key(1, METER, UID) == an10922(utility_key, UID + b"\x02\x57\x50")


@pytest.mark.parametrize("role", [0, 2, 3, 4])
def test_the_other_keys_of_a_utility_card_come_from_their_masters(role):
    assert DEMO.utility_card_key(1, role, UID) == an10922(demo_master(role), UID + b"\x02\x57\x50")


def test_no_master_and_no_other_meters_key_is_in_a_meters_document():
    text = json.dumps(DEMO.meter_document(NUMBER))
    for i in range(6):
        assert demo_master(i).hex() not in text
    assert DEMO.card_key(1, "00012346").hex() not in text


def test_rolling_adds_a_version_and_keeps_the_old_one():
    rolled = DEMO.rolled()
    assert rolled.versions == (1, 2) and rolled.newest == 2
    assert rolled.masters(1) == DEMO.masters(1)
    assert not set(rolled.masters(2)) & set(rolled.masters(1))


def test_a_meter_is_never_made_with_keys_of_before():
    assert "previous" not in DEMO.rolled().meter_document(NUMBER)


def test_there_is_no_version_after_255():
    with pytest.raises(KeyFileError, match="255"):
        KeySet({255: DEMO.masters(1)}).rolled()


def test_a_version_that_is_not_there_is_asked_for_in_words():
    with pytest.raises(KeyFileError, match="version 9 are needed"):
        DEMO.card_key(9, NUMBER)


def test_a_printed_key_set_shows_no_key():
    assert "DEMO" not in repr(DEMO) and "DEMO" not in str(DEMO)


def test_check_values_tell_masters_apart_and_show_none():
    values = DEMO.check_values(1)
    assert len(set(values.values())) == 6
    assert all(len(v) == 6 for v in values.values())


# -- signing keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sale", "order"])
def test_rolling_a_signing_key_adds_a_number_and_keeps_the_old_one_and_the_other_kind(kind):
    rolled = DEMO.rolled_signing(kind)
    one, other = (rolled.sale, rolled.order) if kind == "sale" else (rolled.order, rolled.sale)
    assert (one.numbers, one.newest, other.numbers) == ((1, 2), 2, (1,))
    assert one.seed(1) == demo_seed(kind.encode()) != one.seed(2)
    assert rolled.meter_document(NUMBER)[kind] == [2, one.public(2).hex()]
    assert rolled.masters(1) == DEMO.masters(1)


def test_there_is_no_signing_key_after_255():
    with pytest.raises(KeyFileError, match="255"):
        SigningKeys("sale", {255: bytes(32)}).rolled()


def test_a_signing_key_that_is_not_there_is_asked_for_in_words():
    with pytest.raises(KeyFileError, match="sale key 9 is needed, and this key file has 1"):
        DEMO.sale.seed(9)


def test_printed_signing_keys_show_none():
    assert repr(DEMO.sale) == "SigningKeys(sale, numbers 1)"


@pytest.mark.parametrize("seeds", [{0: bytes(32)}, {256: bytes(32)}, {1: bytes(31)}])
def test_what_is_no_signing_key_is_refused(seeds):
    with pytest.raises(KeyFileError):
        SigningKeys("order", seeds)


# -- the file -------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keys.json"
    keyfile.save(path, DEMO, PASSPHRASE, log2_n=4)
    return path


def test_the_file_gives_back_the_same_masters(path):
    assert keyfile.load(path, PASSPHRASE).masters(1) == DEMO.masters(1)


def test_the_file_is_for_its_owner_only_and_holds_no_key_in_clear(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert demo_master(0) not in path.read_bytes() and demo_master(0).hex() not in path.read_text()


def test_a_wrong_passphrase_is_one_plain_sentence(path):
    with pytest.raises(KeyFileError) as e:
        keyfile.load(path, "wrong horse")
    assert str(e.value) == f"The passphrase does not open {path}, or the file was changed."


def test_the_same_keys_and_passphrase_never_give_the_same_file(path, tmp_path):
    keyfile.save(tmp_path / "again.json", DEMO, PASSPHRASE, log2_n=4)
    assert json.loads(path.read_text())["sealed"] != json.loads((tmp_path / "again.json").read_text())["sealed"]


def test_an_existing_key_file_is_never_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        keyfile.save(path, KeySet.new(), PASSPHRASE, log2_n=4)
    assert path.read_bytes() == before


def test_nothing_is_left_beside_the_key_file(path):
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_short_passphrase_is_refused(tmp_path):
    with pytest.raises(KeyFileError, match="too short"):
        keyfile.save(tmp_path / "k", DEMO, "1234567", log2_n=4)


def test_a_place_where_no_file_can_be_is_refused_in_words(path):
    with pytest.raises(KeyFileError, match="cannot be written: Not a directory"):
        keyfile.save(path / "k", DEMO, PASSPHRASE, log2_n=4)


def changed(path, change):
    envelope = json.loads(path.read_text())
    change(envelope)
    path.write_text(json.dumps(envelope))


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e["scrypt"].update(log2_n=5),
        lambda e: e["scrypt"].update(salt="00" * 16),
        lambda e: e["scrypt"].update(log2_n=60),
        lambda e: e["scrypt"].update(r=10**9),
        lambda e: e["cipher"].update(nonce="00" * 12),
        lambda e: e["cipher"].update(nonce=""),
        lambda e: e.update(sealed=f"{int(e['sealed'], 16) ^ 1:0{len(e['sealed'])}x}"),
        lambda e: e.update(sealed=""),
        lambda e: e.update(format="x"),
        lambda e: e.update(version=2),
        lambda e: e.pop("scrypt"),
        lambda e: e.update(scrypt=None),
        lambda e: e["scrypt"].update(note="added"),
    ],
)
def test_a_tampered_key_file_is_refused(path, change):
    changed(path, change)
    with pytest.raises(KeyFileError):
        keyfile.load(path, PASSPHRASE)


def test_a_key_file_of_before_purchases_were_signed_is_refused_with_a_remedy(path):
    changed(path, lambda e: e.update(format="pennywatt-masters"))
    with pytest.raises(KeyFileError, match=r"no signing keys\..*'keys new'"):
        keyfile.load(path, PASSPHRASE)


def test_the_file_gives_back_the_signing_keys(path):
    found = keyfile.load(path, PASSPHRASE)
    assert (found.sale.seed(), found.order.seed()) == (demo_seed(b"sale"), demo_seed(b"order"))


def test_a_shops_file_has_what_it_takes_to_sell_and_nothing_that_commands_a_meter(tmp_path):
    keyfile.save(tmp_path / "shop.json", DEMO.rolled().for_shop(), PASSPHRASE, log2_n=4)
    shop = keyfile.load(tmp_path / "shop.json", PASSPHRASE)
    assert shop.of_a_shop and shop.versions == (1, 2) and shop.sale.seed() == DEMO.sale.seed()
    assert shop.user_card_key(1, METER, UID, NUMBER) == DEMO.user_card_key(1, METER, UID, NUMBER)
    for work in (
        lambda: shop.utility_key(1), lambda: shop.utility_card_key(1, 2, UID), lambda: shop.order.newest,
        lambda: shop.meter_document(NUMBER),
    ):  # fmt: skip
        with pytest.raises(KeyFileError, match="in the office"):
            work()
    for work in (shop.rolled, lambda: shop.rolled_signing("sale"), lambda: shop.rolled_signing("order")):
        with pytest.raises(KeyFileError, match="in the office"):
            work()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b"null"])
def test_what_is_no_key_file_is_refused_in_words(tmp_path, content):
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(KeyFileError, match="is not a key file"):
        keyfile.load(tmp_path / "k", PASSPHRASE)
