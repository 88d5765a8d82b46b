# SPDX-License-Identifier: Apache-2.0
"""`make replay`: a recorded household through chip model, bus, firmware and ledger, and what it must come to."""

import contextlib
import io
import json
import re
import sys
import tempfile
import time
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from host_tests.bench import documents
from host_tests.bench.plant.flash import NorFlash, Profile, flash_of
from host_tests.bench.plant.plant import Plant
from host_tests.bench.run.board import load_board
from host_tests.bench.run.cpython import VirtualTime
from host_tests.bench.run.local import LocalMeter
from host_tests.bench.run.process import MeterDied, MeterProcess, interpreter
from host_tests.bench.views.ledger import read_events, read_ledger
from host_tests.years import oracle
from host_tests.years import trace as traces
from host_tests.years.year_oracle import Prices
from scripts.common import InputError, decimal, integer, read_json
from scripts.common.refusals import refusals

LEAD_S = 8  # the meter is up this long before the trace begins, and as long after its end
_DAY_S = 86_400
_EPOCH = datetime(2000, 1, 1)
_REASONS = {1: "remote", 2: "no credit", 4: "reminder", 8: "overload", 16: "tamper", 32: "fault"}
_log = Console(stderr=True)


class ReplayError(Exception):
    """What was asked for cannot be done; the text is for people. code: of the exit."""

    def __init__(self, text: str, code: int = 2):
        super().__init__(text)
        self.code = code


def _say(text: str):
    print(f"replay: {text}", file=sys.stderr)


def most_credit() -> int:
    """The highest a meter can begin with, in millionths."""
    from meter.documents import settings_doc

    return settings_doc._MAX_MICRO


