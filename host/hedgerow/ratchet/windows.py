"""The locks of one ratchet, kept up to date: a message that was read costs one new lock, not 512."""

from collections.abc import Mapping

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet.state import Place, State


class Windows:
    """``locks`` is always what ``double_ratchet.locks`` gives for the state that was followed last."""

    def __init__(self) -> None:
        self.locks: dict[bytes, Place] = {}
        self._lock_of: dict[Place, bytes] = {}
        self._runs: dict[bytes, tuple[int, int]] = {}
        self._skipped: Mapping[Place, bytes] = {}

    def follow(self, state: State) -> tuple[list[bytes], list[bytes]]:
        """Go on to ``state``, whichever it is: (locks that are new, locks that are over)."""
        runs = {}
        if state.nhkr:
            runs[state.nhkr] = (0, ratchet.WINDOW)
        if state.hkr:
            runs[state.hkr] = (state.nr, state.nr + ratchet.WINDOW)
        over = []
        for header_key, (first, end) in self._runs.items():
            new_first, new_end = runs.get(header_key, (end, end))
            for number in (*range(first, min(end, new_first)), *range(max(first, new_end), end)):
                place = Place(header_key, number)
                if place not in state.skipped:
                    over.append(self._drop(place))
        fresh = []
        for header_key, (first, end) in runs.items():
            for number in range(first, end):
                place = Place(header_key, number)
                if place not in self._lock_of:
                    fresh.append(self._add(place))
        self._runs = runs
        if state.skipped is not self._skipped:
            over += [self._drop(place) for place in self._skipped if self._is_over(place, state)]
            fresh += [self._add(place) for place in state.skipped if place not in self._lock_of]
            self._skipped = state.skipped
        return fresh, over

    def _is_over(self, place: Place, state: State) -> bool:
        first, end = self._runs.get(place.header_key, (0, 0))
        return place in self._lock_of and place not in state.skipped and not first <= place.number < end

    def _add(self, place: Place) -> bytes:
        lock = ratchet.lock_at(place)
        self._lock_of[place] = lock
        self.locks[lock] = place
        return lock

    def _drop(self, place: Place) -> bytes:
        lock = self._lock_of.pop(place)
        del self.locks[lock]
        return lock
