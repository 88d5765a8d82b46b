# SPDX-License-Identifier: Apache-2.0
"""The card desk with reader, card and books: what a card does to a meter, and what people read meanwhile."""

import asyncio
import itertools

import pytest
from meter.books import visits
from meter.cards import states
from meter.core import codes
from meter.documents import keys_doc, keystore

from host_tests.bench.cards import cards
from host_tests.bench.cards.deck import Deck
from host_tests.stands.card import KEYS, NUMBER, Meter, with_keys
from scripts.chips.desfire import DesfireCard
from scripts.chips.mifare_classic import ClassicCard
from scripts.chips.ntag import NtagCard
from scripts.supplier.keys import METER, UTILITY, KeySet
from scripts.supplier.signing import SigningKeys

UID = bytes.fromhex("04A1B2C3D4E5F0")
OTHER_UID = bytes.fromhex("04A1B2C3D4E5FF")


def user_card(uid=UID, number=NUMBER, generation=1, **more):
    card = DesfireCard(uid)
    cards.personalise(card, number, generation, **more)
    return card


def sold(amount_micro=20_000_000, **more):
    card = user_card(**more)
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


def shown(card, seconds=4.0, **settings):
    async def play(meter):
        await meter.show(card, seconds)

    return scene(play, **settings)


def figures(meter):
    s = meter.s
    return s.credit_micro, s.purchased_micro, s.purchase_count, s.last_purchase_micro


UNTOUCHED = (0, 0, 0, 0)


# -- a good card ----------------------------------------------------------------------------------


def test_a_purchase_is_credited_once_and_written_back():
    card = sold()
    meter = shown(card)
    assert figures(meter) == (20_000_000, 20_000_000, 1, 20_000_000)
    back = cards.read_back(card)
    assert (back.purchase_count, back.purchased_micro) == (1, 20_000_000)
    assert back.credit_micro == 20_000_000
    assert back.number == meter.s.writeback_seq == 1
    assert meter.logged(codes.LOG_PURCHASE) == [1]


def test_the_same_card_again_credits_nothing_and_is_written_back_under_the_next_number():
    card = sold()

    async def play(meter):
        for _ in range(3):
            await meter.show(card)

    meter = scene(play)
    assert figures(meter) == (20_000_000, 20_000_000, 1, 20_000_000)
    assert cards.read_back(card).number == 3
    assert meter.panel.first_rows()[0] == "Card accepted"


def test_purchases_follow_one_another_through_the_shop():
    card = user_card()

    async def play(meter):
        for n in range(1, 5):
            assert cards.sell(card, n * 1_000_000) == n
            await meter.show(card)

    meter = scene(play)
    assert figures(meter) == (10_000_000, 10_000_000, 4, 4_000_000)


def test_what_the_meter_counted_comes_home_on_the_card():
    card = user_card()

    async def play(meter):
        s = meter.s
        s.import_counts, s.credit_micro = 123_456_789, -5_000_000
        s.rate_counts[:] = [100_000_000, 23_456_789, 0, 0, 0, 0, 0, 0]
        s.overdraft_counts, s.overdraft_micro, s.refused_cards = 640_000, 500_000, 3
        s.relay_closed = 1
        meter.books.utc_s = 845_649_000
        await meter.show(card)

    scene(play)
    back = cards.read_back(card)
    assert back.import_counts == 123_456_789
    assert back.rate_counts[:2] == (100_000_000, 23_456_789)
    assert back.credit_micro == -5_000_000
    assert (back.overdraft_counts, back.overdraft_micro) == (640_000, 500_000)
    assert (back.refused_cards, back.relay, back.utc_s) == (3, 1, 845_649_000)


def test_with_an_invalid_clock_the_write_back_has_no_time():
    card = sold()
    shown(card)
    assert cards.read_back(card).utc_s == 0


