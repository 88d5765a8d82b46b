# SPDX-License-Identifier: Apache-2.0
"""Tampering in the ledger: how often, and on which phases it lasts."""

from meter.core import codes, tamper
from meter.core.state import MeterState, others, times

ALL = 3


def test_a_new_meter_has_seen_none():
    s = MeterState()
    assert not any(times(s, kind) for kind in range(16)) and not any(tamper.lasts(s, 2, phase) for phase in range(3))


def test_each_beginning_counts():
    s = MeterState()
    for n in range(1, 300):
        tamper.begins(s, codes.TAMPER_MAGNET, ALL)
        assert times(s, codes.TAMPER_MAGNET) == n
    assert others(s) == 0  # the magnet is counted apart


def test_the_count_stays_at_its_most_and_spoils_nothing():
    s = MeterState()
    s.tampers[4:6] = b"\xfe\x1f"
    for _ in range(3):
        tamper.begins(s, codes.TAMPER_REVERSE, 2)
    assert times(s, codes.TAMPER_REVERSE) == 0x1FFF and s.tampers[4:6] == b"\xff\x9f"
    assert others(s) == 0x1FFF


def test_it_lasts_on_the_phases_it_began_on_until_it_ends_there():
    s = MeterState()
    tamper.begins(s, codes.TAMPER_REVERSE, 0)
    tamper.begins(s, codes.TAMPER_REVERSE, 2)
    assert [tamper.lasts(s, codes.TAMPER_REVERSE, phase) for phase in range(3)] == [1, 0, 1]
    tamper.ends(s, codes.TAMPER_REVERSE, 0)
    assert [tamper.lasts(s, codes.TAMPER_REVERSE, phase) for phase in range(3)] == [0, 0, 1]
    assert times(s, codes.TAMPER_REVERSE) == 2


def test_in_all_phases_is_where_phase_a_is():
    s = MeterState()
    tamper.begins(s, codes.TAMPER_MAGNET, ALL)
    assert tamper.lasts(s, codes.TAMPER_MAGNET, ALL) == tamper.lasts(s, codes.TAMPER_MAGNET, 0) == 1


def test_what_has_no_end_does_not_last():
    s = MeterState()
    for kind in (codes.TAMPER_PATTERN, codes.TAMPER_CLOCK_BACK, codes.TAMPER_COVER_UNPOWERED, codes.TAMPER_CALIBRATION):
        tamper.begins(s, kind, ALL)
        assert times(s, kind) == 1 and not tamper.lasts(s, kind, ALL)


def test_the_covers_latch_is_apart_from_its_count_and_from_that_it_is_open():
    s = MeterState()
    tamper.latch(s, True)
    assert tamper.latched(s) and not times(s, codes.TAMPER_COVER) and not tamper.lasts(s, codes.TAMPER_COVER, ALL)
    tamper.begins(s, codes.TAMPER_COVER, ALL)
    assert tamper.latched(s)
    tamper.latch(s, False)
    assert not tamper.latched(s) and times(s, codes.TAMPER_COVER) == 1 and tamper.lasts(s, codes.TAMPER_COVER, ALL)
