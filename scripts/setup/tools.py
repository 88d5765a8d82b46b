#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make build/venv with every pinned Python tool, and build/typings with the ESP32 stubs.

pip takes the packages from the index this machine is configured for; requirements.txt pins every one by hash.
Runs before anything is installed: standard library only. A second run finds the result and does nothing.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .common import ROOT, SetupError, alone, guarded, run, say

BUILD = ROOT / "build"
LOCKS = ROOT / "scripts" / "lock"
OLDEST = (3, 11)
HALF = ".installing"  # in the environment while pip writes to it
PIP_TOOLS = "pip-tools==7.6.2"
ONLY_WHEELS = ("--only-binary", ":all:")  # nothing is compiled, and no set-up code of a package runs
NO_NETWORK = (
    "NewConnectionError",
    "Name or service not known",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "Connection refused",
    "ProxyError",
    "timed out",
)
HEADER = "# Made by `make lock` from {source}; resolves on Python 3.11 to 3.13. Do not edit.\n"


def tell(text: str) -> None:
    say("tools", text)


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def up_to_date(stamp: Path, want: str) -> bool:
    """Whether a step was finished, from the same input."""
    try:
        return stamp.read_text() == want
    except OSError:
        return False


def pip(python: Path, *args, log: Path) -> None:
    """Run pip; what it says goes to the log, and why it failed into the exception."""
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONNOUSERSITE": "1"}
    command = [str(python), "-m", "pip", *map(str, args)]
    with open(log, "w") as f:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, env=env, cwd=ROOT
        )
    if done.returncode:
        raise SetupError(
            f"{pip_reason(log.read_text(errors='replace'))} (all pip said: {log.relative_to(ROOT)})"
        )


def pip_reason(said: str) -> str:
    """pip's output as one sentence."""
    if any(sign in said for sign in NO_NETWORK):
        return "no Python package index answers: check the network, or pip's configuration"
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in said:
        return (
            "a Python package differs from the one pinned by hash in requirements.txt: nothing was installed"
        )
    if "No space left on device" in said:
        return "the disk is full"
    errors = [line[7:] for line in said.splitlines() if line.startswith("ERROR: ")]
    return f"pip failed: {errors[0] if errors else 'no reason given'}"


def make_venv(venv: Path) -> Path:
    """The environment's python. One that no longer runs, or that pip was stopped in, is made again."""
    python = venv / "bin" / "python"
    if not (venv / HALF).exists() and run([python, "-m", "pip", "--version"]).returncode == 0:
        return python
    done = run([sys.executable, "-m", "venv", "--clear", venv])
    if done.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        said = done.stdout + done.stderr
        if "ensurepip" in said or "No module named venv" in said:
            raise SetupError(
                f"{sys.executable} cannot make virtual environments: install the package python3-venv."
            )
        raise SetupError(f"no virtual environment could be made: {(said.strip().splitlines() or ['?'])[-1]}")
    return python


def setup_tools(build: Path = BUILD) -> None:
    """build/venv with requirements.txt, build/typings with the stubs."""
    locked, typings = ROOT / "requirements.txt", LOCKS / "typings.txt"
    want, want_typings = digest(locked.read_bytes()), digest(typings.read_bytes())
    venv, stubs = build / "venv", build / "typings"

    def tools_ready():  # an upgrade of the machine can take away the Python an environment was made with
        runs = os.access(venv / "bin/python", os.X_OK) and not (venv / HALF).exists()
        return runs and up_to_date(venv / ".ready", want)

    def stubs_ready():
        return up_to_date(stubs / ".ready", want_typings)

    if tools_ready() and stubs_ready():
        return
    with alone(venv, "tools"):
        if not tools_ready():
            started = time.monotonic()
            python = make_venv(venv)
            count = len(re.findall(r"^[a-z0-9]", locked.read_text(), re.M))
            tell(f"installing {count} pinned packages into {venv.relative_to(ROOT)} (about a minute)")
            log = build / "log/pip.log"
            (venv / HALF).touch()
            try:
                install(python, locked, log, *ONLY_WHEELS)
            except SetupError:
                if "Installing collected packages" not in log.read_text(errors="replace"):
                    (venv / HALF).unlink()  # it failed before it changed anything
                raise
            (venv / HALF).unlink()
            (venv / ".ready").write_text(want)
            tell(f"ready after {time.monotonic() - started:.0f} s")
        if not stubs_ready():
            new = stubs.with_name("typings.new")
            shutil.rmtree(new, ignore_errors=True)
            install(
                venv / "bin/python", typings, build / "log/pip-typings.log", *ONLY_WHEELS, "--target", new
            )
            (new / ".ready").write_text(want_typings)
            shutil.rmtree(stubs, ignore_errors=True)
            new.rename(stubs)


def install(python: Path, locked: Path, log: Path, *options) -> None:
    pip(python, "install", "--require-hashes", "--no-deps", *options, "-r", locked, log=log)


def setup_device(build: Path = BUILD) -> None:
    """esptool and mpremote, into the same environment."""
    setup_tools(build)
    locked, stamp = LOCKS / "device.txt", build / "venv" / ".ready-device"
    want = digest((build / "venv" / ".ready").read_bytes(), locked.read_bytes())
    if up_to_date(stamp, want):
        return
    with alone(build / "venv", "tools"):
        tell("installing esptool and mpremote")
        install(build / "venv/bin/python", locked, build / "log/pip-device.log")
        stamp.write_text(want)


def lock() -> None:
    """Pin again: newest releases that fit the .in files, unless the .txt files hold them already."""
    pairs = [(ROOT / "requirements.in", ROOT / "requirements.txt")]
    pairs += [(path, path.with_suffix(".txt")) for path in sorted(LOCKS.glob("*.in"))]
    with tempfile.TemporaryDirectory(prefix="pennywatt-lock-") as tmp:
        python = make_venv(Path(tmp) / "venv")
        pip(python, "install", PIP_TOOLS, log=BUILD / "log" / "pip-lock.log")
        for source, target in pairs:
            tell(f"pinning {target.relative_to(ROOT)}")
            command = [
                python, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--strip-extras",
                "--no-header", "--allow-unsafe", "--no-annotate", "--no-emit-options", "--no-emit-index-url",
                "--no-emit-find-links", "--no-emit-trusted-host", "--output-file", target.name, source.name,
            ]  # fmt: skip
            done = run(command, cwd=source.parent)
            if done.returncode:
                raise SetupError(
                    f"{source.name} cannot be resolved: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
                )
            target.write_text(HEADER.format(source=source.name) + target.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts.setup.tools", description="Install the pinned Python tools into build/venv."
    )
    parser.add_argument("--device", action="store_true", help="also esptool and mpremote, for a real board")
    parser.add_argument("--lock", action="store_true", help="pin newer versions: requirements.in, scripts/lock/*.in")
    args = parser.parse_args()
    if sys.version_info < OLDEST:
        tell(f"Python 3.11 or newer is needed, and this is {sys.version.split()[0]}: say PYTHON=path")
        return 1
    return guarded("tools", lock if args.lock else setup_device if args.device else setup_tools)


if __name__ == "__main__":
    sys.exit(main())