@pytest.mark.parametrize("freq", [100_000, 400_000])
def test_the_result_is_said_within_a_second_of_insertion(freq):
    meter = Meter(freq=freq)
    chip = meter.chip

    async def main():
        async with meter:
            chip.zero_counters()
            start_us = meter.vt.now_us
            meter.insert(sold())
            while not meter.panel.said:
                await asyncio.sleep(0.001)
            # The bus of these tests does not add the clock stretching itself.
            took_us = meter.panel.said[0][0] - start_us + chip.stretch_total_us
            print(
                f"card at {freq // 1000} kHz: result after {took_us // 1000} ms; {chip.apdus} APDUs with "
                f"{chip.air_us // 1000} ms in the air, {chip.i2c_bytes} bytes in {chip.transfers} transfers"
            )
            assert took_us < 1_000_000
            assert chip.apdus == 19
            assert chip.tbuf_violations == 0

    meter.run(main())


def test_the_answer_the_five_figures_and_the_farewell_come_in_order_and_time():
    meter = shown(sold(), seconds=20)
    assert meter.panel.first_rows()[:7] == [
        "Credit added",
        *[f"Your account   {n}/5" for n in range(1, 6)],
        "Remove card",
    ]
    pages = [[row.strip() for row in rows[1:3]] for _, rows, _ in meter.panel.said[1:6]]
    assert pages == [
        ["Total purchased", "20.00 EUR"], ["Purchases made", "1"], ["Last purchase", "20.00 EUR"],
        ["Total used", "0.00 kWh"], ["Credit now", "20.00 EUR"],
    ]  # fmt: skip
    assert meter.panel.said[7][1] is None
    times = [at_us for at_us, _, _ in meter.panel.said[:7]]
    spans = [b - a for a, b in itertools.pairwise(times)]
    assert all(2_990_000 <= span <= 3_150_000 for span in spans)


def test_nothing_else_is_shown_between_two_pages_of_the_answer():
    meter = shown(sold(), seconds=60)
    said = meter.panel.said[:8]
    for (at_us, _, hold_ms), (next_us, _, _) in itertools.pairwise(said):
        assert at_us + hold_ms * 1000 > next_us


def test_a_card_pulled_during_the_figures_ends_them_at_once():
    meter = shown(sold(), seconds=5)
    assert meter.panel.said[-1][1] is None
    assert meter.panel.first_rows()[-2].endswith("1/5")


def test_a_card_pulled_during_the_result_leaves_it_standing():
    meter = shown(sold(), seconds=1)
    assert meter.panel.first_rows() == ["Credit added"]


def test_a_card_left_in_is_served_once_and_asked_out_until_it_goes():
    card = sold()

    async def play(meter):
        meter.insert(card)
        await asyncio.sleep(600)
        assert meter.s.writeback_seq == 1
        assert meter.desk.state == states.REMOVE
        assert [row.strip() for row in meter.panel.said[-1][1]][1:] == ["", "", "Credit     20.00 EUR"]
        at_us, _, hold_ms = meter.panel.said[-1]
        assert at_us + hold_ms * 1000 > meter.vt.now_us
        meter.remove()
        await asyncio.sleep(2)
        assert meter.panel.said[-1][1] is None
        assert meter.desk.state == states.WAIT

    scene(play)


def test_a_card_left_in_does_not_hide_why_supply_is_off():
    async def play(meter):
        meter.insert(sold())
        await asyncio.sleep(30)
        meter.s.claims = codes.CLAIM_OVERLOAD
        await asyncio.sleep(5)
        rows = [row.strip() for row in meter.panel.said[-1][1]]
        assert "Remove card" in rows[0]
        assert rows[1:] == ["Load too high", "Reduce, insert card", "Credit EUR     20.00"]

    scene(play)


def test_one_missed_answer_of_a_card_left_in_is_no_removal():
    async def play(meter):
        meter.insert(sold())
        await asyncio.sleep(25)
        found, missed = meter.reader.look, []

        async def look():
            if not missed:
                missed.append(1)
                return None
            return await found()

        meter.reader.look = look
        await asyncio.sleep(5)
        assert missed
        assert meter.desk.state == states.REMOVE

    scene(play)


