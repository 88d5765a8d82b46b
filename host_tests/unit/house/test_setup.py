# SPDX-License-Identifier: Apache-2.0
"""Set-up on machines of all kinds: what is taken, what is fetched, and what is said when it cannot be."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from host_tests.bench.run.process import interpreter
from scripts.setup import debian_packages, micropython, tools
from scripts.setup.common import SetupError, alone, guarded

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def bits32():
    return interpreter("i386")


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """on_path(script) makes the script the only micropython on PATH, with sh and friends beside it."""

    def place(script: str | None) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for tool in ("sh", "dirname"):
            (folder / tool).symlink_to(shutil.which(tool))
        monkeypatch.setenv("PATH", str(folder))
        program = folder / "micropython"
        if script is not None:
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        return program

    return place


def answer(**changes) -> str:
    """A shell script that answers the probe as MicroPython would."""
    return "echo '" + json.dumps({"version": [1, 25, 0], "bits": 32, "mpy": 6, **changes}) + "'"


# -- which interpreter will do --------------------------------------------------------------------


def test_the_interpreter_of_the_bench_is_32_bit_and_has_all_that_is_needed(bits32):
    found = micropython.probe(bits32)
    assert found["bits"] == 32
    assert found["version"] >= [1, 24]


@pytest.mark.parametrize(
    "script, reason",
    [
        (answer(version=[1, 22, 1]), "it is 1.22.1, and 1.24 or newer is needed"),
        (answer(mpy=7), r"it loads \.mpy version 7, and 6 is needed"),
        ("echo hello", "it does not answer like MicroPython"),
        ("echo 'ImportError: no module named ffi' >&2; exit 1", "ImportError: no module named ffi"),
        ("exit 3", "it ends with status 3"),
    ],
)
def test_an_interpreter_that_will_not_do_says_why(on_path, script, reason):
    with pytest.raises(SetupError, match=reason):
        micropython.probe(on_path(script))


@pytest.mark.parametrize("bits, name", [(32, "i386"), (64, "amd64")])
def test_micropython_on_path_serves_as_what_it_is(on_path, bits, name):
    program = on_path(answer(bits=bits))
    assert [(n, f["program"]) for n, f in micropython.from_path().items()] == [(name, str(program))]


def test_an_unfit_micropython_on_path_is_named_and_left_alone(on_path, capsys):
    on_path(answer(version=[1, 20, 0]))
    assert micropython.from_path() == {}
    assert "is left alone: it is 1.20.0" in capsys.readouterr().err


def test_a_wrapper_passes_arguments_on_whatever_the_path(tmp_path):
    program = tmp_path / "it's here" / "echo all"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor a in "$@"; do echo "<$a>"; done\n')
    program.chmod(0o755)
    path = micropython.install_wrapper(tmp_path, "i386", str(program))
    done = subprocess.run([path, "a b", "$HOME"], capture_output=True, text=True, check=True)
    assert done.stdout == "<a b>\n<$HOME>\n"


# -- putting it in place --------------------------------------------------------------------------


def test_without_apt_and_without_micropython_one_sentence_says_what_to_do(on_path, tmp_path, capsys):
    on_path(None)
    target = tmp_path / "build" / "micropython"
    assert guarded("micropython", lambda: micropython.setup(target)) == 1
    said = capsys.readouterr().err
    assert "there is no apt-get here to fetch packages with" in said
    assert "Put a 32-bit `micropython` 1.24 or newer (with ffi and VfsLfs2) on PATH" in said
    assert len(said.splitlines()) == 1
    assert [p.name for p in target.parent.iterdir()] == [".micropython.lock"]


def test_a_32_bit_micropython_on_path_is_enough_where_nothing_can_be_fetched(on_path, tmp_path, capsys):
    on_path(answer())
    target = tmp_path / "build" / "micropython"
    report = micropython.setup(target)
    assert list(report["interpreters"]) == ["i386"]
    assert "going on without a 64-bit interpreter" in capsys.readouterr().err
    assert micropython.setup(target) == report  # and the second run does not try again
    assert capsys.readouterr().err == ""


def test_what_was_fetched_is_run_before_it_is_put_in_place(on_path, tmp_path, monkeypatch):
    on_path(None)
    monkeypatch.setattr(micropython, "unpack", lambda *_: "a mirror")  # gives nothing that could run
    target = tmp_path / "build" / "micropython"
    with pytest.raises(SetupError, match=r"32-bit MicroPython does not run here .* 32-bit x86 programs"):
        micropython.setup(target)
    assert [p.name for p in target.parent.iterdir()] == [".micropython.lock"]


def test_a_failure_leaves_the_interpreters_that_were_there(on_path, tmp_path):
    on_path(answer())
    target = tmp_path / "build" / "micropython"
    report = micropython.setup(target)
    shutil.rmtree(tmp_path / "bin")
    with pytest.raises(SetupError):
        micropython.setup(target, force=True)
    assert json.loads((target / "ready.json").read_text()) == report
    assert os.access(target / "micropython-i386", os.X_OK)


def test_interpreters_in_place_without_a_mark_are_tried_and_kept(tmp_path, bits32):
    target = tmp_path / "micropython"
    target.mkdir()
    try:
        bits64 = interpreter("amd64")
    except FileNotFoundError as e:
        pytest.skip(str(e))
    micropython.install_wrapper(target, "i386", str(bits32))
    micropython.install_wrapper(target, "amd64", str(bits64))
    report = micropython.setup(target)
    assert {facts["source"] for facts in report["interpreters"].values()} == {"found in place"}


@pytest.mark.parametrize("lost", ["micropython-i386", "ready.json"])
def test_a_part_that_got_lost_is_noticed(on_path, tmp_path, lost):
    on_path(answer())
    target = tmp_path / "build" / "micropython"
    report = micropython.setup(target)
    (target / lost).unlink()
    assert micropython.cached(target) is None
    assert micropython.setup(target) == report


def test_the_command_reports_in_json_at_once_when_all_is_there():
    command = [sys.executable, "-m", "scripts.setup.micropython", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["interpreters"]["i386"]["bits"] == 32
    assert json.loads(done.stdout)["seconds"] < 0.1
    assert done.stderr == ""


def test_two_set_ups_do_not_meet(tmp_path, capsys):
    inside, order = threading.Event(), []

    def second():
        inside.wait()
        with alone(tmp_path / "venv", "tools"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with alone(tmp_path / "venv", "tools"):
        inside.set()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "another set-up is at work in this checkout" in capsys.readouterr().err


# -- where Debian is ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "targets, mirrors",
    [
        ("http://a.example/debian/\nhttp://a.example/debian/\n", ["http://a.example/debian"]),
        ("http://a.example/debian-security/\nhttp://b.example/ubuntu/\n", []),
        ("mirror+file:/etc/apt/mirrors/debian.list/\n", ["mirror+file:/etc/apt/mirrors/debian.list"]),
        ("https://x.example/a/debian\nftp://y/debian\n", ["https://x.example/a/debian", "ftp://y/debian"]),
        ("", []),
    ],
)  # fmt: skip
def test_debian_is_found_among_the_sources_of_the_machine(targets, mirrors):
    assert debian_packages.debian_mirrors(targets) == mirrors


def test_elsewhere_debian_is_found_in_its_description_with_http_as_second_choice(tmp_path):
    info = tmp_path / "usr/share/python-apt/templates/Debian.info"
    info.parent.mkdir(parents=True)
    info.write_text(
        "Suite: trixie\nBaseURI: https://d.example/debian/\n\nBaseURI: https://d.example/other/\n"
    )
    found = debian_packages.described_mirrors(tmp_path)
    assert found == ["https://d.example/debian", "http://d.example/debian"]


def test_a_machine_that_describes_no_debian_has_no_mirror(tmp_path):
    assert debian_packages.described_mirrors(tmp_path) == []


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")
def test_a_mirror_without_a_signature_is_refused(tmp_path):
    release = tmp_path / "debian/dists/trixie/Release"
    release.parent.mkdir(parents=True)
    release.write_text("Suite: stable\nCodename: trixie\nComponents: main\nArchitectures: i386\n")
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    source = f"deb [arch=i386 signed-by={keyring}] file://{tmp_path}/debian trixie main\n"
    assert "is not signed" in debian_packages.Apt(tmp_path / "apt", source, ["i386"]).update()


def test_apt_runs_no_hook_of_the_machine_and_writes_only_to_its_own_folders(tmp_path):
    debian_packages.Apt(tmp_path, "", ["i386"])
    written = dict(re.findall(r'^([\w:-]+) "(.*)";$', (tmp_path / "apt.conf").read_text(), re.M))
    assert not [key for key in written if "Invoke" in key or key.startswith("DPkg")]
    assert {written[key] for key in ("Dir::State", "Dir::Cache", "Dir::Log")} == {
        str(tmp_path / "state"), str(tmp_path / "cache"), str(tmp_path),
    }  # fmt: skip
    assert written["Acquire::AllowInsecureRepositories"] == "false"


# -- the Python tools -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, sentence",
    [
        ("WARNING: Retrying ... NewConnectionError(...)\nERROR: No match", "no Python package index answers"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE FILE.", "nothing was installed"),
        ("ERROR: Could not install: OSError: [Errno 28] No space left on device", "the disk is full"),
        ("Collecting x\nERROR: x requires another Python\n", "pip failed: x requires another Python"),
        ("", "pip failed: no reason given"),
    ],
)  # fmt: skip
def test_what_pip_says_becomes_one_sentence(said, sentence):
    assert sentence in tools.pip_reason(said)


def locked(path: Path) -> dict[str, str]:
    """Package -> the rest of its entry, of a lock file."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.M)
    return dict(re.findall(r"^([a-z0-9-]+)==(.*(?:\n    .*)*)", text, re.M))


