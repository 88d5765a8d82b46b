# SPDX-License-Identifier: Apache-2.0
"""The whole firmware with a calibration: its front end measured right, and the seal over restarts."""

import hashlib
import json

import pytest
from meter.core import codes
from meter.core.state import times
from meter.storage import seal

from host_tests.bench.documents import as_files, settings
from host_tests.bench.plant.flash import VFS_AT
from scripts.calibrate import document
from scripts.calibrate.guide import Plan, calibrate
from scripts.calibrate.ic import Ic
from scripts.calibrate.sim import SimLink
from scripts.chips import I2cNak
from scripts.image.image import build_image

NUMBER = settings()["meter_number"]
FRONT = {"u_ppm": 30_000, "i_ppm": -50_000, "lead_udeg": 600_000, "p_offset_uw": 300_000}


def words() -> dict[int, int]:
    """What the tool finds for this front end."""
    link = SimLink(errors=False)
    link.chip.front[0].err(**FRONT)
    link.chip.rewire(link.now_us)
    ic = Ic(link, 1, 1)
    calibrate(ic, link, Plan(), 0, lambda text: None)
    return ic.words


def files(doc, old=None):
    docs = {"calibration.json": doc, "calibration.old": old}
    return {name: json.dumps(doc).encode() for name, doc in docs.items() if doc}


def wrong(b):
    b.plant.meter_ic.front[0].err(**FRONT)
    b.plant.meter_ic.rewire(b.plant.clock.now_us)
    return b


def booked_at_s(b):
    """Run until a tick has just been booked. Return when."""
    before = b.state().import_counts
    while b.state().import_counts == before:
        b.run_s(0.01)
    return b.plant.clock.now_us / 1_000_000


def counted(b, s=120):
    """Counts booked per counts that flowed, in ppm off, from one booked tick to another: a start may end within one."""
    begun_s = booked_at_s(b)
    before = b.state().import_counts
    b.run_s(s)
    flowed = round(b.plant.house.power_w() * (booked_at_s(b) - begun_s) * 3200 / 36_000)
    return (b.state().import_counts - before - flowed) * 1_000_000 // flowed


def restarted(b, doc, old=None, up_s=5):
    """The same meter, after somebody has put other documents into its file system."""
    b.plug(False)
    image = build_image(None, {**as_files(b.settings), **files(doc, old)})
    b.plant.flash.data[VFS_AT : VFS_AT + len(image)] = image
    b.plug(True)
    b.run_s(up_s)
    return b


def silent_at_the_seal(b, times):
    """From now on the FRAM does not acknowledge n transfers that begin at the seal."""
    genuine = b.plant.fram.i2c_write
    left = [None] * times

    def i2c_write(data, now_us, byte_us):
        if bytes(data[:2]) == seal.BASE.to_bytes(2, "big") and left:
            left.pop()
            raise I2cNak(b.plant.fram.addr)
        genuine(data, now_us, byte_us)

    b.plant.fram.i2c_write = i2c_write
    return left


def told(b):
    """(what the events say, is the fault logged?)"""
    events = b.events()
    fault = any(e.code == codes.LOG_FAULT and e.value == codes.FAULT_CALIBRATION for e in events)
    return [e.value >> 2 for e in events if e.code == codes.LOG_CALIBRATION], fault


def test_a_calibrated_meter_bills_what_flows_through_a_wrong_front_end(bench):
    plain = counted(wrong(bench(load_w=4600)))
    good = counted(wrong(bench(load_w=4600, files=files(document.make(NUMBER, 1, words())))))
    assert abs(plain) > 10_000
    assert abs(good) < 1_000  # 0.1 %: a count is 40 ppm of it


