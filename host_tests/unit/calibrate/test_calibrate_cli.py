# SPDX-License-Identifier: Apache-2.0
"""`make calibrate` at the simulated part: documents, seal, exit codes; and readings of a reference."""

import contextlib
import json
import os
import pty
import threading
import tty
from pathlib import Path

import pytest
from meter.documents import calibration_doc
from meter.documents import parse as documents
from meter.drivers.atm90e32.ic import Atm90e32
from typer.testing import CliRunner

from scripts.calibrate import cli, document
from scripts.calibrate.errors import DocumentError, ReadingError
from scripts.calibrate.ic import Ic
from scripts.calibrate.reference import Lines, Point, Reading, Typed, parse, parse_line
from scripts.common import InputError

NUMBER = "PW00000001"


def run(*args, answers=None):
    return CliRunner().invoke(cli.app, [str(a) for a in args], input=answers)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "calibration.json"


@pytest.fixture
def made(file):
    assert run("run", "--meter", NUMBER, "--sim", "--out", file).exit_code == 0
    return file


def parse_as_meter(doc, scale=1):
    cfg = documents.settings({"meter_number": NUMBER, "max_a": 100 if scale == 2 else 60})
    return calibration_doc.parse(doc, cfg, Atm90e32.calibrated())


# -- the document ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phases, scale, registers", [(1, 1, 8), (3, 1, 24), (1, 2, 8), (3, 2, 24)])
def test_a_calibration_is_a_document_its_meter_takes(file, phases, scale, registers):
    done = run("run", "--meter", NUMBER, "--phases", phases, "--scale", scale, "--sim", "--out", file, "--json")
    assert done.exit_code == 0, done.output
    said, doc = json.loads(done.stdout), json.loads(file.read_text())
    table, seal = parse_as_meter(doc, scale)
    assert (len(table[0]), seal) == (registers, b"")
    assert said["registers"] == doc["registers"] and said["met"]
    assert len(said["residuals"]) == 3 * phases
    assert max(abs(r["p_error_ppm"]) for r in said["residuals"]) < 500


def test_a_document_measures_right_when_the_part_is_started_with_it(made):
    assert run("verify", made, "--sim").exit_code == 0


def test_with_words_of_another_meter_the_error_is_said_and_the_exit_code_is_1(file):
    other = file.with_name("other.json")
    assert run("run", "--meter", "OTHER", "--sim", "--out", other).exit_code == 0
    doc = json.loads(other.read_text())
    file.write_text(json.dumps(document.make(NUMBER, 1, document.words(doc))))
    done = run("verify", file, "--sim")
    assert done.exit_code == 1
    assert "MISSED" in done.stdout and "above 0.5 %" in done.stderr and "phase A: 230 V, 5 A" in done.stderr


def test_a_limit_nobody_meets(file):
    assert run("run", "--meter", NUMBER, "--sim", "--out", file, "--limit", "0.05", "--scale", 2).exit_code in (0, 1)


def test_one_phase_alone_leaves_the_others_as_they_are(file):
    run("run", "--meter", NUMBER, "--phases", 3, "--sim", "--out", file)
    before = json.loads(file.read_text())["registers"]
    run("run", "--meter", NUMBER, "--phases", 3, "--sim", "--out", file, "--only", "B", "--un", "200")
    after = json.loads(file.read_text())["registers"]
    of_b = {"43", "44", "49", "4A", "65", "66", "67", "68"}
    assert {a for a in before if before[a] != after[a]} <= of_b and set(after) == set(before)


@pytest.mark.parametrize("more", [[], ["--only", "B"]])
def test_the_document_of_another_meter_is_neither_overwritten_nor_taken_from(file, more):
    run("run", "--meter", NUMBER, "--phases", 3, "--sim", "--out", file)
    before = file.read_text()
    done = run("run", "--meter", "PW00000002", "--phases", 3, "--sim", "--out", file, *more)
    assert done.exit_code == 2 and file.read_text() == before
    assert f"meter {NUMBER}" in done.stderr and "--out" in done.stderr
    with pytest.raises(DocumentError, match="--out"):
        document.save(file, document.make("PW00000002", 1, {}))


def test_phases_of_two_scales_do_not_come_into_one_document(file):
    run("run", "--meter", NUMBER, "--phases", 3, "--sim", "--out", file)
    done = run("run", "--meter", NUMBER, "--phases", 3, "--sim", "--out", file, "--only", "B", "--scale", 2)
    assert done.exit_code == 2 and "--scale 1" in done.stderr