def test_a_card_swapped_for_another_between_two_looks_is_served():
    first, second = sold(), user_card(number="99999999", uid=OTHER_UID)

    async def play(meter):
        meter.insert(first)
        await asyncio.sleep(10)
        meter.remove()
        meter.insert(second)
        await asyncio.sleep(3)
        assert "Card of 99999999 This is 00012345" in meter.panel.text

    scene(play)


# -- what a valid card restores -------------------------------------------------------------------


def test_a_valid_card_without_a_new_purchase_still_restores_the_supply():
    card = sold()

    async def play(meter):
        await meter.show(card)
        meter.s.claims = codes.CLAIM_OVERLOAD
        await meter.show(card)
        assert meter.s.claims == 0

    scene(play)


def test_a_refused_card_restores_nothing():
    async def play(meter):
        meter.s.claims = codes.CLAIM_OVERLOAD
        await meter.show(sold(number="99999999"))
        assert meter.s.claims == codes.CLAIM_OVERLOAD

    scene(play)


# -- whose card -----------------------------------------------------------------------------------


def test_the_first_user_card_is_bound_even_without_a_purchase():
    meter = shown(user_card(generation=4))
    assert (meter.s.card_uid, meter.s.card_generation) == (UID, 4)
    assert len(meter.logged(codes.LOG_CARD_BOUND)) == 1


def test_a_card_of_a_higher_generation_replaces_the_old_one_which_is_then_refused():
    old, new = sold(), user_card(uid=OTHER_UID, generation=2)

    async def play(meter):
        await meter.show(old)
        cards.put_purchase(new, 1, 20_000_000)
        await meter.show(new)
        assert (meter.s.card_uid, meter.s.card_generation) == (OTHER_UID, 2)
        await meter.show(old)
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_OLD_GENERATION]
        assert meter.s.card_uid == OTHER_UID

    scene(play)


def test_another_card_of_the_same_generation_is_refused():
    async def play(meter):
        await meter.show(user_card())
        await meter.show(sold(uid=OTHER_UID))
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_OLD_GENERATION]
        assert figures(meter) == UNTOUCHED

    scene(play)


def test_a_card_whose_purchase_is_refused_is_not_bound():
    card = user_card()
    cards.put(card, cards.PURCHASE, cards.purchase(5, 1_000_000))
    meter = shown(card)
    assert meter.s.card_uid == bytes(7)


# -- refusals -------------------------------------------------------------------------------------


def broken(file_no, record):
    card = sold()
    cards.put(card, file_no, record)
    return card


def other_keys():
    keys = KeySet({1: tuple(b"another scheme %d" % n for n in range(6))})
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER, keys=keys)
    return card


def empty_application():
    card = DesfireCard(UID)
    cards.Terminal(card).ask(b"\xca" + cards.AID + b"\x49\x85")
    return card


FLIPPED = bytearray(cards.purchase(1, 20_000_000))
FLIPPED[12] ^= 1