def test_a_sealed_calibration_is_the_only_one_the_meter_takes_from_then_on(bench):
    sealed = document.make(NUMBER, 1, {0x61: 33_000}, sealed=True)
    other = document.make(NUMBER, 1, {0x61: 40_000})
    b = bench(files=files(sealed))
    kept = b.plant.fram.data[seal.BASE : seal.BASE + seal.SIZE]
    assert kept[4:36] == hashlib.sha256(f"{NUMBER}|atm90e32|1|1|61=80E8".encode()).digest()
    assert (b.plant.meter_ic.peek(0x61), told(b)) == (33_000, ([], False))

    restarted(b, other, old=sealed)
    assert (b.plant.meter_ic.peek(0x61), told(b)) == (33_000, ([seal.OLD], True))
    restarted(b, other)
    assert (b.plant.meter_ic.peek(0x61), told(b)) == (0x8000, ([seal.OLD, seal.LOST], True))
    before = b.state().import_counts
    b.run_s(20)
    assert b.state().import_counts > before  # it meters all the same
    assert times(b.state(), codes.TAMPER_CALIBRATION) == 2
    restarted(b, sealed)
    assert (b.plant.meter_ic.peek(0x61), told(b)[0]) == (33_000, [seal.OLD, seal.LOST])
    assert b.plant.fram.data[seal.BASE : seal.BASE + seal.SIZE] == kept


@pytest.mark.parametrize("is_sealed", [False, True])
def test_while_the_fram_does_not_say_what_was_sealed_no_document_is_in_force(bench, is_sealed):
    b = bench(files=files(document.make(NUMBER, 1, {0x61: 33_000}, sealed=True)))
    silent_at_the_seal(b, 1000)
    restarted(b, document.make(NUMBER, 1, {0x61: 40_000}, sealed=is_sealed), up_s=20)
    assert (b.plant.meter_ic.peek(0x61), told(b)) == (0x8000, ([], True))
    assert times(b.state(), codes.TAMPER_CALIBRATION) == 0  # a bus that fails is no tampering
    before = b.state().import_counts
    b.run_s(20)
    assert b.state().import_counts > before and b.meter.restarts == 0


def test_a_fram_that_is_silent_for_a_moment_is_asked_for_the_seal_again(bench):
    sealed = document.make(NUMBER, 1, {0x61: 33_000}, sealed=True)
    b = bench(files=files(sealed))
    left = silent_at_the_seal(b, 3)
    restarted(b, document.make(NUMBER, 1, {0x61: 40_000}), old=sealed, up_s=20)
    assert (b.plant.meter_ic.peek(0x61), told(b), left) == (33_000, ([seal.OLD], True), [])


def test_a_document_of_the_other_metering_ic_does_not_touch_the_pulse_constant(bench):
    other = document.make(NUMBER, 1, {0x31: 0x2100, 0x32: 0x2200}, ic="atm90e26")
    b = bench(load_w=4600, provisioned=True, files=files(other))
    assert told(b) == ([], True)
    assert abs(counted(b)) < 2_000


def test_a_document_of_another_range_of_currents_than_the_settings_leaves_theirs_in_force(bench):
    b = bench(load_w=4600, max_a=100, files=files(document.make(NUMBER, 1, {0x61: 33_000})))
    assert (b.plant.meter_ic.peek(0x61), b.plant.meter_ic.peek(0x62)) == (0x8000, 0x4000)  # 2 mA a count
    assert told(b) == ([], True)


def test_a_board_without_fram_takes_any_calibration(bench):
    b = bench(board="esp32_nofram", files=files(document.make(NUMBER, 1, {0x61: 33_000}, sealed=True)))
    assert (b.plant.meter_ic.peek(0x61), told(b)) == (33_000, ([], False))


def test_a_board_with_the_other_metering_ic_takes_documents_for_that_one(bench):
    own = document.make(NUMBER, 1, {0x31: 0x6A00, 0x23: 0x0010}, sealed=True, ic="atm90e26")
    b = bench(board="esp32_atm90e26", provisioned=True, files=files(own))
    assert (b.plant.meter_ic.peek(0x31), b.plant.meter_ic.peek(0x23), told(b)) == (0x6A00, 0x0010, ([], False))
    b = bench(board="esp32_atm90e26", provisioned=True, files=files(document.make(NUMBER, 1, {0x61: 0x9000})))
    assert (b.plant.meter_ic.peek(0x31), told(b)) == (0x6720, ([], True))


def test_a_provisioned_meter_without_a_calibration_says_so(bench):
    assert told(bench(provisioned=True)) == ([], True)
    assert told(bench()) == ([], False)