def _default_credit(trace, docs) -> int:
    """Millionths, enough for the whole trace at the dearest rate, with the alarm limits untouched."""
    each = [Prices(doc) for doc in docs if doc]
    dearest = max(max(*one.prices, *(price for _, _, price, _ in one.signals), 0) for one in each)
    dearest += max(sum(max(0, more) for _, more in one.steps) for one in each)
    days = (trace.end_s - trace.start_s) // _DAY_S + 2
    energy = Fraction(trace.energy_mws(), 3_600_000_000) * dearest
    return (int(energy) // 1_000_000 + 20) * 1_000_000 + days * max(one.standing for one in each)


def _lead_s(trace) -> int:
    """How long the meter runs before the trace: a start takes some seconds, and midnight must not be in them."""
    return LEAD_S if (trace.start_s - LEAD_S) % _DAY_S < _DAY_S - LEAD_S else 2 * LEAD_S


def _schedule(plant, trace, zero_us, on_progress):
    """Put the rows on the plant's clock, one at a time."""
    rows = iter(trace.segments())

    def step(_now_us):
        segment = next(rows, None)
        if segment is None:
            plant.house.set_load(0, 0)
            return
        start_s, end_s, row = segment
        plant.house.u_mv[0] = row.u_mv
        plant.house.set_load(0, row.p_mw, row.q_mvar, row.i_ma)
        on_progress(start_s - trace.start_s)
        plant.clock.at(zero_us + (end_s - trace.start_s) * 1_000_000, step)

    plant.clock.at(zero_us, step)


def _of_statuses(lines, key):
    """The figure of each STATUS line, one an hour."""
    return [int(word.removeprefix(key)) for line in lines for word in line.split() if word.startswith(key)]


def run(
    trace, tariff_doc: dict, credit: int | None, arch: str, heap=None, on_progress=lambda s: None, later=None,
    billing_day=1, profile=Profile.STOCK,
) -> dict:  # fmt: skip
    """Replay a trace. Return the result as a dict. credit: in millionths. arch: i386, amd64 or cpython. later: a tariff
    that waits for its time. profile: how that MicroPython is built."""
    credit = min(_default_credit(trace, (tariff_doc, later)), most_credit()) if credit is None else credit
    settings = documents.settings(
        currency=tariff_doc["currency"],
        utc_offset_min=0,
        overload_w=0,
        hoard="0",
        billing_day=billing_day,
        initial_credit=f"{credit // 1_000_000}.{credit % 1_000_000:06d}",
    )
    files = documents.as_files(settings, tariff_doc)
    if later:
        files["later.json"] = json.dumps(later).encode()
    lead_s = _lead_s(trace)
    flash = NorFlash() if arch == "cpython" else flash_of(profile, files)  # there, files are in a folder
    plant = Plant(VirtualTime(), load_board(), flash, utc_s=trace.start_s - lead_s)
    reads_us = []
    plant.meter_ic.on_energy_read = lambda addr, counts, now_us: reads_us.append(now_us) if addr == 0x80 else None
    zero_us = lead_s * 1_000_000
    _schedule(plant, trace, zero_us, on_progress)
    run_s = trace.end_s - trace.start_s + lead_s + LEAD_S
    statuses = []
    started = time.monotonic()
    if arch == "cpython":
        name, heap_bytes = f"cpython {sys.version.split()[0]}", None
        with tempfile.TemporaryDirectory() as root:
            for file, content in files.items():
                (Path(root) / file).write_bytes(content)
            with contextlib.redirect_stdout(io.StringIO()):  # what the firmware says on its console
                LocalMeter(plant, root).run_s(run_s)
    else:
        name = f"micropython {arch}"
        heap_bytes = _run_process(plant, arch, heap, run_s, statuses)
    real_s = time.monotonic() - started
    if not reads_us or reads_us[0] >= zero_us:
        raise ReplayError(f"the meter was not up {lead_s} s after its start, when the trace began", 1)
    state = read_ledger(plant.fram)
    wanted = oracle.books(trace, (settings, tariff_doc, later), plant.house.log_contact, reads_us, zero_us)
    rates = wanted.prices.names
    trace_wh = Fraction(trace.energy_mws(), 3_600_000)
    free = _of_statuses(statuses, "heap_free_min=")
    return {
        "interpreter": name,
        "heap_bytes": heap_bytes,
        "heap_free_min": min(free) if free else None,
        "heap_free_by_hour": _of_statuses(statuses, "heap_free="),
        "seconds_simulated": run_s,
        "seconds_real": round(real_s, 1),
        "rows": len(trace.rows),
        "holes": len(trace.holes),
        "ticks": sum(us >= zero_us for us in reads_us),  # how soon the meter was up is no matter of the trace
        "trace_wh": float(trace_wh),
        "trace_wh_exact": str(trace_wh),
        "trace_counts": trace.energy_mws() * 1_000_000 // oracle.COUNT_NJ,
        "metered_counts": state.import_counts,
        "metered_uwh": state.import_counts * 3125,
        "by_rate_uwh": {rate: state.rate_counts[n] * 3125 for n, rate in enumerate(rates)},
        "oracle_by_rate_uwh": {rate: wanted.rate_counts[n] * 3125 for n, rate in enumerate(rates)},
        "cost_micro": credit - state.credit_micro,
        "credit_micro": state.credit_micro,
        "charges_micro": state.charges_micro,
        "oracle_cost_micro": wanted.spent,
        "overdraft_uwh": state.overdraft_counts * 3125,
        "trips": [
            {"time": (_EPOCH + timedelta(seconds=e.utc_s)).isoformat(), "reason": _reason(e.value)}
            for e in read_events(plant.fram)
            if e.code == 16
        ],
        "differences": oracle.differences(wanted, state),
    }


def _run_process(plant, arch, heap, run_s, statuses) -> int:
    """On MicroPython. Return the bytes of its heap."""
    with MeterProcess(plant, arch, heap) as meter:
        meter.on_line = lambda line: statuses.append(line) if line.startswith(("STATUS", "BENCH")) else None
        try:
            meter.plug_in()
            meter.run_s(run_s)
            meter.pull_plug()
        except MeterDied as e:
            raise ReplayError(f"the meter's program ended by itself ({e}); is its heap too small?", 1) from None
        if meter.restarts:
            raise ReplayError(f"the meter restarted {meter.restarts} times, so there is nothing to compare", 1)
        return int(meter.heap.rstrip("k")) * 1024


def _reason(claims: int) -> str:
    return " + ".join(text for bit, text in _REASONS.items() if claims & bit)


def _number(read, name, text, *limits):
    """An option by scripts.common's strict rules."""
    try:
        return read(text, *limits)
    except ValueError as e:
        raise ReplayError(f"{name}={text}: it {e}.") from None


def _checked_tariff(path: str) -> dict:
    """A tariff that the meter would take, by its own checks."""
    from meter.core.errors import ConfigError
    from meter.documents import parse

    doc = read_json(path)
    try:
        parse.tariff(doc)
    except ConfigError as e:
        raise InputError(path, f"the meter refuses it: {e}") from None
    return doc


def _documents(tariff, later):
    doc = _checked_tariff(tariff) if tariff else documents.tariff()
    if not later:
        if "from" in doc:
            _say(f'{tariff}: "from" counts for LATER= only; this tariff holds from the beginning.')
        return doc, None
    after = _checked_tariff(later)
    if "from" not in after:
        raise InputError(later, 'it has no "from", the local time at which it takes the place of the tariff')
    if after["currency"] != doc["currency"]:
        raise InputError(later, f"its currency is {after['currency']}, and that of the tariff is {doc['currency']}")
    return doc, after


def _checked_arch(arch, heap, profile):
    if arch not in ("i386", "amd64", "cpython"):
        raise ReplayError(f"ARCH={arch}: i386, amd64 or cpython is expected.")
    if heap and arch == "cpython":
        raise ReplayError("--heap is for i386 and amd64; CPython has no heap to choose.")
    if profile != Profile.STOCK and arch == "cpython":
        raise ReplayError("PROFILE=place is for i386 and amd64: CPython runs the sources as they are.")
    if heap and not re.fullmatch("[1-9][0-9]{1,4}k", heap):
        raise ReplayError(f"--heap {heap}: KiB like 112k are expected.")
    if arch != "cpython":
        try:
            interpreter(arch)
        except FileNotFoundError as e:
            raise ReplayError(f"{e}, or say ARCH=cpython.") from None


@refusals("replay", ReplayError)
def main(
    trace: Annotated[str, typer.Argument(help="CSV: local_time,active_kw,reactive_kvar,voltage_v,current_a")],
    credit: Annotated[str, typer.Option(help="Credit at the start, e.g. 25.00 (default: enough for the trace)")] = "",
    tariff: Annotated[str, typer.Option(help="Tariff document, JSON (default: four rates)")] = "",
    later: Annotated[str, typer.Option(help='A tariff that takes its place at its "from"')] = "",
    billing_day: Annotated[str, typer.Option(help="Day on which a month of steps begins, 1 to 28")] = "1",
    arch: Annotated[str, typer.Option(help="i386 (as on an ESP32), amd64, or cpython (in this process)")] = "i386",
    heap: Annotated[str, typer.Option(help="MicroPython's heap (default: 112k on i386)")] = "",
    profile: Annotated[Profile, typer.Option(help="How MicroPython is built")] = Profile.STOCK,
    rows: Annotated[str, typer.Option(help="Replay only the first rows (0 = all)")] = "0",
    quiet: Annotated[bool, typer.Option(help="No progress bar")] = False,
):
    """Replay a trace; the last line printed is one JSON object.

    Ends with 0 when the meter's books are the oracle's to the last count and millionth; with 1 when they are not, each
    difference told, or when the meter did not run through; with 2 when something given is refused.
    """
    _checked_arch(arch, heap, profile)
    first = _number(integer, "--rows ", rows, 0, 10**9)
    month_day = _number(integer, "BILLING_DAY", billing_day, 1, 28)
    amount = _number(decimal, "CREDIT", credit, 6, 0, most_credit()) if credit else None
    doc, after = _documents(tariff, later)
    data = traces.read(trace)
    if first:
        data = data.first(first)
    for line, step in data.holes:
        _say(f"{trace}, line {line}: {step} s after the row before it; that row is held")
    if amount is None and _default_credit(data, (doc, after)) > most_credit():
        _say(f"this trace may cost more than the {most_credit() // 1_000_000} a meter can begin with")
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn(),
        console=_log, disable=quiet,
    )  # fmt: skip
    with bar:
        task = bar.add_task(f"replay on {arch}", total=data.end_s - data.start_s)
        result = run(
            data, doc, amount, arch, heap or None, lambda s: bar.update(task, completed=s), after, month_day, profile
        )
        bar.update(task, completed=data.end_s - data.start_s)
    print(json.dumps(result))
    for text in result["differences"]:
        _say(text)
    if result["differences"]:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
