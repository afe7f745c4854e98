"""The locks of a contact's ratchets, kept up to date: a message that was read costs one new lock, not 512."""

from collections.abc import Mapping

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import Place, State


class Windows:
    """``locks`` is always what ``double_ratchet.locks`` gives for the states that were followed last."""

    def __init__(self) -> None:
        self.locks: dict[bytes, Place] = {}
        self._lock_of: dict[Place, bytes] = {}
        self._runs: dict[bytes, tuple[int, int]] = {}
        self._skipped: list[Mapping[Place, bytes]] = []

    def follow(self, *states: State) -> tuple[list[bytes], list[bytes]]:
        """Go on to ``states``, whichever they are: (locks that are new, locks that are over)."""
        runs = {}
        for state in states:
            if state.nhkr:
                runs[state.nhkr] = (0, ratchet.WINDOW)
            if state.hkr:
                runs[state.hkr] = (state.nr, state.nr + ratchet.WINDOW)
        before, self._runs = self._runs, runs
        old, self._skipped = self._skipped, [state.skipped for state in states if state.skipped]
        fresh: list[bytes] = []
        for header_key, (first, end) in runs.items():
            known_first, known_end = before.get(header_key, (end, end))
            if first < known_first:
                fresh += self._add(header_key, first, min(end, known_first))
            if known_end < end:
                fresh += self._add(header_key, max(first, known_end), end)
        left = []
        for header_key, (first, end) in before.items():
            new_first, new_end = runs.get(header_key, (end, end))
            if first < new_first:
                left += ratchet.places(header_key, first, min(end, new_first))
            if new_end < end:
                left += ratchet.places(header_key, max(first, new_end), end)
        for skipped in old:
            if not any(skipped is other for other in self._skipped):
                left += [place for place in skipped if not self._is_skipped(place)]
        for skipped in self._skipped:
            if not any(skipped is other for other in old):
                for place in skipped:
                    if place not in self._lock_of:
                        fresh += self._add(place.header_key, place.number, place.number + 1)
        return fresh, [self._drop(place) for place in left if self._is_over(place)]

    def _is_skipped(self, place: Place) -> bool:
        return any(place in skipped for skipped in self._skipped)

    def _is_over(self, place: Place) -> bool:
        first, end = self._runs.get(place.header_key, (0, 0))
        return not first <= place.number < end and place in self._lock_of and not self._is_skipped(place)

    def _add(self, header_key: bytes, first: int, end: int) -> list[bytes]:
        fresh = []
        places = ratchet.places(header_key, first, end)
        for place, lock in zip(places, kdf.locks(header_key, first, end), strict=True):
            if place not in self._lock_of:
                self._lock_of[place] = lock
                self.locks[lock] = place
                fresh.append(lock)
        return fresh

    def _drop(self, place: Place) -> bytes:
        lock = self._lock_of.pop(place)
        del self.locks[lock]
        return lock