def test_a_document_of_another_part_is_shown_and_sealed_but_not_measured(file):
    file.write_text(json.dumps(document.make(NUMBER, 1, {0x31: 0x6800, 0x23: 1}, ic="atm90e26")))
    assert "atm90e26" in run("show", file).stdout
    for command in (["verify", file, "--sim"], ["run", "--meter", NUMBER, "--sim", "--out", file, "--only", "A"]):
        done = run(*command)
        assert done.exit_code == 2 and "atm90e32 only" in done.stderr
    assert run("seal", file).exit_code == 0
    sealed = json.loads(file.read_text())
    assert (sealed["ic"], sealed["sealed"], sealed["registers"]) == ("atm90e26", True, {"23": 1, "31": 0x6800})


def test_words_found_by_other_means_become_a_document(file):
    done = run("words", "--meter", NUMBER, "--ic", "atm90e26", "--out", file, "31=6B2A", "32=7c04", "23=FD7D", "--json")
    assert done.exit_code == 0, done.output
    made = json.loads(file.read_text())
    assert (made["ic"], made["registers"]) == ("atm90e26", {"23": 0xFD7D, "31": 0x6B2A, "32": 0x7C04})
    assert json.loads(done.stdout)["crc32"] == made["crc32"] == document.check_sum(made)


@pytest.mark.parametrize(
    "ic, text, words",
    [
        ("atm90e26", "21=0016", "registers.21"),  # pulse constant
        ("atm90e32", "31=0016", "registers.31"),
        ("ade9000", "31=0016", "atm90e26, atm90e32"),
        ("atm90e26", "31:6B2A", "31=6B2A"),
    ],
)
def test_words_no_meter_would_take_are_refused(file, ic, text, words):
    done = run("words", "--meter", NUMBER, "--ic", ic, "--out", file, text)
    assert done.exit_code == 2 and words in done.stderr and not file.exists()


def test_a_meter_that_lives_on_its_phase_leaves_the_offsets_out(file):
    assert run("run", "--meter", NUMBER, "--sim", "--out", file, "--no-offsets").exit_code in (0, 1)
    assert {"63", "64"}.isdisjoint(json.loads(file.read_text())["registers"])


def test_what_is_shown_are_registers_by_name(made):
    said = run("show", made).stdout
    assert "voltage gain A" in said and "not sealed" in said


# -- the seal ----------------------------------------------------------------------------------------


def test_a_sealed_document_is_not_overwritten(made):
    assert run("seal", made).exit_code == 0
    doc = made.read_text()
    for command in (["run", "--meter", NUMBER, "--sim", "--out", made], ["seal", made]):
        done = run(*command)
        assert done.exit_code == 2 and "sealed" in done.stderr
    assert made.read_text() == doc
    assert len(parse_as_meter(json.loads(doc))[1]) == 32


def test_a_sealed_document_is_not_overwritten_by_the_library_either(made):
    run("seal", made)
    with pytest.raises(DocumentError, match="FRAM"):
        document.save(made, document.make(NUMBER, 1, {}))


def test_a_file_that_may_be_a_sealed_document_is_not_overwritten(file):
    file.write_text("{")
    done = run("run", "--meter", NUMBER, "--sim", "--out", file)
    assert done.exit_code == 2 and file.read_text() == "{"


@pytest.mark.parametrize(
    "change, words",
    [({"crc32": "00000000"}, "crc32"), ({"ic": "x"}, "ic"), ({"registers": {"31": 1}}, "registers.31")],
)
def test_a_document_its_meter_would_refuse_is_refused(made, change, words):
    made.write_text(json.dumps(json.loads(made.read_text()) | change))
    done = run("show", made)
    assert done.exit_code == 2 and words in done.stderr


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args, words",
    [
        (["--sim", "--phases", 2], "--phases 3"),
        (["--sim", "--hz", 55], "--hz 50"),
        (["--sim", "--only", "B"], "Say one of A"),
        (["--sim", "--port", "/dev/x"], "--sim"),
        ([], "--port"),
        (["--sim", "--upload"], "--upload"),
        (["--port", "/dev/x", "--board", "nowhere"], "esp32_devkit"),
        (["--sim", "--board", "nowhere"], "--board"),
        (["--sim", "--reference", "230 V 5 A"], "--reference"),
        (["--sim", "--reader", "log"], "--reader"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(file, args, words):
    done = run("run", "--meter", NUMBER, "--out", file, *args, "--json")
    assert done.exit_code == 2
    assert words in done.stderr and words in json.loads(done.stdout)["error"]


def test_the_check_at_the_simulated_house_finds_its_turned_transformer():
    done = run("check", "--sim", "--wiring", "3P4W", "--json")
    assert done.exit_code == 1
    assert [(f["code"], f["phase"]) for f in json.loads(done.stdout)] == [("turned", "A")]
    assert "swap its two wires" in run("check", "--sim").stdout
    assert run("check", "--sim", "--wiring", "2P").exit_code == 2


def test_upload_with_a_simulated_part_is_refused_before_anything_is_written(file):
    assert run("run", "--meter", NUMBER, "--out", file, "--sim", "--upload").exit_code == 2
    assert not file.exists()


def test_a_place_where_no_document_can_be_written_is_found_before_calibrating(tmp_path):
    done = run("run", "--meter", NUMBER, "--sim", "--out", tmp_path / "no" / "c.json")
    assert done.exit_code == 2 and "Calibrating" not in done.stderr and "cannot be written" in done.stderr


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["31=6B2A", "31=0001"], "Register 31 is given twice"),
        (["3a=6B2A", "3A=6B2A"], "Register 3A is given twice"),
        (["31=6B2A", "--ic", "\udcff"], "There is no IC"),
        (["31=6B2A", "--meter", "\udcff"], "no meter's number"),
        (["31=6B2A", "--meter", "pw1"], "no meter's number"),
        (["\udcff"], "no register and word"),
    ],
)
def test_words_that_are_none_or_given_twice_are_refused(file, args, why):
    more = [] if "--meter" in args else ["--meter", NUMBER]
    more += [] if "--ic" in args else ["--ic", "atm90e26"]
    done = run("words", *args, *more, "--out", file)
    assert done.exit_code == 2 and why in done.stderr and not file.exists()


