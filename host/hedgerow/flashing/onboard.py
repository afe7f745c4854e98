"""What mpremote does for us on a board that runs MicroPython: look, copy, compare, restart."""

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hedgerow.flashing import errors, limits, parts, ports, tool
from hedgerow.flashing.ports import Port

_BLOCK_BYTES = 4096
_SPARE_BLOCKS = 8  # folders, and what littlefs needs to write anew
_TRIES = 2
_RESET_S = 0.5
_COPIED = re.compile(r"cp .+ :(\S+)")
_PART = re.compile(r"part (\d+)$")
# Answers of our scripts, which hold keys, whole or in part.
_ANSWER = re.compile(r"[{}]|[0-9a-fA-F]{16}")
_FULL = re.compile(r"ENOSPC|Errno 28|no space", re.IGNORECASE)

# Folders of the firmware. What else lies in them, and where earlier versions had theirs, goes.
SLOTS = ("/a", "/b")
_OLD = ("/lib/hedgerow_board", "/lib/hedgerow_core", "/lib/hedgerow_console.mpy", "/settings")

_LOOK = """
import sys, os, json, binascii
def text(path):
    try:
        with open(path, "rb") as f:
            return binascii.hexlify(f.read(2048)).decode()
    except OSError:
        return ""
def total(path):
    try:
        return sum(os.stat(path + "/" + n)[6] for n in os.listdir(path))
    except OSError:
        return 0
print(json.dumps({"version": list(sys.implementation[1])[:3], "shelf": total("/shelf"),
    "settings": [text("/settings.a"), text("/settings.b")]}))
"""
# Asked with PATHS, the names of files; answers with the SHA-256 of each that is there, and what else matters
# for copying them.
_SUMS = """
import os, json, hashlib, binascii
buffer = bytearray(512)
view = memoryview(buffer)
def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buffer)
            if not n:
                return binascii.hexlify(h.digest()).decode()
            h.update(view[:n])
found = {}
for path in PATHS:
    try:
        found[path] = digest(path)
    except OSError:
        pass
try:
    import deflate
    inflates = True
except ImportError:
    inflates = False
s = os.statvfs("/")
print(json.dumps({"sums": found, "free": s[0] * s[3], "inflates": inflates}))
"""
# Asked with KEEP, the names of files and folders that stay, GONE, what goes, and FOLDERS to make; answers
# whether Hedgerow ever started since the chip's non-volatile storage was erased.
_TIDY = """
import os, json
def kind(path):
    try:
        return os.stat(path)[0]
    except OSError:
        return 0
def away(path):
    if kind(path) & 0x4000:
        for n in os.listdir(path):
            away(path + "/" + n)
        os.rmdir(path)
    elif kind(path):
        os.remove(path)
def prune(path):
    for n in os.listdir(path):
        p = path + "/" + n
        if p not in KEEP:
            away(p)
        elif kind(p) & 0x4000:
            prune(p)
for path in GONE:
    away(path)
for path in FOLDERS:
    if not kind(path):
        os.mkdir(path)
prune("/a")
from esp32 import NVS
nvs = NVS("hedgerow")
for name in ("slot", "trial", "lost"):
    try:
        nvs.erase_key(name)
    except OSError:
        pass
nvs.commit()
try:
    started = nvs.get_i32("boots") > 0
except OSError:
    started = False
print(json.dumps({"started": started}))
"""


@dataclass(frozen=True)
class Found:
    """What a board has: MicroPython's version, Hedgerow's settings files (empty: none), bytes of shelf."""

    version: str
    settings: tuple[bytes, bytes]
    shelf_bytes: int


def look(port: Port) -> Found:
    """What is on the board. CopyFailed."""
    found = _asked(port, _script(_LOOK))
    with _understood():
        first, second = (bytes.fromhex(text) for text in found["settings"])
        version = ".".join(str(int(part)) for part in found["version"])
        return Found(version, (first, second), int(found["shelf"]))


