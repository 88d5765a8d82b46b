# SPDX-License-Identifier: Apache-2.0
"""The documents of one meter: what the shop derives, what the firmware takes, and what is refused before anything is
written."""

import json
import string
import subprocess

import pytest
from cryptography.hazmat.primitives import cmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from meter.documents import keys_doc, keystore

from host_tests.unit.provision.test_provision_board import (
    MASTERS,
    NUMBER,
    ROLLED,
    SIGNING,
    SOURCE,
    TARIFF,
    TRUST,
    meter,
)
from scripts.bundle import keys as bundle_keys
from scripts.provision import console, firmware, identity, trust
from scripts.provision.errors import DocumentError, ProvisionError, RefusedError, StartError, without_keys
from scripts.supplier.errors import KeyFileError
from scripts.supplier.keys import METER, UTILITY, KeySet
from scripts.supplier.signing import ORDER, SALE, SigningKeys
from scripts.supplier.units import now_utc_s

pytestmark = pytest.mark.usefixtures("loaded")


NUMBERS = st.text(string.ascii_uppercase + string.digits + "-", min_size=1, max_size=12)


def diversified(master: bytes, data: bytes) -> bytes:
    """AN10922 by the library's CMAC, for 16 bytes and more: below that AN10922 pads to two blocks, and CMAC to one."""
    assert len(data) >= 16
    mac = cmac.CMAC(AES(master))
    mac.update(b"\x01" + data)
    return mac.finalize()


def test_keys_are_what_the_shop_derives_for_this_number():
    keys = json.loads(meter().files["keys.json"])
    assert keys == MASTERS.meter_document(NUMBER, made=keys["made"])
    assert keys["card_key"] != json.loads(meter("00012346").files["keys.json"])["card_key"]


def test_a_long_number_has_its_keys_by_the_standard():
    number = "ABCDEF-12345"
    keys = json.loads(meter(number).files["keys.json"])
    assert keys["card_key"] == diversified(MASTERS.masters(1)[METER], b"CARD" + number.encode()).hex()
    assert set(keys) == {"version", "card_key", "utility_key", "sale", "order", "made"}


def test_a_meter_gets_the_newest_keys_and_none_of_before():
    keys = json.loads(meter(source=identity.Source(ROLLED, "esp32_devkit", None, TARIFF, TRUST)).files["keys.json"])
    assert keys["version"] == 2 and "previous" not in keys


def test_a_meter_gets_public_halves_and_no_private_key():
    files = meter().files
    keys = json.loads(files["keys.json"])
    assert keys["sale"] == [1, MASTERS.sale.public().hex()] and keys["order"] == [1, MASTERS.order.public().hex()]
    for kind in (MASTERS.sale, MASTERS.order):
        assert not any(kind.seed().hex().encode() in content for content in files.values())


def test_keys_say_when_they_were_made():
    before = now_utc_s()
    assert before <= json.loads(meter().files["keys.json"])["made"] <= now_utc_s()


def test_a_shops_key_file_makes_no_meter():
    shops = identity.Source(**{**vars(SOURCE), "masters": MASTERS.for_shop()})
    with pytest.raises(KeyFileError, match="in the office"):
        meter(source=shops)


@given(NUMBERS)
def test_every_number_the_firmware_takes_makes_a_meter(number):
    made = meter(number)
    settings = firmware.settings(json.loads(made.files["settings.json"]))
    assert (settings.meter_number, settings.provisioned) == (number, True)


def is_number(text):
    return 0 < len(text) <= 12 and set(text) <= set(string.ascii_uppercase + string.digits + "-")


@given(st.text(max_size=20).filter(lambda text: not is_number(text)))
def test_every_other_number_is_refused(number):
    with pytest.raises(ProvisionError):
        meter(number)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
)
SETTINGS_KEYS = "phases dst friendly events tamper_trips profile_channels alarm1 max_a currency provisioned x".split()
TARIFF_KEYS = "name currency price rates days weeks seasons special_days fallback from steps".split()


@given(ANYTHING, st.sampled_from(SETTINGS_KEYS))
def test_a_hostile_template_is_refused_or_makes_a_document_the_firmware_takes(value, key):
    try:
        made = meter(**{key: value})
    except ProvisionError:
        return
    assert firmware.settings(json.loads(made.files["settings.json"])).provisioned


