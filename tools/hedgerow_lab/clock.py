"""Virtual time: a heap of calls, each at its microsecond. Real time can stand behind the same verbs."""

import heapq
from collections.abc import Callable


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
