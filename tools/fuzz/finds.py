"""What came of an input on either interpreter, and what is done with an input that broke a promise."""

import hashlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz import promise
from fuzz.targets import TARGETS

TOP = Path(__file__).resolve().parents[2]
SLOW_S = 5.0
_BATCH = 400
_BATCH_S = 120
_HEAP = "4m"
_TRIES = 2_000


@dataclass
class Find:
    """An input that broke a promise; ``outcome`` is what it must give, where that is known."""

    target: str
    data: bytes
    about: str
    outcome: str | None = None


def outcome(target: str, data: bytes) -> str:
    """What comes of ``data`` here: a digest, a refusal, or "Broken: " and why."""
    started = time.monotonic()
    result = promise.outcome(TARGETS[target][0], data)
    return result if time.monotonic() - started < SLOW_S else "Broken: too slow"


def _shorter(data: bytes) -> Iterator[bytes]:
    size = len(data) // 2
    while size:
        for at in range(0, len(data), size):
            yield data[:at] + data[at + size :]
        size //= 2


def smaller(target: str, data: bytes) -> bytes:
    """The shortest input, found by leaving parts out, that ends in the same."""
    wanted = outcome(target, data)
    tries = 0
    found = True
    while found and tries < _TRIES:
        found = False
        for candidate in _shorter(data):
            tries += 1
            if outcome(target, candidate) == wanted:
                data, found = candidate, True
                break
    return data


def write(folder: Path, find: Find) -> Path:
    """Keep a find as a regression vector; its path."""
    name = f"{find.target}-{hashlib.sha256(find.data).hexdigest()[:8]}.json"
    content = {"target": find.target, "input": find.data.hex(), "outcome": find.outcome, "about": find.about}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(content) + "\n")
    return path


def _lines(interpreter: Path, batch: list[tuple[str, bytes]]) -> list[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{target} {data.hex()}\n" for target, data in batch)
        file.flush()
        command = [interpreter, "-X", f"heapsize={_HEAP}", "tools/fuzz/on_micropython.py", file.name]
        try:
            done = subprocess.run(
                command,
                cwd=TOP,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_BATCH_S,
                check=False,
            )
            output = done.stdout
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
    return output.decode(errors="replace").splitlines()


def differences(interpreter: Path, inputs: list[tuple[str, bytes]]) -> list[Find]:
    """The inputs that do not come out under ``interpreter`` as they do here."""
    found: list[Find] = []
    waiting = list(inputs)
    while waiting:
        batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
        lines = _lines(interpreter, batch)
        for (target, data), theirs in zip(batch, lines, strict=False):
            ours = outcome(target, data)
            if theirs != ours:
                about = f"{interpreter.name} says {theirs}, CPython {ours}"
                found.append(Find(target, data, about, None if ours.startswith("Broken") else ours))
        if len(lines) < len(batch):
            # It ended, or hung, at the first without an answer: go on behind it.
            target, data = batch[len(lines)]
            found.append(Find(target, data, f"{interpreter.name} ended without an answer"))
            waiting = batch[len(lines) + 1 :] + waiting
    return found