def fill(port: Port, files: Mapping[str, Path], progress: Callable[[float], None]) -> tuple[bool, int]:
    """Make ``files`` (name on the board -> file here) what a board has; those that are there already stay.

    First main.py goes, until all is there, and what other versions left. (whether the board still knows which
    commands it ran: Hedgerow started since that memory was erased; how many bytes had to be copied).
    BoardFull, CopyFailed, FileDiffers, TooLong.
    """
    folders = sorted(
        {str(parent) for name in files for parent in PurePosixPath(name).parents if str(parent) != "/"}
    )
    gone = ["/main.py", *_OLD, *(slot for slot in SLOTS if slot not in folders)]
    tidy = _script(_TIDY, KEEP=[*files, *folders], GONE=gone, FOLDERS=folders)
    there = _asked(port, tidy, _script(_SUMS, PATHS=sorted(files)))
    with _understood():
        sums, free, started = dict(there["sums"]), int(there["free"]), bool(there["started"])
    missing = {name: path for name, path in files.items() if sums.get(name) != _sum_of(path)}
    sizes = [path.stat().st_size for path in missing.values()]
    needed = (sum(size // _BLOCK_BYTES + 1 for size in sizes) + _SPARE_BLOCKS) * _BLOCK_BYTES
    if missing and needed > free:
        raise errors.BoardFull(free=free, needed=needed)
    if missing and there.get("inflates"):
        _send(port, missing, progress)
    elif missing:
        put(port, missing, progress)
    return started, sum(sizes)


def put(port: Port, files: Mapping[str, Path], progress: Callable[[float], None]) -> None:
    """Put ``files`` there and compare them, in one go: mpremote's start takes longer than a small file.

    BoardFull, CopyFailed, FileDiffers, TooLong.
    """
    commands: list[str] = []
    for name, path in files.items():
        commands += ["fs", "cp", str(path), f":{name}", "+"]
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done: list[str] = []

    def hear(line: str) -> None:
        found = _COPIED.search(line)
        if found:
            # A file is named before it is copied.
            progress(sum(sizes[name] for name in done) / max(1, sum(sizes.values())))
            done.append(found[1])

    _compared(port, commands, files, hear)


def _send(port: Port, files: Mapping[str, Path], progress: Callable[[float], None]) -> None:
    """The same for a board that can inflate; nothing secret, for the programs lie in the open meanwhile."""
    programs = parts.programs({name: path.read_bytes() for name, path in files.items()})

    def hear(line: str) -> None:
        found = _PART.match(line)
        if found:
            progress(min(int(found[1]) / len(programs), 1.0))

    with tempfile.TemporaryDirectory(prefix="hedgerow-parts-") as folder:
        commands: list[str] = []
        for number, program in enumerate(programs):
            path = Path(folder) / f"{number}.py"
            path.write_text(program)
            commands += ["run", str(path), "+"]
        _compared(port, commands, files, hear)


def _compared(
    port: Port, commands: list[str], files: Mapping[str, Path], hear: Callable[[str], None]
) -> None:
    commands = [*commands, "exec", _script(_SUMS, PATHS=sorted(files))]
    there = _answer(_run(port, commands, limits.COPY_S, hear))
    with _understood():
        sums = dict(there["sums"])
    for name, path in files.items():
        if sums.get(name) != _sum_of(path):
            raise errors.FileDiffers(path=name)


def _sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def restart(port: Port) -> None:
    """CopyFailed."""
    _run(port, ["reset"], limits.ASK_S)
    # mpremote leaves the board asleep for 0.1 s before it resets; a Ctrl-C in a frame of ours would end that.
    time.sleep(_RESET_S)


def _asked(port: Port, *scripts: str) -> dict[str, Any]:
    commands = [word for script in scripts for word in ("exec", script, "+")]
    return _answer(_run(port, commands[:-1], limits.ASK_S))


def _script(script: str, **values: object) -> str:
    return "".join(f"{name} = {value!r}\n" for name, value in values.items()) + script


def _answer(lines: list[str]) -> dict[str, Any]:
    """What our scripts answered, all together."""
    found: dict[str, Any] = {}
    with _understood():
        for line in lines:
            if line.startswith("{"):
                found.update(json.loads(line))
    if not found:
        raise errors.CopyFailed(reason="the board gave no answer")
    return found


@contextmanager
def _understood() -> Iterator[None]:
    """CopyFailed where an answer is not what our scripts print."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise errors.CopyFailed(reason="the board gave a wrong answer") from None


def _run(
    port: Port, arguments: list[str], limit_s: float, hear: Callable[[str], None] = lambda line: None
) -> list[str]:
    """What mpremote says; a first try that fails may have met what the board was just saying."""
    lines: list[str] = []
    for _ in range(_TRIES):
        try:
            status, lines = tool.run(
                tool.MPREMOTE, ["connect", port.device, *arguments], limit_s, limits.COPY_QUIET_S, hear
            )
        except tool.ToolStuck:
            raise errors.TooLong(step="Talking with MicroPython", limit_s=limit_s) from None
        if status == 0:
            return lines
        if _FULL.search("\n".join(lines)):
            raise errors.BoardFull(free="too few", needed="more")
    ports.check(port)
    reason = _reason(lines)
    if any("No module named" in line for line in lines):
        raise errors.ToolBroken(tool=tool.MPREMOTE, reason=reason)
    raise errors.CopyFailed(reason=reason)


def _reason(lines: list[str]) -> str:
    """Why mpremote failed, in its own words; never what a script of ours had answered before."""
    plain = [line for line in lines if line.strip() and not _ANSWER.search(line)]
    return plain[-1].strip().rstrip(".:!") if plain else "mpremote said nothing"
