# SPDX-License-Identifier: Apache-2.0
"""Documents for an image: what the meter would refuse, or would run at no price with, is refused in its own words."""

import json

import pytest

from host_tests.bench import documents as bench
from scripts.bundle import public_bytes
from scripts.bundle.keys import Ed25519PrivateKey
from scripts.calibrate import document as calibrations
from scripts.common import InputError
from scripts.image.documents import ImageError, read

SETTINGS = bench.settings()
NUMBER = SETTINGS["meter_number"]
PRICE = {"name": "one", "currency": "EUR", "price": "0.25"}
KEYS = bench.keys(NUMBER)
OWN = {
    **KEYS, "card_key": "a1" * 16, "utility_key": "a2" * 16,
    "sale": [1, public_bytes(Ed25519PrivateKey.generate()).hex()],
    "order": [1, public_bytes(Ed25519PrivateKey.generate()).hex()],
}  # fmt: skip
CALIBRATION = calibrations.make(NUMBER, 1, {0x61: 0xE41B, 0x62: 0x80F4})
HOUSE = {**SETTINGS, "provisioned": True}


@pytest.fixture
def given(tmp_path):
    """Documents as files, read for an image. Values are objects, or bytes as they are."""

    def take(demo_signed=False, board="esp32_devkit", **documents):
        for name, value in documents.items():
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            (tmp_path / f"{name}.json").write_bytes(content)
        return read([str(tmp_path / f"{name}.json") for name in documents], board, demo_signed)

    return take


def refusal(given, *args, **documents):
    with pytest.raises((ImageError, InputError)) as found:
        given(*args, **documents)
    said = str(found.value)
    assert "\n" not in said and ".json" in said
    return said


def test_documents_that_fit_go_in_as_they_are(given):
    made = given(settings=HOUSE, tariff=PRICE, keys=OWN, calibration=CALIBRATION)
    assert {name: json.loads(content) for name, content in made.items()} == {
        "settings.json": HOUSE, "tariff.json": PRICE, "keys.json": OWN, "calibration.json": CALIBRATION,
    }  # fmt: skip


def test_a_byte_order_mark_does_not_get_onto_the_meter(given):
    made = given(settings=b"\xef\xbb\xbf" + json.dumps(SETTINGS).encode())
    assert made["settings.json"] == json.dumps(SETTINGS).encode()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("tariff", json.dumps(PRICE).encode("utf-16"), "UTF-16"),
        ("tariff", b'{"name": "one", "currency": "EUR", "price": NaN}', "NaN is no number"),
        ("tariff", b'{"name": "one", "currency": "EUR", "price": 0.25}', "quotation marks"),
        ("tariff", b'{"name": "one", "name": "two", "currency": "EUR", "price": "0.25"}', "twice"),
        ("tariff", b'{"name": "\\ud800", "currency": "EUR", "price": "0.25"}', "half a character"),
        ("tariff", {"name": "one", "currency": "EUR"}, "A meter would refuse this tariff document"),
        ("tariff", {**PRICE, "prise": "0.25"}, "prise"),
        ("tariff", {**PRICE, "price": ["0.25"]}, "A meter would"),
        ("tariff", {**PRICE, "currency": "USD"}, "USD, and the settings say EUR"),
        ("settings", {**SETTINGS, "alarm_1": "5"}, "alarm_1"),
        ("settings", {**SETTINGS, "phases": 4}, "phases"),
        ("settings", {**SETTINGS, "currency": "CHF"}, "EUR, and the settings say CHF"),
        ("calibration", {**CALIBRATION, "crc32": "00000000"}, "crc32"),
        ("calibration", calibrations.make("7", 1, {0x61: 0xE41B}), "another meter"),
        ("calibration", calibrations.make(NUMBER, 2, {0x61: 0xE41B}), "current_scale"),
        ("calibration", calibrations.make(NUMBER, 1, {0x31: 0x6B2A}, ic="atm90e26"), "this board has atm90e32"),
        ("keys", {**OWN, "card_key": "a1"}, "card_key"),
        ("keys", {**OWN, "spare": "a1"}, "spare"),
        ("keys", {}, "A meter would refuse this keys document"),
        ("keys", KEYS, "Everybody knows these keys"),
    ],
)
def test_what_its_meter_would_refuse_is_refused_with_its_words(given, name, content, why):
    documents = {"settings": HOUSE, "tariff": PRICE, "keys": OWN, "calibration": CALIBRATION, name: content}
    assert why in refusal(given, **documents)


def test_a_later_tariff_and_those_before_are_asked_too(given, tmp_path):
    for name in ("later", "tariff"):
        assert "CHF" in refusal(given, settings=SETTINGS, **{name: {**PRICE, "currency": "CHF"}})
    (tmp_path / "old").write_text("{}")
    for name in ("tariff.old", "settings.old", "calibration.old"):
        with pytest.raises(ImageError, match="A meter would refuse"):
            read([f"{name}={tmp_path}/old"], "esp32_devkit", True)


def test_without_settings_the_currency_is_the_meters_own(given):
    given(tariff=PRICE)
    assert "CHF" in refusal(given, tariff={**PRICE, "currency": "CHF"})


def test_a_name_that_no_meter_knows_is_refused(given):
    for name in ("setings", "Tariff", "aside"):
        assert f"no meter knows a document {name}.json" in refusal(given, **{name: SETTINGS})


def test_one_document_twice_is_refused(given, tmp_path):
    given(settings=SETTINGS)
    with pytest.raises(ImageError, match=r"there is a settings\.json already"):
        read([f"{tmp_path}/settings.json", f"/settings.json={tmp_path}/settings.json"], "esp32_devkit", True)


def test_a_provisioned_meter_needs_its_tariff_its_keys_and_firmware_it_would_start(given):
    assert "at no price. Add tariff.json" in refusal(given, settings=HOUSE, keys=OWN)
    assert "its keys. Add keys.json" in refusal(given, settings=HOUSE, tariff=PRICE)
    assert "Name your key (KEY=" in refusal(given, True, settings=HOUSE, tariff=PRICE, keys=OWN)


def test_a_meter_for_development_needs_none_of_them(given):
    assert set(given(True, settings=SETTINGS, keys=KEYS)) == {"settings.json", "keys.json"}


def test_a_public_key_goes_in_raw_however_the_file_has_it(tmp_path):
    raw = public_bytes(Ed25519PrivateKey.generate())
    (tmp_path / "trust.key").write_text(raw.hex())
    assert read([str(tmp_path / "trust.key")], "esp32_devkit", False) == {"trust.key": raw}
    (tmp_path / "trust.key").write_text("no key")
    with pytest.raises(ImageError, match="no public Ed25519 key"):
        read([str(tmp_path / "trust.key")], "esp32_devkit", False)