REFUSALS = {
    "classic": (lambda: ClassicCard(b"\1\2\3\4"), codes.CARD_UNKNOWN, "Use your meter card"),
    "blank": (lambda: DesfireCard(UID), codes.CARD_UNKNOWN, "Use your meter card"),
    "other kind": (lambda: user_card(kind=7), codes.CARD_UNKNOWN, "Use your meter card"),
    "foreign": (lambda: sold(number="99999999"), codes.CARD_FOREIGN, "Use your own card"),
    "other keys": (other_keys, codes.CARD_AUTH, "Call your supplier"),
    "no files": (empty_application, codes.CARD_AUTH, "Call your supplier"),
    "skipped": (lambda: broken(2, cards.purchase(2, 1_000_000)), codes.CARD_SKIPPED, "Go back to the shop"),
    "damaged purchase": (lambda: broken(2, bytes(FLIPPED)), codes.CARD_MALFORMED, "Go back to the shop"),
    "damaged identity": (lambda: broken(1, bytes(24)), codes.CARD_MALFORMED, "Go back to the shop"),
    "other currency": (lambda: sold(currency="KES"), codes.CARD_CURRENCY, "The card is for KES, this meter has EUR. "),
    "other identity": (lambda: broken(1, cards.identity("99999999")), codes.CARD_FOREIGN, "own card"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_card_changes_no_money_is_counted_and_told_why(name):
    make, code, remedy = REFUSALS[name]
    meter = shown(make(), seconds=8)
    assert figures(meter) == UNTOUCHED
    assert meter.logged(codes.LOG_CARD_REFUSED) == [code]
    assert meter.s.refused_cards == 1
    assert meter.s.writeback_seq == 0
    _, rows, hold_ms = meter.panel.said[0]
    assert remedy in " ".join(rows)
    assert hold_ms >= 4000
    assert "Remove card" in " ".join(meter.panel.said[1][1])


def test_a_replayed_image_is_refused_and_changes_nothing():
    card = sold()
    image = card.snapshot()

    async def play(meter):
        await meter.show(card)
        cards.sell(card, 5_000_000)
        await meter.show(card)
        card.restore(image)
        await meter.show(card)
        assert figures(meter) == (25_000_000, 25_000_000, 2, 5_000_000)
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_REPLAYED]

    scene(play)


def test_a_clone_of_a_card_brings_no_second_credit():
    card = sold()
    clone = DesfireCard(UID)
    clone.restore(card.snapshot())

    async def play(meter):
        await meter.show(card)
        await meter.show(clone)
        assert figures(meter) == (20_000_000, 20_000_000, 1, 20_000_000)

    scene(play)


def test_a_purchase_above_the_hoarding_cap_stays_on_the_card_until_there_is_room():
    card = sold()

    async def play(meter):
        await meter.show(card)
        assert figures(meter) == UNTOUCHED
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_HOARD]
        meter.s.credit_micro = -5_000_000
        await meter.show(card)
        assert figures(meter) == (15_000_000, 20_000_000, 1, 20_000_000)

    scene(play, hoard="19.99")


def test_a_purchase_that_cannot_be_stored_is_not_credited_and_comes_again():
    card = sold()

    async def play(meter):
        meter.fram_chip.absent = True
        await meter.show(card)
        assert figures(meter) == UNTOUCHED
        assert cards.read_back(card) is None
        meter.fram_chip.absent = False
        await meter.show(card)
        assert figures(meter) == (20_000_000, 20_000_000, 1, 20_000_000)

    scene(play)


def test_with_the_memory_gone_nothing_is_written_onto_a_card():
    card = sold()

    async def play(meter):
        await meter.show(card)
        meter.fram_chip.absent = True
        await meter.show(card)
        assert cards.read_back(card).number == 1
        assert "Memory fault" in meter.panel.text

    scene(play)


@pytest.mark.parametrize("entry", Deck(NUMBER).cards, ids=lambda entry: entry.id)
def test_every_card_of_the_deck_does_what_its_label_says(entry):
    deck = Deck(NUMBER)

    async def play(meter):
        await meter.show(deck.take("good"))
        assert meter.s.credit_micro == 20_000_000
        meter.s.claims = codes.CLAIM_OVERLOAD
        await meter.show(deck.take(entry.id))
        valid = entry.id in ("good", "empty")
        assert (meter.s.claims == 0) == valid
        served = valid or entry.text.startswith("The supplier's")
        assert len(meter.logged(codes.LOG_CARD_REFUSED)) == (0 if served else 1)
        assert meter.s.credit_micro == 20_000_000

    scene(play)


# -- keys -----------------------------------------------------------------------------------------


