# SPDX-License-Identifier: Apache-2.0
"""Registers of a metering IC that are cleared by being read, over a wire that errs: nothing lost, nothing invented.

Both ICs have a register that repeats the data of the last frame (ATM90E32AS datasheet 4.2.2, LastSPIData; M90E26
register 06H, LastData): with it, a read that a bad frame has spoilt can still be had.
"""

from micropython import const

_TRIES = const(5)


def take(energy, last: int, addr: int, expect: int) -> int:
    """Read and clear a register of energy.ic: what was handed out, by two frames that agree. last: the register that
    repeats it. A second value that is possible too is left in energy.other, otherwise -1."""
    ic = energy.ic
    energy.other = -1
    got = ic.read(addr)
    check = ic.read(last)
    if got == check:
        return got
    energy.noise()
    for _ in range(_TRIES):
        again = ic.read(last)
        if again == got:
            return got
        if again == check:
            break
        check = again
    # The answer was hit, by one bit, or the check went astray and the register repeats what it found.
    energy.other = check
    bits = got ^ check
    if bits & (bits - 1) == 0 and abs(check - expect) < abs(got - expect):
        energy.other = got
        got = check
    return got