LOCKS = sorted([ROOT / "requirements.txt", *(ROOT / "scripts/lock").glob("*.txt")])


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_package_is_pinned_with_hashes_and_nothing_else_is_in_the_lock(path):
    entries = locked(path)
    assert entries
    for name, rest in entries.items():
        version, *hashes = rest.split(" \\\n    ")
        assert re.fullmatch(r"[\w.]+", version), name
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), name
    lines = path.read_text().splitlines()
    other = [line for line in lines if not re.match(r"#|    --hash|[a-z0-9-]+==", line)]
    assert other == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda p: p.name)
def test_every_package_asked_for_is_in_the_lock(path):
    asked = path.with_suffix(".in").read_text()
    wanted = re.findall(r"^([a-z0-9][a-z0-9-]*)(?:\[\w+\])?(?:==([\w.]+))?", asked, re.M)
    entries = locked(path)
    for name, version in wanted:
        assert name in entries
        assert entries[name].startswith(version), name


def test_one_package_has_one_version_in_all_locks():
    versions = {}
    for path in LOCKS:
        for name, rest in locked(path).items():
            versions.setdefault(name, set()).add(rest.split()[0])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


# -- make and pytest ------------------------------------------------------------------------------


def test_make_alone_says_what_there_is():
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    for target in ("sim", "test", "replay", "lint", "measures", "image", "clean", "help"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.M), target