@pytest.mark.parametrize("neutral", ["inf", "nan", "1e999", "-2"])
def test_a_current_that_is_none_is_refused(neutral):
    assert run("check", "--sim", "--neutral", neutral).exit_code == 2


# -- the reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, pf, reading",
    [
        ("230.12 V 5.003 A", 1000, Reading(230_120_000, 5_003_000, 1_151_290_360)),
        ("230V 5A", 500, Reading(230_000_000, 5_000_000, 575_000_000)),
        ("5 A, 230 v, PF 0.5", 1000, Reading(230_000_000, 5_000_000, 575_000_000)),
        ("230 V 5 A 574.9 W", 500, Reading(230_000_000, 5_000_000, 574_900_000)),
    ],
)
def test_typed_readings(text, pf, reading):
    assert parse(text, pf) == reading


@pytest.mark.parametrize("text", ["", "230 V", "230,1 V 5 A", "230 kV 5 A", "1.2.3 V 5 A", "nan V 5 A",
                                  "2300 V 5 A", "230 V 5000 A", "230 V 5 A PF 2", "230 V -5 A", "230 V 5 A 1e999999 W",
                                  "\u0661\u0662 V 5 A"])  # fmt: skip
def test_what_is_no_reading_is_refused_with_an_example(text):
    with pytest.raises(ReadingError, match=r"230\.12 V 5\.003 A"):
        parse(text)


def test_a_line_of_a_reference_meter():
    assert parse_line("230.12 5.003 1151.3 1.000\r") == Reading(230_120_000, 5_003_000, 1_151_300_000)
    with pytest.raises(ReadingError):
        parse_line("230.12 5.003")


def test_the_last_line_of_a_file_counts(tmp_path):
    (tmp_path / "log").write_text("1 1 1 1\n230 5 575 0.5\n")
    asked = []
    assert Lines(tmp_path / "log", asked.append).at(Point(1, 230_000, 5_000, 500)).p_uw == 575_000_000
    assert asked == ["Set phase B: 230 V, 5 A, PF 0.5 lagging. Then press Enter"]


@pytest.mark.parametrize("line", ["230 5 575", "2300 5 575 0.5", "230 5 1e999999 1", "230 5 575 1_0", "230 5 575 2"])
def test_a_line_of_a_file_that_is_no_reading_is_refused_by_its_number(tmp_path, line):
    (tmp_path / "log").write_text(f"230 5 575 0.5\n{line}\n\n")
    with pytest.raises(ReadingError, match="log, line 2: "):
        Lines(tmp_path / "log", lambda text: "").at(Point(1, 230_000, 5_000, 500))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\n", "230 5 575 1\n".encode("utf-16"), b"230 5 575 1\0\n"])
def test_a_file_that_is_no_reference_meters_is_refused_by_its_name(tmp_path, content):
    (tmp_path / "log").write_bytes(content)
    with pytest.raises((InputError, ReadingError), match="log"):
        Lines(tmp_path / "log", lambda text: "").at(Point(0, 1, 1))


def test_a_reference_that_writes_exponents_is_read(tmp_path):
    (tmp_path / "log").write_text("+2.3E+02 5 1.15e3 1.")
    assert Lines(tmp_path / "log", lambda text: "").at(Point(0, 1, 1)) == Reading(230_000_000, 5_000_000, 1_150_000_000)