def test_the_firmware_knows_the_demo_masters():
    masters = (keystore.DEMO_METER_MASTER, keystore.DEMO_UTILITY_MASTER)
    assert masters == (cards.DEMO.masters(1)[METER], cards.DEMO.masters(1)[UTILITY])
    assert (cards.DEMO.sale.public(), cards.DEMO.order.public()) == (keystore.DEMO_SALE, keystore.DEMO_ORDER)


OWN = b"this one's alone"
SIGNERS = SigningKeys("sale", {1: bytes(32)}), SigningKeys("order", {1: bytes(31) + b"1"})
OWN_KEYS = keys_doc.parse(KeySet({1: (OWN,) * 6}, *SIGNERS).meter_document(NUMBER))


@pytest.mark.parametrize(
    ("keys", "provisioned"),
    [
        (KEYS, True),
        (with_keys(OWN_KEYS, CARD=KEYS[1]), True),
        (with_keys(OWN_KEYS, UTILITY=KEYS[2]), True),
        (with_keys(OWN_KEYS, SALE=cards.DEMO.sale.public()), True),
        (with_keys(OWN_KEYS, ORDER=cards.DEMO.order.public()), True),
        (with_keys(OWN_KEYS, SALE=cards.DEMO.order.public()), True),
        (None, False),
        (None, True),
    ],
)
def test_a_meter_without_keys_of_its_own_reads_no_card_and_says_so(keys, provisioned):
    meter = shown(sold(), keys=keys, provisioned=provisioned)
    assert meter.books.faults & codes.FAULT_KEYS
    assert figures(meter) == UNTOUCHED
    assert "Card keys missing" in " ".join(meter.panel.said[0][1])
    assert meter.s.refused_cards == 0


def test_a_provisioned_meter_takes_cards_of_its_own_key():
    card = DesfireCard(UID)
    cards.personalise(card, NUMBER, keys=KeySet({1: (OWN,) * 6}))
    meter = shown(card, keys=OWN_KEYS, provisioned=True)
    assert not meter.books.faults & codes.FAULT_KEYS
    assert meter.s.card_uid == UID


# -- the reader -----------------------------------------------------------------------------------


def test_a_missing_reader_is_a_fault_tried_again_with_growing_pauses_and_cleared_when_it_comes():
    async def play(meter):
        meter.chip.absent = True
        starts = []
        start = meter.reader.start

        async def timed():
            starts.append(meter.vt.now_us)
            await start()

        meter.reader.start = timed
        await asyncio.sleep(200)
        assert meter.books.faults & codes.FAULT_CARD_READER
        pauses = [round((b - a) / 1e6) for a, b in itertools.pairwise(starts)]
        assert pauses[:7] == [2, 4, 8, 16, 30, 30, 30]
        meter.chip.absent = False
        await asyncio.sleep(31)
        assert not meter.books.faults & codes.FAULT_CARD_READER
        assert meter.logged(codes.LOG_FAULT) == [codes.FAULT_CARD_READER]
        assert meter.logged(codes.LOG_FAULT_CLEARED) == [codes.FAULT_CARD_READER]
        await meter.show(sold())
        assert meter.s.credit_micro == 20_000_000

    scene(play)


def test_a_reader_that_wedges_while_nobody_is_there_is_found_and_reset_within_a_minute():
    async def play(meter):
        await asyncio.sleep(7)
        meter.chip.wedged = True
        await asyncio.sleep(60)
        assert meter.logged(codes.LOG_FAULT) == [codes.FAULT_CARD_READER]
        assert meter.books.faults == 0
        await meter.show(sold())
        assert meter.s.credit_micro == 20_000_000

    scene(play)


def test_a_reader_lost_with_a_card_in_it_asks_for_the_card_again():
    async def play(meter):
        meter.insert(sold())
        await asyncio.sleep(0.1)
        meter.chip.wedged = True
        await asyncio.sleep(0.5)
        assert meter.panel.text == "Card not accepted The card cannot be read. Insert it once more"
        await asyncio.sleep(5)
        assert meter.s.credit_micro == 20_000_000  # it was still in, and read again after the reset

    scene(play)


