# SPDX-License-Identifier: Apache-2.0
"""What a page in Markdown names: links, code, commands, paths. For the tests of all of them."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ENDINGS = ("csv", "html", "in", "js", "json", "md", "png", "py", "sh", "svg", "toml", "txt")
# From where a path may be named: the repository, the document's folder, and what these floors call their rooms.
BASES = ("", "firmware", "firmware/meter", "host_tests", "boards", "scripts")


@cache
def pages() -> tuple[Path, ...]:
    """Every *.md that is tracked, or would be."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    names = [name for name in said.stdout.split("\0") if name]
    found = [ROOT / name for name in names] or list(ROOT.rglob("*.md"))
    return tuple(sorted(p for p in found if p.is_file() and p.relative_to(ROOT).parts[0] != "build"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def spans(text: str) -> list[str]:
    """What stands in backticks; one that goes over the end of a line is one."""
    return [re.sub(r"\s*\n\s*", " ", span) for span in re.findall(r"`([^`]+)`", prose(text))]


def shell(text: str) -> list[str]:
    """The lines of its shell blocks, without what follows #."""
    lines = "".join(blocks("sh", text)).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines) if line]


def links(text: str) -> list[tuple[str, str]]:
    """(label, target) of every link and picture that stays in the repository."""
    found = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", prose(text))
    return [(label, target) for label, target in found if "://" not in target]


def anchors(text: str) -> set[str]:
    """What a link may name after #: GitHub's form of each heading."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.M)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def paths(text: str) -> set[str]:
    """Words of the code that are paths: with a slash, or a file name with a known ending."""
    words = {word.strip("\"',;") for span in [*spans(text), *shell(text)] for word in re.split(r"[\s=]+", span)}
    shaped = re.compile(rf"[\w.-]+(?:/[\w.-]+)+/?|[\w.-]+/|[\w-]+\.(?:{'|'.join(ENDINGS)})")
    return {word for word in words if shaped.fullmatch(word)}


def made(text: str) -> list[str]:
    """Every command of make that is named, in blocks and in the text; MicroPython's own (make -C) are not ours."""
    named = [*shell(text), *spans(text)]
    return [line for line in named if line.startswith("make ") and not line.startswith("make -C")]


@cache
def asked_of_make(line: str) -> tuple[tuple[str, ...], ...]:
    """What make would run for it, after set-up: (module, word, ...) of each. Raise ValueError as make would."""
    words = [word.replace(" …", "") for word in shlex.split(line)[1:] if word != "…"]
    ran = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if ran.returncode:
        raise ValueError(ran.stderr.strip())
    text = ran.stdout.replace("\\\n", " ")
    found = re.findall(r"^(?:PYTHONPATH=\S+ )?build/venv/bin/python -m (?!pytest|ruff|pyright)(.+)$", text, re.M)
    return tuple(tuple(shlex.split(each)) for each in found)


def variables(target: str) -> set[str]:
    """The variables that make's recipe of a target looks at."""
    text = (ROOT / "Makefile").read_text()
    recipe = re.search(rf"^{target}:.*\n((?:[\t ].*\n|\n)*)", text, re.M)
    if not recipe:
        raise ValueError(f"there is no target {target}")
    names = set(re.findall(r"\$\((?:if \$\(|or \$\()?([A-Z_]+)\)", recipe[1]))
    for name in set(names):
        inner = re.search(rf"^{name} *[:?]?= (.*)$", text, re.M)
        names |= set(re.findall(r"\$\((?:if \$\()?([A-Z_]+)\)", inner[1])) if inner else set()
    return names