def test_make_without_a_python_says_what_to_install():
    done = subprocess.run(["make", "-C", ROOT, "setup", "PYTHON=none"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "setup: Python 3.11 or newer is needed: install python3 and python3-venv" in done.stderr


SKIPPING = """
import pytest
def test_passes(): pass
@pytest.mark.skip(reason="no moon tonight")
def test_by_mark(): pass
def test_inside(): pytest.skip("no tide")
@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""


def pytest_run(tmp_path, no_skip):
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    (tmp_path / "test_whole_file.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    environment = {**os.environ, "PENNYWATT_NO_SKIP": no_skip, "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "host_tests.conftest",
        "-p",
        "no:cacheprovider",
        ".",
    ]
    command.append("--continue-on-collection-errors")
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)


def test_every_skip_is_listed_with_its_reason(tmp_path):
    done = pytest_run(tmp_path, "")
    assert done.returncode == 0
    assert "3 skipped: NOT tested here" in done.stdout
    assert "test_skipping.py::test_by_mark: no moon tonight" in done.stdout
    assert "test_skipping.py::test_inside: no tide" in done.stdout
    assert "test_whole_file.py: could not import 'no_such_module'" in done.stdout


def test_where_nothing_may_be_skipped_every_skip_fails(tmp_path):
    done = pytest_run(tmp_path, "1")
    assert done.returncode == 1
    assert "test_by_mark was skipped, and PENNYWATT_NO_SKIP is set: no moon tonight" in done.stdout
    assert "test_inside was skipped, and PENNYWATT_NO_SKIP is set: no tide" in done.stdout
    assert "test_whole_file.py was skipped, and PENNYWATT_NO_SKIP is set: could not import" in done.stdout
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in done.stdout