def test_a_quiet_desk_checks_its_reader_every_half_minute_and_does_nothing_else():
    async def play(meter):
        meter.chip.zero_counters()
        await asyncio.sleep(3600)
        # Search and its ACK, abort, field off and firmware version with ACK and answer each: nine transfers.
        assert meter.chip.transfers <= 9 * 3600 / 30
        assert meter.desk.state == states.WAIT

    scene(play)


def test_one_transfer_in_fifty_without_acknowledge_is_not_noticed_by_anybody():
    async def play(meter):
        meter.chip.nak_rate = 0.02
        card = user_card()
        for _ in range(20):
            cards.sell(card, 1_000_000)
            await meter.show(card)
        assert meter.s.credit_micro == 20_000_000
        assert meter.logged(codes.LOG_FAULT) == []

    scene(play)


def test_on_a_bad_bus_money_is_still_exact():
    async def play(meter):
        meter.chip.nak_rate = meter.chip.garbage = 0.15
        card = user_card()
        for n in range(1, 21):
            cards.sell(card, 1_000_000)
            for _ in range(20):
                await meter.show(card, 10)
                assert meter.s.purchase_count in (n - 1, n)
                assert meter.s.credit_micro == meter.s.purchase_count * 1_000_000
                booked = cards.read_back(card)
                if booked and booked.purchase_count == n:
                    break
            assert meter.s.purchase_count == n

    scene(play)


# -- cards that cannot prove what they are ---------------------------------------------------------


def forged():
    """A card that says it is this meter's, and does not know the key."""
    card = user_card()
    card.applications[cards.AID].keys[METER] = bytes(16)
    return card


def test_two_failed_logins_cost_no_wait():
    async def play(meter):
        for _ in range(2):
            await meter.show(forged())
        await meter.show(sold())
        assert meter.s.credit_micro == 20_000_000

    scene(play)


def test_from_the_third_on_all_cards_wait_and_longer_each_time():
    async def play(meter):
        waits = []
        for _ in range(6):
            await meter.show(forged(), 1.0)
            waits.append(visits.locked_s(meter.books))
            meter.books.uptime_s += visits.locked_s(meter.books)
        assert waits == [0, 0, 2, 4, 8, 16]
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_AUTH] * 6
        assert meter.s.failed_logins == 6

    scene(play)


def test_while_locked_even_the_right_card_waits_and_is_told_so():
    async def play(meter):
        for _ in range(4):
            await meter.show(forged(), 1.0)
            meter.books.uptime_s += visits.locked_s(meter.books)
        await meter.show(forged(), 1.0)
        good = sold()
        await meter.show(good)
        assert meter.s.credit_micro == 0 and "Wait, then try again" in meter.panel.text + str(meter.panel.said)
        meter.books.uptime_s += visits.locked_s(meter.books)
        await meter.show(good)
        assert meter.s.credit_micro == 20_000_000 and meter.s.lock == 0

    scene(play)


def test_a_power_cut_does_not_shorten_the_wait():
    async def play(meter):
        for _ in range(5):
            await meter.show(forged(), 1.0)
            meter.books.uptime_s += visits.locked_s(meter.books)
        await meter.show(forged(), 1.0)

    meter = scene(play)
    before = visits.locked_s(meter.books)
    meter.boot()
    assert visits.locked_s(meter.books) >= before > 0


def test_a_neighbour_s_card_is_no_attempt():
    other = user_card(number="99999999")
    meter = shown(other)
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_FOREIGN]
    assert (meter.s.failed_logins, meter.s.lock) == (0, 0)


# -- emergency credit, debt ------------------------------------------------------------------------