@given(ANYTHING, st.sampled_from(TARIFF_KEYS))
def test_a_hostile_tariff_is_refused_or_taken(value, key):
    source = identity.Source(MASTERS, "esp32_devkit", None, {**TARIFF, key: value}, TRUST)
    try:
        made = meter(source=source)
    except ProvisionError:
        return
    assert json.loads(made.files["tariff.json"])[key] == value


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"3", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":0.5}', b'{"a":1e3}', b"[" * 100_000]
)
def test_json_that_readers_disagree_about_is_refused(content):
    with pytest.raises(DocumentError):
        firmware.parse(content, "it")


def test_a_template_of_another_meter_is_refused():
    source = identity.Source(MASTERS, "esp32_devkit", {"meter_number": "7"}, TARIFF, TRUST)
    with pytest.raises(DocumentError, match="those of meter 7"):
        meter(source=source)


def test_a_tariff_in_another_currency_is_refused():
    source = identity.Source(MASTERS, "esp32_devkit", None, {**TARIFF, "currency": "CHF"}, TRUST)
    with pytest.raises(DocumentError, match="CHF"):
        meter(source=source)


def test_a_document_longer_than_a_meter_takes_by_card_is_refused(monkeypatch):
    long = {"friendly": {"holidays": [f"20{n + 10}-12-25" for n in range(32)]}}
    assert len(meter(**long).files["settings.json"]) > 500
    monkeypatch.setattr("meter.commands.change.MAX", 500)
    with pytest.raises(DocumentError, match="longer than 500 bytes"):
        meter(**long)


@pytest.mark.parametrize("missing", ["tariff", "trust_key"])
def test_a_house_needs_a_tariff_and_a_key_for_bundles(missing):
    with pytest.raises(RefusedError, match="--"):
        meter(source=identity.Source(**{**vars(SOURCE), missing: None}))


def test_the_key_everybody_signs_with_is_refused():
    public = bundle_keys.public_bytes(bundle_keys.demo_key())
    with pytest.raises(RefusedError, match="Everybody can sign"):
        meter(source=identity.Source(**{**vars(SOURCE), "trust_key": public}))
    assert meter(source=identity.Source(KeySet.demo(), "esp32_devkit", trust_key=public, demo=True))


def test_a_board_nobody_knows_is_refused():
    with pytest.raises(RefusedError, match="esp32_devkit"):
        meter(source=identity.Source(**{**vars(SOURCE), "board": "esp32_toaster"}))


def test_demo_keys_are_for_development_boards_which_stay_unprovisioned():
    made = meter(source=identity.Source(KeySet.demo(), "esp32_devkit", demo=True))
    settings = firmware.settings(json.loads(made.files["settings.json"]))
    assert not settings.provisioned and not made.provisioned
    assert set(made.files) == {"settings.json", "tariff.json", "keys.json"}


@pytest.mark.parametrize("number", ["\udcff", "\ud800", "7\udfff"])
def test_half_a_character_in_a_number_is_refused_in_words(number):
    with pytest.raises(DocumentError, match="A meter would stumble over this settings document"):
        meter(number)


def test_a_tariff_of_nothing_is_no_tariff():
    with pytest.raises(DocumentError, match="A meter would refuse this tariff document"):
        meter(source=identity.Source(**{**vars(SOURCE), "tariff": {}}))


def test_demo_keys_in_a_key_file_of_ones_own_are_refused():
    for n in (METER, UTILITY):
        masters = list(MASTERS.masters(1))
        masters[n] = KeySet.demo().masters(1)[n]
        with pytest.raises(RefusedError, match="Everybody knows"):
            meter(source=identity.Source(**{**vars(SOURCE), "masters": KeySet({1: tuple(masters)}, *SIGNING)}))


@pytest.mark.parametrize("kind", [SALE, ORDER])
def test_demo_signing_keys_in_a_key_file_of_ones_own_are_refused(kind):
    demo = {SALE: SIGNING[0], ORDER: SIGNING[1], kind: SigningKeys.demo(kind)}
    masters = KeySet({1: MASTERS.masters(1)}, demo[SALE], demo[ORDER])
    with pytest.raises(RefusedError, match="Everybody knows"):
        meter(source=identity.Source(**{**vars(SOURCE), "masters": masters}))


