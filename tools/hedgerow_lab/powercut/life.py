"""One life of a board in a MicroPython process, which ends with its power (child/main.py)."""

import json
import os
import select
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from hedgerow_core.errors import HedgerowError
from hedgerow_lab.build import TOP
from hedgerow_lab.powercut.image import Operation
from hedgerow_lab.powercut.plan import Plan
from hedgerow_lab.world import find_micropython

_CHILD = Path(__file__).resolve().parent / "child"
_HEAP = "32m"
_PATIENCE_S = 60
# As in child/main.py.
_PHASES = ("mount", "format", "boot", "put", "flush", "drop", "get", "expire", "prove", "compaction", "idle")
_LOGGED = struct.Struct("<IBBIH")
_END = b'["end",'


class LifeError(HedgerowError):
    """The process of a board ended without a report, or hangs."""


@dataclass(frozen=True)
class Make:
    """The shelf that a board has: its bounds, its ``store`` (``board``, or ``files`` to compare with), and
    what is wilfully ``broken`` in it.

    ``store_bytes`` is what the store is told: less than what the shelf may hold makes it compact more often.
    """

    blocks: int = 128
    max_count: int = 150
    max_bytes: int = 64 * 1024
    store_bytes: int = 32 * 1024
    tombstones: int = 100
    store: str = "board"
    broken: str = ""


@dataclass(frozen=True)
class Reply:
    """To one verb: ``vanished`` are the ids that left the shelf, ``count`` what it holds after it."""

    answer: Any
    vanished: list[str]
    count: int


@dataclass(frozen=True)
class Report:
    """What the process told: ``found`` id -> envelope in hexadecimal at boot (a proof's is its token), and
    ``replies``, one for each verb that was carried out."""

    phase: str
    operations: int
    compactions: int
    moves: int  # records that compaction moved
    boot: dict[str, Any] | None
    found: dict[str, str]
    replies: list[Reply]
    counters: list[list[int]]
    hottest: int
    torn: Operation | None
    error: str


@dataclass(frozen=True)
class Logged:
    """An operation; ``verb`` is the number of verbs that were answered before it."""

    verb: int
    phase: str
    operation: Operation


class Bench:
    """A place where boards live: one interpreter, one folder for images. A context manager."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self._interpreter = find_micropython()
        self._folder = tempfile.TemporaryDirectory(prefix="hedgerow-powercut-")

    def __enter__(self) -> "Bench":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def live(
        self, image: bytearray, plan: Plan, fresh: bool, log: bool = False, quiet: bool = False
    ) -> tuple[Report, list[Logged]]:
        """Live through ``plan``; ``image`` is then as it was before the operation that was cut.

        A ``fresh`` board may format its flash. With ``log``: all operations, too.
        ``quiet`` looks for no letters, neither at boot nor for those that vanish. LifeError where the process
        does not report.
        """
        folder = Path(self._folder.name)
        flash, todo, ops = folder / "flash", folder / "plan.json", folder / "log"
        flash.write_bytes(image)
        make = self.make
        told = {
            "paths": [str(TOP / "shared"), str(TOP / "firmware"), str(_CHILD)],
            "image": str(flash),
            "size": len(image),
            "log": str(ops) if log else "",
            "minute": plan.minute,
            "verbs": [verb.told() for verb in plan.verbs],
            "cut_at": plan.cut_at,
            "fresh": fresh,
            "quiet": quiet,
            "store": make.store,
            "break": make.broken,
            "max_count": make.max_count,
            "max_bytes": make.max_bytes,
            "store_bytes": make.store_bytes,
            "tombstones": make.tombstones,
        }
        todo.write_text(json.dumps(told))
        report = self._run(todo)
        image[:] = flash.read_bytes()
        return report, _operations(ops.read_bytes()) if log else []

    def _run(self, plan: Path) -> Report:
        command: list[str | Path] = [self._interpreter, "-X", f"heapsize={_HEAP}", _CHILD / "main.py", plan]
        errors = plan.with_suffix(".log")
        with (
            errors.open("wb") as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            try:
                output = _output(process)
            finally:
                process.kill()
        try:
            return _report(output)
        except (ValueError, KeyError):
            last = [f"status {process.returncode}", *errors.read_text(errors="replace").splitlines()][-1]
            raise LifeError(f"The process of a board ended without a report: {last}.") from None


def _output(process: "subprocess.Popen[bytes]") -> bytes:
    """What the process prints until the end of its report or its own. LifeError where it takes too long."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    told = bytearray()
    while not (told.endswith(b"\n") and told.startswith(_END, told.rfind(b"\n", 0, -1) + 1)):
        if not poll.poll(_PATIENCE_S * 1000):
            raise LifeError(f"A board hangs: it said nothing for {_PATIENCE_S} s.")
        part = os.read(process.stdout.fileno(), 1 << 20)
        if not part:
            break
        told += part
    return bytes(told)


def _report(output: bytes) -> Report:
    found: dict[str, str] = {}
    replies: list[Reply] = []
    told: dict[str, Any] = {}
    for line in output.splitlines():
        key, value = json.loads(line)
        if key == "found":
            found.update(value)
        elif key == "replies":
            replies += [Reply(*reply) for reply in value]
        else:
            told = value
    torn = told["torn"]
    return Report(
        phase=told["phase"],
        operations=told["operations"],
        compactions=told["compactions"],
        moves=told["moves"],
        boot=told["boot"],
        found=found,
        replies=replies,
        counters=told["counters"],
        hottest=told["hottest"],
        torn=torn and Operation(torn[0], torn[1], bytes.fromhex(torn[2])),
        error=told["error"] or "",
    )


def _operations(log: bytes) -> list[Logged]:
    found = []
    at = 0
    while at < len(log):
        verb, phase, kind, place, size = _LOGGED.unpack_from(log, at)
        at += _LOGGED.size
        found.append(Logged(verb, _PHASES[phase], Operation(kind, place, log[at : at + size])))
        at += size
    return found
