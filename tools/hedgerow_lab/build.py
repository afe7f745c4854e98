"""The lab's own modules as a board of the lab gets them: compiled, and all of them as one ROM file system."""

import io
import os
import re
import tokenize
from collections.abc import Callable
from pathlib import Path

from hedgerow import errors
from hedgerow.flashing import shrink
from hedgerow.flashing.build import compile_once, made_by

TOP = Path(__file__).resolve().parents[2]
_CACHE = TOP / ".cache/mpy"
_CHILD = Path(__file__).resolve().parent / "child"
_SHOWN = {"bluetooth"}  # of the lab's own modules, what others than the firmware see: aioble
# What the lab's modules show to each other, and names that MicroPython has in its ROM, in place of those:
# one of our own stays in the heap for good, and at some 620 of them their table takes 4.5 kB more. A real
# board has none of ours.
# fmt: off
_OURS = {
    "charge": "rindex", "ms": "rsplit", "us": "lstrip",
    "costs": "log2", "connections": "isalpha", "ticks_offset": "isdigit",
    "ahead": "isupper", "rtc_start_ms": "islower", "watch": "setdefault",
    "alarm": "fromkeys", "exchange": "popitem", "_unique": "difference",
    "_cause": "intersection", "_rtc_memory": "isdisjoint", "_seed_urandom": "issubset",
    "_uv": "issuperset", "_sha256": "union", "Flash": "symmetric_difference",
    "serve": "reverse", "PROBE": "degrees", "address_type": "radians",
    "duration_ms": "splitlines", "scan_duration_ms": "copysign", "min_us": "frexp",
    "max_us": "ldexp", "window_us": "modf", "definitions": "expm1",
}
# fmt: on
_ROM_DATA, _ROM_FOLDER, _ROM_FILE = 2, 4, 5


def compiled(folder: Path, cache: Path = _CACHE) -> Path:
    """A folder with the .mpy of every module below ``folder``; names and structure stay."""
    closed = folder in (_CHILD, _CHILD / "standin")  # nobody else uses them
    paths = sorted(path for path in folder.rglob("*.py") if "standin" not in path.relative_to(folder).parts)
    names = {".".join(path.relative_to(folder).with_suffix("").parts): path for path in paths}
    sources = {name: path.read_text() for name, path in names.items()}
    renamed: Callable[[str], str] = str
    if folder == _CHILD:
        used = "\n".join(sources.values())
        if clash := [name for name in _OURS.values() if re.search(rf"\b{name}\b", used)]:
            raise errors.BuildError(name="child", reason=f"the lab uses {clash} itself")
        renamed = _short
        sources = {name: _short(source) for name, source in sources.items()}
    # Who touches private names: the firmware, what starts a board, and the tests of aioble's traps.
    around = [TOP / "firmware", _CHILD / "power.py", TOP / "tests/network/traps"]
    users = [
        renamed(path.read_text())
        for place in around
        for path in sorted({place, *place.rglob("*.py")})
        if path.is_file()
    ]

    def made() -> dict[str, str]:
        smaller = shrink.folded(sources, users, [name for name in names if closed and name not in _SHOWN])
        return {str(path.relative_to(folder)): smaller[name] for name, path in names.items()}

    return compile_once({**sources, **made_by(Path(__file__)), "users": "".join(users)}, made, cache)


def _short(source: str) -> str:
    """``source`` with _OURS by their other names; texts stay."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return tokenize.untokenize((token.type, _OURS.get(token.string, token.string)) for token in tokens)


def plain(folder: Path, renamed: dict[str, str], cache: Path = _CACHE) -> Path:
    """The same with nothing made short, for programs that nobody knows; ``renamed`` are given other names."""
    paths = sorted(path for path in folder.rglob("*.py") if "standin" not in path.relative_to(folder).parts)
    sources = {
        str(path.relative_to(folder).with_stem(renamed.get(path.stem, path.stem))): path.read_text()
        for path in paths
    }
    return compile_once({**sources, **made_by(Path(__file__))}, lambda: sources, cache)


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
