"""Virtual time: a heap of calls, each at its microsecond; and the same verbs on the wall clock."""

import heapq
import selectors
import time
from collections.abc import Callable

_LATE_US = 1_000_000
_CALLS_IN_A_ROW = 64
_LONGEST_WAIT_US = 3_600_000_000

Call = Callable[[], None]


class Clock:
    """Runs calls in the order of their time, equal times in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when_us: int, call: Callable[[], None]) -> None:
        """Call ``call`` at ``when_us``, or now where that is past."""
        self._count += 1
        heapq.heappush(self._heap, (max(when_us, self.now_us), self._count, call))

    def run_until(self, end_us: int, stop: Callable[[], bool] | None = None) -> None:
        """Run what is due until ``end_us``, or until ``stop`` says so between two calls."""
        while self._heap and self._heap[0][0] <= end_us:
            self.now_us, _, call = heapq.heappop(self._heap)
            call()
            if stop is not None and stop():
                return
        self.now_us = max(self.now_us, end_us)

    def watch(self, fd: int, readable: Call | None, writable: Call | None = None) -> None:
        """Virtual time hears nothing of the world outside."""

    def unwatch(self, fd: int) -> None:
        """The end of ``watch``."""


class RealClock(Clock):
    """The same calls, each when the wall clock has come to it; while it waits it serves file descriptors.

    It hands out the lab's time, which stands still while the process is stopped or cannot keep up: a call
    that is more than a second late moves the start instead of a hunt after the wall clock. ``late_us`` adds
    that up. With ``paced`` false it runs as fast as ``Clock``, and goes on from there when it is true again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paced = True
        self.late_us = 0
        self._zero_us = time.monotonic_ns() // 1000
        self._selector = selectors.DefaultSelector()

    def watch(self, fd: int, readable: Call | None, writable: Call | None = None) -> None:
        """Call ``readable`` or ``writable`` whenever ``fd`` is; replaces what was asked for ``fd`` before."""
        self.unwatch(fd)
        events = (selectors.EVENT_READ if readable else 0) | (selectors.EVENT_WRITE if writable else 0)
        if events:
            self._selector.register(fd, events, (readable, writable))

    def unwatch(self, fd: int) -> None:
        """Forget ``fd``; to be called before it is closed."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def run_until(self, end_us: int, stop: Callable[[], bool] | None = None) -> None:
        """As in ``Clock``, but ``end_us`` is reached when the wall clock is there."""
        if not self.paced:
            super().run_until(end_us, stop)
            return
        while stop is None or not stop():
            wall = self._wall_us()
            for _ in range(_CALLS_IN_A_ROW):
                if self._next_us(end_us + 1) > min(wall, end_us):
                    break
                self.now_us, _, call = heapq.heappop(self._heap)
                call()
                if stop is not None and stop():
                    return
            due = self._next_us(end_us + 1)
            if wall >= end_us and due > end_us:
                self.now_us = max(self.now_us, end_us)
                return
            self._serve(min(due, end_us))

    def _next_us(self, otherwise: int) -> int:
        return self._heap[0][0] if self._heap else otherwise

    def _wall_us(self) -> int:
        """The lab's time now."""
        wall = time.monotonic_ns() // 1000 - self._zero_us
        if wall < self.now_us:  # it ran unpaced
            self._zero_us -= self.now_us - wall
            return self.now_us
        late = wall - self._next_us(wall)
        if late > _LATE_US:
            self._zero_us += late
            self.late_us += late
            return wall - late
        return wall

    def _serve(self, due_us: int) -> None:
        wait_us = min(max(0, due_us - self._wall_us()), _LONGEST_WAIT_US)
        for key, mask in self._selector.select(wait_us / 1e6):
            wall = self._wall_us()
            self.now_us = max(self.now_us, min(wall, self._next_us(wall)))
            for event, call in zip((selectors.EVENT_READ, selectors.EVENT_WRITE), key.data, strict=True):
                # A call before may have closed it.
                if mask & event and call is not None and self._selector.get_map().get(key.fd) == key:
                    call()

    def close(self) -> None:
        """Free the selector."""
        self._selector.close()
