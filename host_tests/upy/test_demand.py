# SPDX-License-Identifier: Apache-2.0
"""Maximum demand: what counts as an interval, whose it is, and that none is made up."""

from meter.core import demand

NOON = 14_000_040  # a minute at a full hour
assert NOON % 60 == 0


class Home:
    """A minute at a time. use(): counts of each of the minutes that follow."""

    def __init__(self, minutes=15, start=NOON, counts=1000):
        self.state = demand.begin(minutes)
        self.minute = start
        self.counts = counts
        self.told = [self.begins()]

    def begins(self, rate=0):
        return demand.minute(self.state, self.counts, self.minute, rate)

    def use(self, *minutes, rate=0):
        self.told = []
        for counts in minutes:
            self.counts += counts
            self.minute += 1
            self.told.append(self.begins(rate))
        return self

    @property
    def maxima(self):
        return list(self.state[: demand.MAXIMA])

    def of(self, rate=0):
        """(block, sliding)"""
        return tuple(self.maxima[2 * rate : 2 * rate + 2])


def test_nothing_metered_has_no_maximum():
    home = Home()
    assert home.maxima == [0] * 16 and home.told == [False]
    assert home.use(*[0] * 60).maxima == [0] * 16


def test_the_register_before_the_start_is_not_demand():
    assert Home(counts=10_000_000).use(7).of() == (0, 7)


def test_a_block_is_the_energy_from_one_multiple_of_the_interval_to_the_next():
    home = Home().use(*[10] * 14)
    assert home.of()[0] == 0
    assert home.use(10).of()[0] == 150
    assert home.use(*[20] * 14).of()[0] == 150
    assert home.use(20).of()[0] == 300


def test_blocks_lie_on_the_clock_wherever_the_meter_began():
    for start in range(1, 15):
        home = Home(start=NOON + start).use(*[10] * (14 - start))
        assert home.of()[0] == 0, start
        # What was before the start was not metered: it counts as nothing.
        assert home.use(10).of()[0] == 10 * (15 - start), start
        assert home.use(*[10] * 15).of()[0] == 150, start


def test_the_sliding_interval_sees_what_lies_across_two_blocks():
    home = Home().use(*[0] * 10).use(*[100] * 10).use(*[0] * 20)
    assert home.of() == (500, 1000)


def test_minutes_leave_the_sliding_interval_when_it_is_over():
    home = Home().use(500).use(*[0] * 14).use(500)
    assert home.of() == (500, 500)
    home = Home().use(500).use(*[0] * 13).use(500)
    assert home.of()[1] == 1000


def test_each_interval_that_divides_an_hour():
    for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60):
        home = Home(minutes).use(*[7] * 120)
        assert home.of() == (7 * minutes, 7 * minutes), minutes


def test_an_interval_of_a_minute_is_each_minute():
    assert Home(1).use(3, 9, 4).of() == (9, 9)


def test_an_interval_belongs_to_the_rate_of_its_last_minute():
    home = Home().use(*[10] * 14).use(10, rate=3)
    assert home.of(3) == (150, 150) and home.of(0) == (0, 140)


def test_rates_have_their_own_maxima():
    home = Home().use(*[10] * 15, rate=1).use(*[5] * 15, rate=7)
    assert home.of(1) == (150, 150)
    assert home.of(7) == (75, 145)  # of the first minutes' sliding interval, most was used in the rate before
    assert home.maxima.count(0) == 12


def test_it_says_when_there_is_a_new_maximum():
    home = Home(3).use(1, 1, 1, 1, 2, 0, 0, 0)
    assert home.told == [True, True, True, False, True, False, False, False]


def test_a_maximum_stays():
    assert Home(1).use(9, *[1] * 200).of() == (9, 9)


def test_the_same_minute_again_changes_nothing():
    home = Home(1).use(5)
    home.counts += 100
    assert home.begins() is False
    assert home.of() == (5, 5)
    assert home.use(1).of() == (101, 101)


def test_a_gap_is_no_demand():
    for gap in (1, 2, 15, 60, -2, -60, -100_000, 100_000):
        home = Home().use(*[10] * 8)
        home.minute += gap
        home.use(90_000)  # all that was used meanwhile, in one go
        assert home.of() == (0, 80), gap
        assert home.use(*[10] * 14).of()[1] == 140, gap
        assert home.use(10, 10).of()[1] == 150, gap


def test_an_interval_with_a_gap_has_what_was_metered_behind_it():
    home = Home().use(*[10] * 5)
    home.minute += 4
    home.use(77)
    assert home.use(*[10] * 5).of() == (50, 50)


def test_a_new_meter_is_a_gap():
    home = Home().use(*[10] * 14)
    home.state = demand.begin(15, home.state)
    home.use(10)
    assert home.of() == (0, 140)


def test_maxima_of_before_go_on_after_a_start():
    home = Home().use(*[10] * 15)
    assert list(demand.begin(15, home.state)[: demand.MAXIMA]) == home.maxima
    assert not any(demand.begin(30))
    assert len(demand.begin(30)) == demand.RING + 30


def test_registers_over_32_bits():
    home = Home(counts=(1 << 32) - 5).use(10, 10)
    assert home.of() == (0, 20)
    assert Home(counts=(1 << 40) + 3).use(8).of() == (0, 8)