def test_the_firmware_agrees_on_which_keys_are_demo_keys():
    for masters in (MASTERS, KeySet.demo()):
        keys = masters.meter_document(NUMBER)
        assert firmware.keys_fit(keys, NUMBER) == keystore.fit(keys_doc.parse(keys), NUMBER)


def test_the_identity_shows_no_key():
    keys = json.loads(meter().files["keys.json"])
    said = repr(meter()) + json.dumps(meter().summary())
    assert keys["card_key"] not in said and keys["utility_key"] not in said


# -- the key for bundles --------------------------------------------------------------------------


def test_a_public_key_is_the_same_raw_in_hex_and_in_pem(tmp_path):
    key = Ed25519PrivateKey.generate().public_key()
    raw = key.public_bytes_raw()
    for content in (raw, raw.hex().encode() + b"\n", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        (tmp_path / "k").write_bytes(content)
        assert trust.load(tmp_path / "k") == raw


def test_a_private_key_is_refused_by_name(tmp_path):
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k").write_bytes(key)
    with pytest.raises(DocumentError, match="private"):
        trust.load(tmp_path / "k")


def test_a_key_of_another_kind_is_refused(tmp_path):
    key = X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "k").write_bytes(key)
    with pytest.raises(DocumentError, match="another kind"):
        trust.load(tmp_path / "k")


# The points of order 1, 2, 4 and 8.
SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


@pytest.mark.parametrize("key", SMALL)
def test_a_key_anybody_can_sign_for_is_refused(tmp_path, key):
    (tmp_path / "k").write_bytes(bytes.fromhex(key))
    with pytest.raises(DocumentError, match="Anybody"):
        trust.load(tmp_path / "k")


@given(st.binary(min_size=32, max_size=32))
def test_every_real_public_key_is_taken(seed):
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert not trust._weak(raw)


@given(st.binary(max_size=80).filter(lambda b: len(b) != 32))
def test_anything_else_is_no_key(content):
    assert trust._raw(content) is None


def test_sha256sum_makes_the_same_fingerprint():
    digest = subprocess.run(["sha256sum"], input=TRUST, capture_output=True, check=True).stdout.decode()
    assert trust.fingerprint(TRUST).replace("-", "") == digest[:16]


# -- what a meter says of itself ------------------------------------------------------------------

GOOD = {"board": "esp32_devkit", "storage": "ok", "settings": "ok", "keys": "ok", "display": "missing", "x": "y"}


def test_parts_that_are_missing_are_said_in_words_and_are_no_matter_of_identity():
    console.judge(GOOD, "esp32_devkit")
    assert console.lacking(GOOD) == ["display=missing: the display: check its supply, SDA, SCL and address."]


@pytest.mark.parametrize("position", ["open", "closed"])
def test_a_relay_in_either_position_lacks_nothing(position):
    assert console.lacking({"relay": position}) == []


def test_a_relay_that_does_not_do_as_told_is_said_in_words():
    assert console.lacking({"relay": "fault"}) == ["relay=fault: the relay: check its coils and the sense wire."]


@pytest.mark.parametrize("key", ["storage", "settings", "keys"])
def test_a_meter_without_its_identity_is_an_error(key):
    with pytest.raises(StartError, match=key):
        console.judge({**GOOD, key: "fault"}, "esp32_devkit")
    without = {k: v for k, v in GOOD.items() if k != "keys"}
    with pytest.raises(StartError, match="not said"):
        console.judge(without, "esp32_devkit")


def test_firmware_of_another_board_is_an_error():
    with pytest.raises(StartError, match="esp32_s3"):
        console.judge({**GOOD, "board": "esp32_s3"}, "esp32_devkit")


@given(st.binary(min_size=16, max_size=16), st.text(max_size=20), st.text(max_size=20))
def test_no_key_survives_in_what_others_said(key, before, after):
    assert key.hex() not in without_keys(before + key.hex() + after)
    assert key.hex().upper() not in without_keys(before + key.hex().upper() + after)
