# SPDX-License-Identifier: Apache-2.0
"""What tests of the vending tool start with: a shop, a card that it has issued, the meter it belongs to."""

import pytest

from host_tests.stands.vend import NUMBER, Hand, Meter, shop_at
from scripts.vend import issuing
from scripts.vend.shop import Shop


@pytest.fixture
def shop(tmp_path):
    with shop_at(tmp_path / "journal") as shop:
        yield shop


@pytest.fixture
def rolled(shop):
    """The same shop after its keys were rolled."""
    return Shop(shop.keys.rolled(), shop.journal, shop.clock)


@pytest.fixture
def hand(shop):
    """The card of a meter, nothing sold on it."""
    hand = Hand()
    issuing.issue(shop, hand, NUMBER, "EUR")
    return hand


@pytest.fixture
def meter():
    return Meter()
