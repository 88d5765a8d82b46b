# SPDX-License-Identifier: Apache-2.0
"""Power cuts at every operation that leaves something behind, and what wears while there are none.

    operations.py   finds and numbers them, and tears one
    scenario.py     what happens in a day, as a list of steps
    world.py        the meter on its bench, and the person who goes on after a cut
    auditor.py      what must be true: of each record when it is written, and at the end
    *_rules.py      what of that has a rule of its own: days, a moved clock, supply, registers, frozen
                    readings, incidents
    branches.py     many cuts out of one run
    matrix.py       which cuts there are, and all of them tried
    __main__.py     `make powercut`
    wear.py         `make wear`
"""
