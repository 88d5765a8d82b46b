# SPDX-License-Identifier: Apache-2.0
"""Settings or a tariff that change.py has checked: stored in place of those before, and in force. Loaded for that."""

from meter import heap
from meter.commands import results
from meter.core import codes
from meter.core.errors import StorageError
from meter.documents import files


def put(books, by: int, root: str, new: tuple, stopped: bool, sound: tuple) -> int:
    """Return DONE, WITH_START or LATER (results.py). Raise StorageError.

    new: settings, and the tariff or None, when it is the settings that change. stopped: was the document there put
    aside? sound: may the document there be kept as the one before, and may the tariff that had been waiting?
    """
    cfg, tariff = new
    if tariff:
        late = _make_way(books, root, stopped, sound)
        if tariff.from_minute and not books.is_past(tariff.from_minute):
            files.put_aside(root, files.TARIFF, files.LATER)
            books.put_in_force(cfg, books.tariff, tariff)
            return results.LATER
        files.replace(root, files.TARIFF, sound[late])
    else:
        _pass_days(books)
        files.replace(root, files.SETTINGS, sound[0])
    if stopped:
        _forget(root, files.TARIFF if tariff else files.SETTINGS)
    before = books.cfg
    later = books.later
    # What parts were started with: until they are started again, all else keeps to it, too.
    same = (
        cfg.phases == before.phases
        and cfg.three_wire == before.three_wire
        and cfg.current_scale == before.current_scale
        and cfg.u_input_v == before.u_input_v
        and cfg.hz == before.hz
        and cfg.pulse_constant == before.pulse_constant
        and cfg.relay_pulse_ms == before.relay_pulse_ms
        and cfg.provisioned == before.provisioned
        and cfg.meter_number == before.meter_number
    )
    cfg.phases = before.phases
    cfg.three_wire = before.three_wire
    cfg.current_scale = before.current_scale
    cfg.u_input_v = before.u_input_v
    books.put_in_force(cfg, tariff or books.tariff, later)
    books.log(codes.LOG_TARIFF_CHANGED if tariff else codes.LOG_SETTINGS_CHANGED, by)
    books.fault(codes.FAULT_TARIFF if tariff else codes.FAULT_SETTINGS, False)
    return results.DONE if same else results.WITH_START


def _make_way(books, root, stopped, sound):
    """Return 1 when the tariff that had been waiting is now the one there, else 0."""
    late = 0
    if files.check_sum(root, files.LATER)[0]:
        if stopped:
            files.set_aside(root, files.LATER)
        elif books.later is None:
            # The one that had been waiting is in force: it takes its place, so that the new one can take it over.
            files.replace(root, files.TARIFF, sound[0], files.LATER)
            books.tariff.before = ()  # no start finds that one any more
            late = 1
    _pass_days(books)
    return late


def _pass_days(books):
    """Without a clock: the days that have passed are charged by the tariff before."""
    if books.utc_s is None:
        heap.borrow("day")
        try:
            from meter.books import day

            day.passed(books)
        finally:
            heap.give_back("day")


def _forget(root, name):
    """Another document has come in place of the one that was put aside."""
    heap.borrow("aside")
    try:
        from meter.documents import aside

        try:
            aside.forget(root, name)
        except OSError:
            raise StorageError(0, "the file system does not take " + aside.NAME)
    finally:
        heap.give_back("aside")
