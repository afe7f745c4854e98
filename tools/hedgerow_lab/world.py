"""The lab: boards, air and clock together, with serial lines to hosts."""

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from hedgerow.flashing.build import firmware, loader
from hedgerow.flashing.sources import of_checkout
from hedgerow_core import cbor, slots
from hedgerow_lab import costs
from hedgerow_lab.air import Air
from hedgerow_lab.board import Board, Machine
from hedgerow_lab.build import compiled, rom
from hedgerow_lab.clock import Clock
from hedgerow_lab.trace import Trace

TOP = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).resolve().parent / "child"
_BAUD_US_PER_BYTE = 87  # 115,200 baud, 10 bits a byte
_LATENCY_US = 1_000
BOARD_HEAP_BYTES = 320_000  # of a 64-bit interpreter, whose objects are twice as large
_FIRMWARE_HEAP_BYTES = 120_000  # what it takes where it does not run in place


class LabError(Exception):
    """The lab cannot be set up; one sentence."""


def find_micropython(bits: int = 64) -> Path:
    """The interpreter: $HEDGEROW_MICROPYTHON, else what tools/get_micropython fetched."""
    named = os.environ.get("HEDGEROW_MICROPYTHON") if bits == 64 else None
    fetched = TOP / ".cache/micropython/bin" / ("micropython" if bits == 64 else "micropython32")
    path = Path(named) if named else fetched
    if not path.exists():
        raise LabError("There is no MicroPython here: run `make setup` first.")
    return path


def find_aioble() -> Path | None:
    """The folder that holds the real aioble: $HEDGEROW_AIOBLE or .cache/aioble; None for the stand-in."""
    named = os.environ.get("HEDGEROW_AIOBLE")
    if named == "stand-in":
        return None
    path = Path(named) if named else TOP / ".cache/aioble"
    if not (path / "aioble" / "__init__.py").exists():
        if named:
            raise LabError(f"HEDGEROW_AIOBLE names {named}, but there is no aioble in it.")
        return None
    return path


