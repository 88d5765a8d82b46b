# SPDX-License-Identifier: Apache-2.0
"""bench/plant/pace.py: looking while it is fast, the kernel while the machine is busy."""

import pytest

from host_tests.bench.plant.pace import SLOW_NS, SPAN, SPAN_MAX, TRIAL, Pace


class Requests:
    def __init__(self):
        self.now_ns = 0
        self.pace = Pace(lambda: self.now_ns)

    def serve(self, n, each_ns):
        for _ in range(n):
            self.now_ns += each_ns
            self.pace.left -= 1
            if not self.pace.left:
                self.pace.judge()

    def blocked_for(self):
        """Requests until looking is tried again."""
        served = 0
        while self.pace.blocking:
            self.serve(1, 20_000)
            served += 1
        return served


@pytest.fixture
def requests():
    return Requests()


def test_looking_goes_on_while_requests_are_quick(requests):
    requests.serve(100 * TRIAL, SLOW_NS // 2)
    assert not requests.pace.blocking


def test_slow_requests_are_waited_for_in_the_kernel_and_looking_is_tried_again(requests):
    requests.serve(TRIAL, 2 * SLOW_NS)
    assert requests.pace.blocking
    assert requests.blocked_for() == SPAN
    requests.serve(TRIAL, SLOW_NS // 2)
    assert not requests.pace.blocking


def test_each_failed_trial_doubles_the_wait_up_to_a_bound_and_a_good_one_ends_that(requests):
    spans = []
    for _ in range(10):
        requests.serve(TRIAL, 2 * SLOW_NS)
        spans.append(requests.blocked_for())
    assert spans == [min(SPAN << n, SPAN_MAX) for n in range(10)]
    requests.serve(TRIAL, SLOW_NS // 2)
    requests.serve(TRIAL, 2 * SLOW_NS)
    assert requests.blocked_for() == SPAN


def test_what_passes_between_two_runs_is_not_counted(requests):
    requests.serve(TRIAL - 1, SLOW_NS // 2)
    requests.now_ns += 10**9
    requests.pace.begin()
    requests.serve(TRIAL, SLOW_NS // 2)
    assert not requests.pace.blocking


def test_the_kernel_is_kept_to_over_the_end_of_a_run(requests):
    requests.serve(TRIAL, 2 * SLOW_NS)
    requests.serve(SPAN // 2, 20_000)
    requests.pace.begin()
    assert requests.blocked_for() == SPAN // 2