def test_a_card_shown_when_credit_is_used_up_is_lent_emergency_credit_once():
    async def play(meter):
        card = user_card()
        meter.s.credit_micro = 0
        meter.books.assess()
        assert meter.s.claims == codes.CLAIM_NO_CREDIT
        await meter.show(card)
        assert meter.s.claims == 0 and meter.s.latches & codes.LATCH_EMERGENCY
        assert meter.logged(codes.LOG_EMERGENCY) == [0]
        meter.s.credit_micro = -5_000_000
        meter.books.assess()
        assert meter.s.claims == codes.CLAIM_NO_CREDIT
        await meter.show(card)
        assert meter.s.claims == codes.CLAIM_NO_CREDIT
        cards.sell(card, 20_000_000)
        await meter.show(card)
        assert (meter.s.claims, meter.s.latches & codes.LATCH_EMERGENCY) == (0, 0)
        assert meter.s.credit_micro == 15_000_000
        assert cards.read_back(card).emergency_credit == 0

    scene(play, emergency="5.00")


def test_without_emergency_credit_a_card_lends_nothing():
    async def play(meter):
        meter.s.credit_micro = 0
        meter.books.assess()
        await meter.show(user_card())
        assert meter.s.claims == codes.CLAIM_NO_CREDIT

    scene(play)


def test_a_purchase_brings_debt_and_pays_a_share_of_it_off():
    card = user_card()
    cards.sell(card, 20_000_000, debt_micro=30_000_000)
    meter = shown(card, debt_percent=25)
    assert (meter.s.credit_micro, meter.s.debt_micro, meter.s.debt_paid_micro) == (15_000_000, 25_000_000, 5_000_000)
    assert meter.s.purchased_micro == 20_000_000
    assert meter.logged(codes.LOG_DEBT) == [1]
    assert cards.read_back(card).debt_micro == 25_000_000


# -- cards of the second generation ----------------------------------------------------------------


def newer():
    card = DesfireCard(UID, ev=2)
    cards.personalise(card, NUMBER)
    cards.sell(card, 20_000_000)
    return card


def test_a_card_of_the_second_generation_is_read_by_its_own_messaging():
    card = newer()
    logins = []
    transceive = card.transceive

    def watched(command):
        logins.append(command[0])
        return transceive(command)

    card.transceive = watched
    meter = shown(card)
    assert meter.s.credit_micro == 20_000_000
    assert cards.read_back(card).purchase_count == 1
    assert 0x71 in logins and 0xAA not in logins[: logins.index(0xC7)]


@pytest.mark.parametrize("heard", [False, True], ids=["command lost", "answer lost"])
@pytest.mark.parametrize("n", range(12))
def test_a_card_of_the_second_generation_pulled_at_any_exchange_is_credited_once(n, heard):
    async def play(meter):
        card = newer()
        card.pull_after(n, heard)
        await meter.show(card)
        await meter.show(card)
        assert (meter.s.credit_micro, meter.s.purchase_count) == (20_000_000, 1)
        assert cards.read_back(card).number == meter.s.writeback_seq

    scene(play)


# -- more than one card ----------------------------------------------------------------------------


def test_two_cards_at_once_are_refused_once_and_none_is_read():
    async def play(meter):
        first, second = sold(), user_card(uid=OTHER_UID)
        meter.chip.insert(first, meter.vt.now_us)
        meter.chip.insert_second(second, meter.vt.now_us)
        await asyncio.sleep(60)
        assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_TWO]
        assert "Two cards at once" in " ".join(" ".join(rows) for _, rows, _ in meter.panel.said if rows)
        assert first.exchanges == second.exchanges == 0
        meter.chip.remove_second(meter.vt.now_us)
        meter.chip.remove(meter.vt.now_us)
        await asyncio.sleep(2)
        await meter.show(first)
        assert meter.s.credit_micro == 20_000_000

    scene(play)


def test_a_tag_of_another_kind_is_refused():
    meter = shown(NtagCard(UID))
    assert meter.logged(codes.LOG_CARD_REFUSED) == [codes.CARD_UNKNOWN]
