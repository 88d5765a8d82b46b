# SPDX-License-Identifier: Apache-2.0
"""The steps of a calibration, per phase, in the order of the application note (Atmel-46103A, 4.4).

    1  offset         0 V, 0 A      Uoffset, Ioffset        only with a supply of the meter's own, apart from the phase
    2  gain           Un, Ib, PF 1  Ugain, Igain
    3  power offset   Un, 0 A       Poffset, Qoffset
    4  power gain     Un, Ib, PF 1  PQgain
    5  phase          Un, Ib, 0.5L  Phi

Each word is in force before the next is found: a later step corrects what an earlier one has left.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import formulas
from .ic import I_GAIN, I_OFFSET, P_OFFSET, PHI, PQ_GAIN, Q_OFFSET, U_GAIN, U_OFFSET, Ic, at
from .reference import Point, Source

_OFFSET_TURNS = 12


@dataclass(frozen=True)
class Plan:
    """Nominal voltage and basic current of the meter; offsets: step 1, too."""

    u_mv: int = 230_000
    i_ma: int = 5_000
    hz: int = 50
    offsets: bool = True


def calibrate(ic: Ic, source: Source, plan: Plan, phase: int, say: Callable[[str], None]) -> None:
    """Take a phase through all steps: the words are in ic.words then. Raises CalibrateError."""
    step = _Step(ic, source, plan, phase, say)
    step.start()
    if plan.offsets:
        step.offset()
    step.gain()
    step.power_offset()
    step.power_gain()
    step.phase()


class _Step:
    def __init__(self, ic, source, plan, phase, say):
        self._ic, self._source, self._plan, self._phase, self._say = ic, source, plan, phase, say

    def start(self):
        for register in (U_GAIN, I_GAIN, U_OFFSET, I_OFFSET, P_OFFSET, Q_OFFSET, PQ_GAIN, PHI):
            self._ic.words.pop(at(register, self._phase), None)
        self._ic.configure()

    def _at(self, u_mv, i_ma, pf_milli=1000):
        given = self._source.at(Point(self._phase, u_mv, i_ma, pf_milli))
        return given, self._ic.shown(self._phase)

    def _put(self, what, register, word):
        addr = at(register, self._phase)
        self._ic.put(addr, word)
        self._tell(what, addr)

    def _tell(self, what, addr):
        self._say(f"phase {'ABC'[self._phase]}: {what} {self._ic.word(addr):04X} (register {addr:02X})")

    def offset(self):
        # Neither source says whether an offset is added before or after the gain: with any gain but 1 (that is, with
        # current_scale 2) the formula is off by it. Done again on what is left, it comes to zero in both cases.
        _, shown = self._at(0, 0)
        ic, phase = self._ic, self._phase
        u_addr, i_addr = at(U_OFFSET, phase), at(I_OFFSET, phase)
        for _ in range(_OFFSET_TURNS):
            u = formulas.rms_offset(shown.u_word32, ic.word(u_addr))
            i = formulas.rms_offset(shown.i_word32, ic.word(i_addr))
            if u == ic.word(u_addr) and i == ic.word(i_addr):
                break
            ic.put(u_addr, u)
            ic.put(i_addr, i)
            shown = ic.shown(phase)
        self._tell("voltage offset", u_addr)
        self._tell("current offset", i_addr)

    def gain(self):
        given, shown = self._at(self._plan.u_mv, self._plan.i_ma)
        self._put("voltage gain", U_GAIN, formulas.rms_gain(formulas.UNITY, shown.u_uv, given.u_uv))
        word = formulas.rms_gain(formulas.UNITY, shown.i_ua, given.i_ua, step=self._ic.scale)
        self._put("current gain", I_GAIN, word)

    def power_offset(self):
        _, shown = self._at(self._plan.u_mv, 0)
        self._put("active power offset", P_OFFSET, formulas.power_offset(shown.p_word32))
        self._put("reactive power offset", Q_OFFSET, formulas.power_offset(shown.q_word32))

    def power_gain(self):
        given, shown = self._at(self._plan.u_mv, self._plan.i_ma)
        self._put("power gain", PQ_GAIN, formulas.pq_gain(shown.p_uw, given.p_uw))

    def phase(self):
        given, shown = self._at(self._plan.u_mv, self._plan.i_ma, 500)
        self._put("phase", PHI, formulas.phi(shown.p_uw, given.p_uw, hz=self._plan.hz))
