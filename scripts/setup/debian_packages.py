# SPDX-License-Identifier: Apache-2.0
"""Unpack Debian packages of any release and architecture into a folder: no root, signatures checked.

apt-get does the work in folders of its own. Which mirror: the one this machine uses already. Ubuntu has no
MicroPython for i386 (and too old a one for amd64 in 24.04): there, Debian's mirror and keyring are read
from Ubuntu's own packages python-apt-common and debian-archive-keyring, which Ubuntu's signatures cover.
"""

import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from .common import SetupError, run, say

KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")


def debian_mirrors(targets: str) -> list[str]:
    """Mirrors of Debian itself among what `apt-get indextargets` prints, in order, each once.

    /debian.list is a list of mirrors kept on the machine, as Debian's cloud images have it.
    """
    found = [line.strip().rstrip("/") for line in targets.splitlines()]
    return list(dict.fromkeys(uri for uri in found if uri.endswith(("/debian", "/debian.list"))))


def machine_mirrors() -> list[str]:
    return debian_mirrors(run(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).stdout)


def described_mirrors(folder: Path) -> list[str]:
    """Mirrors that python-apt's description of Debian names. Plain http serves too: signatures protect."""
    info = folder / "usr/share/python-apt/templates/Debian.info"
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return []
    uris = debian_mirrors("\n".join(line.split(None, 1)[1] for line in lines if line.startswith("BaseURI: ")))
    return [each for uri in uris for each in (uri, uri.replace("https:", "http:", 1))]


def find_keyring(folder: Path) -> Path | None:
    return next((p for p in (folder / "usr/share/keyrings" / name for name in KEYRINGS) if p.exists()), None)


class Apt:
    """apt-get on folders of its own: no root, no hooks, nothing of the machine's state is touched.

    How to fetch (proxy, certificates, credentials) is still the machine's configuration.
    """

    def __init__(self, folder: Path, sources: str | None, arches: list[str]):
        self.folder = folder
        for sub in ("state/lists/partial", "cache/archives/partial", "preferences.d", "debs"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        settings = [
            ("Dir::State", folder / "state"),
            ("Dir::State::status", folder / "status"),
            ("Dir::Cache", folder / "cache"),
            ("Dir::Log", folder),
            ("Dir::Etc::parts", "/dev/null"),
            ("Dir::Etc::main", "/dev/null"),
            ("Dir::Etc::preferences", "/dev/null"),
            ("Dir::Etc::preferencesparts", folder / "preferences.d"),
            ("APT::Architecture", "amd64"),
            *[("APT::Architectures::", arch) for arch in arches],
            ("APT::Update::Error-Mode", "any"),
            ("Acquire::Languages", "none"),
            ("Acquire::PDiffs", "false"),
            ("Acquire::Retries", "2"),
            ("Acquire::http::Timeout", "30"),
            ("Acquire::https::Timeout", "30"),
            ("Acquire::AllowInsecureRepositories", "false"),
            ("Acquire::AllowWeakRepositories", "false"),
        ]
        if os.geteuid() == 0:  # the helper user apt drops to cannot read a checkout under /root
            settings.append(("APT::Sandbox::User", "root"))
        if sources is not None:
            (folder / "sources.list").write_text(sources)
            settings += [
                ("Dir::Etc::sourcelist", folder / "sources.list"),
                ("Dir::Etc::sourceparts", "/dev/null"),
            ]
        machine = run(["apt-config", "dump", "Acquire"]).stdout
        text = machine + "".join(f'{key} "{value}";\n' for key, value in settings)
        (folder / "apt.conf").write_text(text)
        self.env = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}

    def update(self) -> str:
        """Empty when all lists were read and their signatures held; else what apt said."""
        return self._failure(run(["apt-get", "update"], env=self.env))

    def download(self, packages: list[str], into: Path) -> str:
        before = set((self.folder / "debs").iterdir())
        failure = self._failure(
            run(["apt-get", "download", *packages], env=self.env, cwd=self.folder / "debs")
        )
        for deb in sorted(set((self.folder / "debs").iterdir()) - before):
            if not failure:
                failure = self._failure(run(["dpkg-deb", "-x", str(deb), str(into)]))
        return failure

    @staticmethod
    def _failure(done: subprocess.CompletedProcess) -> str:
        if done.returncode == 0:
            return ""
        errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "Err", "dpkg"))]
        return (errors or done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0].strip()


def described_by_machine(work: Path) -> tuple[list[str], Path]:
    """Debian's mirrors and keyring on a machine that is not Debian, from its own signed packages."""
    found, extra = Path("/"), work / "extra"
    mirrors, keyring = described_mirrors(found), find_keyring(found)
    if not mirrors or keyring is None:
        say(
            "micropython",
            "this machine does not know Debian: reading its own package lists for keyring and mirror",
        )
        apt = Apt(work / "own", None, ["amd64"])
        failure = apt.update() or apt.download(["debian-archive-keyring", "python-apt-common"], extra)
        if failure:
            raise SetupError(
                "Debian's keyring and mirror are needed, and this machine's package sources do not give them "
                f"({failure}): check the network, or install debian-archive-keyring and python-apt-common."
            )
        mirrors, keyring = mirrors or described_mirrors(extra), keyring or find_keyring(extra)
    if not mirrors or keyring is None:
        raise SetupError("this machine's packages name no mirror or keyring of Debian.")
    return mirrors, keyring


def unpack(packages: tuple, suite: str, folders: dict[str, Path]) -> str:
    """Unpack the packages of a suite into folders[architecture]. Return the mirror they came from."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise SetupError(f"packages can be fetched for x86-64 Linux only, and this is {platform.machine()}.")
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise SetupError(f"there is no {missing[0]} here to fetch packages with.")
    with tempfile.TemporaryDirectory(prefix="pennywatt-apt-") as tmp:
        work = Path(tmp)
        keyring = find_keyring(Path("/"))
        chosen = os.environ.get("PENNYWATT_DEBIAN_MIRROR")
        mirrors = [chosen.rstrip("/")] if chosen else machine_mirrors()
        if not mirrors or keyring is None:
            described, keyring = described_by_machine(work)
            mirrors = mirrors or described
        elif not chosen:  # a mirror of this machine need not carry the suite
            mirrors += [uri for uri in described_mirrors(Path("/")) if uri not in mirrors]
        for n, mirror in enumerate(mirrors):
            say("micropython", f"reading the package lists of Debian {suite} from {mirror}")
            failure = _unpack_from(mirror, suite, keyring, packages, folders, work / f"debian{n}")
            if not failure:
                return mirror
        raise SetupError(
            f"Debian {suite} could not be read ({failure}): check the network, or name a mirror that carries "
            "it in PENNYWATT_DEBIAN_MIRROR."
        )


def _unpack_from(mirror, suite, keyring, packages, folders, work) -> str:
    options = f"arch={','.join(folders)} target=Packages signed-by={keyring}"
    apt = Apt(work, f"deb [{options}] {mirror} {suite} main\n", list(folders))
    failure = apt.update()
    for arch, folder in folders.items() if not failure else ():
        say("micropython", f"fetching for {arch}: {', '.join(packages)}")
        folder.mkdir(parents=True)
        failure = apt.download([f"{package}:{arch}" for package in packages], folder)
        if failure:
            shutil.rmtree(folder)
            break
    return failure
