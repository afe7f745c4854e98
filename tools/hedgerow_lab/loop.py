"""An asyncio event loop on the lab's clock: what waits in it lets the world go on, in virtual time."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from hedgerow_lab.clock import Clock

T = TypeVar("T")
_TURN_US = 20  # of one turn at least, so that who asks for the time again and again sees it go on
_LONGEST_S = 3_600.0  # that a wait without an end lasts before the loop looks again


class _WorldGoesOn(selectors.BaseSelector):
    """Waits by letting the lab run until something is to be done in the loop. Watches no files."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self.stirred = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fd, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait_us = round((_LONGEST_S if timeout is None else timeout) * 1e6)
        self.stirred = False
        self._clock.run_until(self._clock.now_us + max(wait_us, _TURN_US), lambda: self.stirred)
        return []


class LabLoop(asyncio.SelectorEventLoop):
    """Its time is that of ``clock``, in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._lab_clock = clock
        self._world = _WorldGoesOn(clock)
        super().__init__(self._world)

    def time(self) -> float:
        return self._lab_clock.now_us / 1e6

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        self._world.stirred = True
        return super().call_soon(callback, *args, context=context)


def run(clock: Clock, main: Coroutine[Any, Any, T]) -> T:
    """What ``main`` gives; the lab runs as long as it does."""
    with asyncio.Runner(loop_factory=lambda: LabLoop(clock)) as runner:
        return runner.run(main)