class SerialLine:
    """The cable between a host and its board: paced bytes both ways while it is plugged in."""

    def __init__(self, clock: Clock, board: Board, watchers: list[Callable[[bytes], None]]) -> None:
        self.on_receive: Callable[[bytes, int], None] | None = None
        self.connected = True
        self.us_per_byte = _BAUD_US_PER_BYTE
        self.latency_us = _LATENCY_US
        self._clock = clock
        self._board = board
        self._watchers = watchers
        self._free_us = [0, 0]
        board.on_serial = self._from_board

    def _pace(self, way: int, data: bytes, deliver: Callable[[bytes], None]) -> None:
        start = max(self._clock.now_us + self.latency_us, self._free_us[way])
        self._free_us[way] = start + len(data) * self.us_per_byte
        for watch in self._watchers:
            watch(data)
        self._clock.at(self._free_us[way], lambda: deliver(data) if self.connected else None)

    @property
    def backlog_us(self) -> int:
        """How long the cable needs for what is on its way to the board."""
        return max(0, self._free_us[0] - self._clock.now_us)

    def write(self, data: bytes) -> None:
        """Send towards the board."""
        for at in range(0, len(data), 256):
            self._pace(0, data[at : at + 256], self._board.serial)

    def _from_board(self, data: bytes) -> None:
        self._pace(1, data, self._deliver)

    def _deliver(self, data: bytes) -> None:
        if self.on_receive is not None:
            self.on_receive(data, self._clock.now_us // 1000)


class Lab:
    """A seeded world. The same seed and the same calls give the same trace, byte for byte."""

    def __init__(
        self,
        seed: int,
        *,
        workdir: Path,
        micropython: Path | None = None,
        aioble: Path | None = None,
        trace: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.workdir = workdir
        self.aioble = aioble
        self._seed = seed
        self._dice = random.Random(f"air {seed}")
        self._trace = Trace(trace)
        self.air = Air(self.clock, self._dice, self.note)
        self.boards: dict[str, Board] = {}
        self._lines: dict[str, SerialLine] = {}
        self.micropython = micropython or find_micropython()
        self._affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
        if self._affinity:
            # Parent and children take turns: on one core a turn costs a sixth.
            os.sched_setaffinity(0, {sorted(self._affinity)[os.getpid() % len(self._affinity)]})
        workdir.mkdir(parents=True, exist_ok=True)

    def note(self, who: str, what: str, detail: str) -> None:
        """One event of the trace."""
        self._trace.add(self.clock.now_us, who, what, detail)

    @property
    def now_ms(self) -> int:
        """Virtual milliseconds since the start."""
        return self.clock.now_us // 1000

    def add_board(
        self,
        name: str,
        *,
        settings: dict[str, object] | None = None,
        script: Path | None = None,
        power_on_ms: int | None = None,
        heap_bytes: int = BOARD_HEAP_BYTES,
        ticks_offset: int = 0,
        source: Path | None = None,
        in_files: bool = False,
    ) -> Board:
        """A board that runs the firmware, or ``script``; it hears nobody yet. With ``in_files`` the firmware
        lies on its flash, where updates can change it."""
        sources = of_checkout(source or TOP)
        built, loaded = firmware(sources), loader(sources)
        paths = [compiled(CHILD), compiled(self.aioble or CHILD / "standin")]
        files = {}
        if in_files:
            files = {"/main.py": sources.firmware / "main.py"}
            for folder, place in ((loaded, "/lib"), (built, "/a")):
                files.update({f"{place}/{path.relative_to(folder)}": path for path in folder.rglob("*.mpy")})
            heap_bytes += _FIRMWARE_HEAP_BYTES
        else:
            paths += [loaded, built]
        machine = Machine(
            interpreter=self.micropython,
            paths=paths,
            rom=rom(paths),
            entry=script or TOP / "firmware" / "main.py",
            console=script is None,
            heap_bytes=heap_bytes,
            ticks_offset=ticks_offset,
            files=files,
            settings=slots.seal(1, cbor.encode(settings)) if settings is not None else None,
        )
        # Staggered, so that boards do not run in step.
        start = 37 * (len(self.boards) + 1) + self._dice.randrange(30) if power_on_ms is None else power_on_ms
        board = self.place(name, machine)
        self.at(start, board.power_on)
        return board

    def place(self, name: str, machine: Machine, flash: Path | None = None) -> Board:
        """A board of another make, without power."""
        seed = hashlib.sha256(f"board {self._seed} {name}".encode()).hexdigest()[:32]
        board = Board(name, machine, self.clock, self.air, seed, self.workdir, flash)
        board.note = self.note
        self.boards[name] = board
        self.air.radios[name] = board.radio
        return board

    def hear(self, a: str, b: str, loss: float = 0.0, rssi: int = costs.DEFAULT_RSSI) -> None:
        """Let two boards hear each other."""
        self.air.hears[(a, b)] = self.air.hears[(b, a)] = (loss, rssi)

    def deafen(self, a: str, b: str) -> None:
        """Take two boards out of each other's range."""
        self.air.hears.pop((a, b), None)
        self.air.hears.pop((b, a), None)

    def power_off(self, name: str) -> None:
        """Cut a board's power; its flash stays."""
        self.boards[name].power_off()

    def power_on(self, name: str) -> None:
        """Give a board power again."""
        self.boards[name].power_on()

    def link_drop(self, a: str, b: str) -> bool:
        """Lose the connection between two boards; whether there was one."""
        return self.air.drop(a, b)

    def linked(self, a: str, b: str) -> bool:
        """Whether two boards are connected now."""
        radio = self.boards[b].radio
        return any(radio in link.ends for link in self.boards[a].radio.connections.values())

    def at(self, ms: int, call: Callable[[], None]) -> None:
        """Call ``call`` at ``ms`` of virtual time."""
        self.clock.at(ms * 1000, call)

    def run_until(self, ms: int, stop: Callable[[], bool] | None = None) -> None:
        """Let the world run until ``ms``, or until ``stop`` says so."""
        self.clock.run_until(ms * 1000, stop)

    def serial(self, name: str) -> SerialLine:
        """The serial line of a board."""
        if name not in self._lines:
            self._lines[name] = SerialLine(self.clock, self.boards[name], self.air.watchers)
        return self._lines[name]

    def on_air(self, watch: Callable[[bytes], None]) -> None:
        """Call ``watch`` with everything that crosses the air or a cable."""
        self.air.watchers.append(watch)

    def shout(self, adv_data: bytes) -> None:
        """Send one advertisement from nowhere: what a board of somebody else's would do."""
        self.air.shout(adv_data)

    def flash_image(self, name: str) -> bytes:
        """What is on a board's flash now."""
        return self.boards[name].flash_path.read_bytes()

    def log(self, name: str) -> list[str]:
        """What a board printed."""
        return self.boards[name].log_path.read_text(errors="replace").splitlines()

    @property
    def counters(self) -> dict[str, int]:
        """Counts of the air, and how often boards woke."""
        return {**self.air.counters, "wakes": sum(board.wakes for board in self.boards.values())}

    def trace_sha256(self) -> str:
        """The hash of every event so far."""
        return self._trace.sha256()

    def close(self, *, remove: bool = False) -> None:
        """End all boards; ``remove`` deletes the working folder."""
        self._trace.close()
        for board in self.boards.values():
            board.power_off("end")
        if self._affinity:
            os.sched_setaffinity(0, self._affinity)
        if remove:
            shutil.rmtree(self.workdir, ignore_errors=True)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