def test_what_sends_no_lines_is_not_read_for_ever():
    with pytest.raises(ReadingError, match="are no lines"):
        Lines(Path("/dev/zero"), lambda text: "").at(Point(0, 1, 1))


def test_of_a_port_the_first_whole_line_counts():
    master, slave = pty.openpty()
    tty.setraw(slave)
    threading.Timer(0.1, lambda: os.write(master, b"9 9\n230 5 1150 1\n")).start()
    try:
        assert Lines(os.ttyname(slave), lambda text: "").at(Point(0, 230_000, 5_000)).u_uv == 230_000_000
    finally:
        os.close(master)
        os.close(slave)


def test_a_reference_that_is_silent_or_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.calibrate.reference._LINE_S", 0.1)
    master, slave = pty.openpty()
    with pytest.raises(ReadingError, match="no line"):
        Lines(os.ttyname(slave), lambda text: "").at(Point(0, 1, 1))
    os.close(master)
    os.close(slave)
    with pytest.raises(ReadingError, match="cannot be read"):
        Lines(tmp_path / "nothing", lambda text: "").at(Point(0, 1, 1))


def test_a_typed_reference_asks_for_each_point_and_for_none_at_no_load():
    asked = []

    def ask(question):
        asked.append(question)
        return "229.5 V 4.99 A"

    typed = Typed(ask)
    assert typed.at(Point(0, 230_000, 5_000)).u_uv == 229_500_000
    assert typed.at(Point(0, 0, 0)) == Reading(0, 0, 0)
    assert "What does the reference show" in asked[0] and "press Enter" in asked[1]


STEPS = [(0, 0, 1000), (230_000, 5_000, 1000), (230_000, 0, 1000), (230_000, 5_000, 1000), (230_000, 5_000, 500)]
LOOKS = [(230_000, 5_000, 1000), (230_000, 5_000, 500), (230_000, 500, 1000)]


@pytest.fixture
def set_by_hand(monkeypatch):
    """set_by_hand(points): a link that is no source. When something is asked, the bench beside it is set to the next
    of them, and its reading is the answer. Return those left."""
    from scripts.calibrate import options
    from scripts.calibrate.sim import SimLink

    class Apart:
        def __init__(self, sim):
            self.read, self.write, self.wait, self.close = sim.read, sim.write, sim.wait, sim.close

    def start(points):
        sim, left = SimLink(NUMBER), list(points)

        def prompt(question, **_):
            u_mv, i_ma, pf = left.pop(0)
            sim.at(Point(0, u_mv, i_ma, pf))
            return f"{u_mv / 1000} V {i_ma / 1000} A"

        monkeypatch.setattr(options, "opened", lambda *_: contextlib.nullcontext(Apart(sim)))
        monkeypatch.setattr(options.typer, "prompt", prompt)
        return left

    return start


def test_a_whole_calibration_by_typed_answers(file, set_by_hand):
    left = set_by_hand(STEPS + LOOKS)
    done = run("run", "--meter", NUMBER, "--port", "x", "--out", file)
    assert done.exit_code == 0, done.output
    assert not left


def test_with_one_reference_for_all_the_point_at_another_current_is_left_out_and_said(file, set_by_hand):
    left = set_by_hand(STEPS + LOOKS[:2])
    done = run("run", "--meter", NUMBER, "--port", "x", "--out", file, "--reference", "230 V 5 A")
    assert done.exit_code == 0, done.output
    assert not left
    assert "0.5 A" in done.stdout and "not measured" in " ".join(done.stdout.split())
    set_by_hand(STEPS + LOOKS[:2])
    done = run("run", "--meter", NUMBER, "--port", "x", "--out", file, "--reference", "230 V 5 A", "--json")
    said = json.loads(done.stdout)
    assert said["met"] and [r["p_error_ppm"] is None for r in said["residuals"]] == [False, False, True]


@pytest.mark.parametrize("text", ["230 V 5 A 1150 W", "230 V 5 A PF 1"])
def test_one_reference_for_all_cannot_say_what_differs_between_points(file, set_by_hand, text):
    set_by_hand([])
    done = run("run", "--meter", NUMBER, "--port", "x", "--out", file, "--reference", text)
    assert done.exit_code == 2 and "--reference" in done.stderr


def test_a_part_that_does_not_answer_is_said(monkeypatch):
    from scripts.calibrate.errors import LinkError
    from scripts.calibrate.sim import SimLink

    sim = SimLink()
    sim.chip.absent = True
    with pytest.raises(LinkError, match="chip select"):
        Ic(sim, 1, 1).configure()
