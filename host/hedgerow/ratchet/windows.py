"""The locks of a contact's ratchets, kept up to date: a message that was read costs one new lock, not 512."""

from collections.abc import Iterable, Mapping

from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow.ratchet import kdf
from hedgerow.ratchet.state import Place, State


class Windows:
    """``locks`` is always what ``double_ratchet.locks`` gives for the states that were followed last."""

    def __init__(self) -> None:
        self.locks: dict[bytes, Place] = {}
        self._chains: dict[bytes, dict[int, bytes]] = {}  # header key, number, lock
        self._runs: dict[bytes, tuple[int, int]] = {}
        self._skipped: list[Mapping[Place, bytes]] = []

    def follow(self, *states: State) -> tuple[list[bytes], list[bytes]]:
        """Go on to ``states``, whichever they are: (locks that are new, locks that are over)."""
        if len(states) == 1 and self._is_next(states[0]):
            return self._step(states[0])
        runs = {}
        for state in states:
            if state.nhkr:
                runs[state.nhkr] = (0, ratchet.WINDOW)
            if state.hkr:
                runs[state.hkr] = (state.nr, state.nr + ratchet.WINDOW)
        before, self._runs = self._runs, runs
        old, self._skipped = self._skipped, [state.skipped for state in states if state.skipped]
        fresh: list[bytes] = []
        over: list[bytes] = []
        for header_key, run in runs.items():
            known = before.get(header_key)
            if known == run:
                continue
            (first, end), (known_first, known_end) = run, known or (run[1], run[1])
            if first < known_first:
                fresh += self._add(header_key, first, min(end, known_first))
            if known_end < end:
                fresh += self._add(header_key, max(first, known_end), end)
        for header_key, known in before.items():
            run = runs.get(header_key, (known[1], known[1]))
            if known[0] < run[0]:
                over += self._drop(header_key, range(known[0], min(known[1], run[0])))
            if run[1] < known[1]:
                over += self._drop(header_key, range(max(known[0], run[1]), known[1]))
        for skipped in old:
            if not any(skipped is other for other in self._skipped):
                for place in skipped:
                    first, end = runs.get(place.header_key, (0, 0))
                    if not first <= place.number < end:
                        over += self._drop(place.header_key, (place.number,))
        for skipped in self._skipped:
            if not any(skipped is other for other in old):
                for place in skipped:
                    if place.number not in self._chains.get(place.header_key, {}):
                        fresh += self._add(place.header_key, place.number, place.number + 1)
        return fresh, over

    def _is_next(self, state: State) -> bool:
        """Whether one more message of the present chain was read, and nothing else happened: the usual."""
        known = self._runs.get(state.hkr)
        skipped = self._skipped[0] if self._skipped else None
        return (
            known is not None
            and known[0] + 1 == state.nr
            and known[1] == known[0] + ratchet.WINDOW
            and len(self._runs) == 2
            and state.nhkr in self._runs
            and len(self._skipped) < 2
            and (state.skipped or None) is skipped
        )

    def _step(self, state: State) -> tuple[list[bytes], list[bytes]]:
        first, end = self._runs[state.hkr]
        self._runs[state.hkr] = (first + 1, end + 1)
        chain = self._chains[state.hkr]
        over = chain.pop(first)
        del self.locks[over]
        fresh = chain[end] = kdf.lock_of(kdf.token(state.hkr, end))
        self.locks[fresh] = Place(state.hkr, end)
        return [fresh], [over]

    def _add(self, header_key: bytes, first: int, end: int) -> list[bytes]:
        locks = kdf.locks(header_key, first, end)
        chain = self._chains.setdefault(header_key, {})
        known = [lock for lock in locks if lock in self.locks] if chain else []
        chain.update(zip(range(first, end), locks, strict=True))
        self.locks.update(zip(locks, ratchet.places(header_key, first, end), strict=True))
        return [lock for lock in locks if lock not in known] if known else locks

    def _drop(self, header_key: bytes, numbers: Iterable[int]) -> list[bytes]:
        chain = self._chains.get(header_key, {})
        over = []
        for number in numbers:
            if self._skipped and any((header_key, number) in skipped for skipped in self._skipped):
                continue
            lock = chain.pop(number, None)
            if lock is not None:
                del self.locks[lock]
                over.append(lock)
        if not chain:
            self._chains.pop(header_key, None)
        return over
