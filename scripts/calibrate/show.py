# SPDX-License-Identifier: Apache-2.0
"""What the commands say, as tables for people and as JSON-able objects."""

from rich.console import Console
from rich.table import Table

from . import ic
from .verify import Residual

console = Console()

NAMES = {
    ic.U_GAIN: "voltage gain", ic.I_GAIN: "current gain", ic.U_OFFSET: "voltage offset", ic.I_OFFSET: "current offset",
    ic.P_OFFSET: "active power offset", ic.Q_OFFSET: "reactive power offset", ic.PQ_GAIN: "power gain",
    ic.PHI: "phase",
}  # fmt: skip


def register_name(addr: int) -> str:
    """'voltage gain A' for 61H; '' for those no step sets."""
    for register, name in NAMES.items():
        for n, phase in enumerate("ABC"):
            if addr == ic.at(register, n):
                return f"{name} {phase}"
    return ""


def document(found: dict) -> None:
    state = "sealed" if found["sealed"] else "not sealed"
    title = f"Meter {found['serial']}, {found['ic']}, current scale {found['current_scale']}, {state}, {found['crc32']}"
    table = Table("register", "word", "what", title=title, title_justify="left")
    for addr, word in found["registers"].items():
        table.add_row(addr, f"{word:04X}", register_name(int(addr, 16)))
    console.print(table)


def percent(ppm: int | None) -> str:
    return "" if ppm is None else f"{ppm / 10_000:+.3f} %"


def residuals(found: list[Residual], limit_ppm: int) -> None:
    table = Table("point", "voltage", "current", "active power", f"limit {limit_ppm / 10_000:g} %", title="Errors left",
                  title_justify="left")  # fmt: skip
    for r in found:
        verdict = "met" if r.worst_ppm() <= limit_ppm else "MISSED"
        if not r.measured:
            verdict = "not measured: --reference is for another current"
        table.add_row(str(r.point), percent(r.u_ppm), percent(r.i_ppm), percent(r.p_ppm), verdict)
    console.print(table)


def residual_dict(r: Residual) -> dict:
    return {
        "phase": "ABC"[r.point.phase],
        "u_mv": r.point.u_mv,
        "i_ma": r.point.i_ma,
        "pf_milli": r.point.pf_milli,
        "u_error_ppm": r.u_ppm,
        "i_error_ppm": r.i_ppm,
        "p_error_ppm": r.p_ppm,
    }
