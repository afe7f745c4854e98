"""Bare boards on the wall clock in a thread of their own, for tests: programs use their ports meanwhile."""

import os
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hedgerow_lab.bare.board import BareBoard
from hedgerow_lab.bare.chips import chip_named
from hedgerow_lab.clock import RealClock
from hedgerow_lab.world import Lab

_FOR_EVER_US = 1 << 62
_PATIENCE_S = 30
Result = TypeVar("Result")


class Desk:
    """A lab and its boards live in the thread; ``do`` has it call something there."""

    def __init__(self, folder: Path, seed: int = 1, quick: bool = True) -> None:
        self._folder = folder
        self._seed = seed
        self._quick = quick
        self._calls: queue.SimpleQueue[tuple[Callable[[], object], queue.SimpleQueue[object]]]
        self._calls = queue.SimpleQueue()
        self._near, self._far = socket.socketpair()
        self._ended = False
        self._boards: list[BareBoard] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def __enter__(self) -> "Desk":
        self._thread.start()
        if not self._ready.wait(_PATIENCE_S):
            raise TimeoutError("The desk does not start.")
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._end)
        self._thread.join(_PATIENCE_S)
        self._near.close()
        self._far.close()

    def board(self, chip: str = "esp32", name: str = "bare", flash: Path | None = None) -> BareBoard:
        """A board, plugged in."""

        def make() -> BareBoard:
            link = self._folder / f"{name}.tty"
            board = BareBoard(self.lab, chip_named(chip), name, link, flash, self._quick)
            self._boards.append(board)
            board.plug_in()
            return board

        return self.do(make)

    def do(self, call: Callable[[], Result]) -> Result:
        """Call it in the thread of the boards; what it raises is raised here."""
        answer: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._calls.put((call, answer))
        self._near.send(b"!")
        result = answer.get(timeout=_PATIENCE_S)
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[return-value]

    def _run(self) -> None:
        clock = RealClock()
        # The lab keeps its thread to one core; the programs that use the boards have them all.
        self.lab = Lab(self._seed, workdir=self._folder / "lab", clock=clock)
        clock.watch(self._far.fileno(), self._serve)
        self._ready.set()
        try:
            clock.run_until(_FOR_EVER_US, lambda: self._ended)
        finally:
            for board in self._boards:
                board.pull()
            self.lab.close()
            clock.close()

    def _serve(self) -> None:
        os.read(self._far.fileno(), 1)
        call, answer = self._calls.get()
        try:
            answer.put(call())
        except Exception as error:
            answer.put(error)

    def _end(self) -> None:
        self._ended = True
