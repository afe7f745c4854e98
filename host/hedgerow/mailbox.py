"""Finds the envelopes that are for us: a table of locks, and the shelf's envelopes by lock.

Shelves key by id, never by lock: every envelope under a lock of ours is tried until one opens.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from hedgerow_core.envelope import Envelope
from hedgerow_core.shelf import Shelf

Owner = TypeVar("Owner")


class Mailbox(Generic[Owner]):
    """``Owner`` says whose lock it is and where in their chain."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._serial = 0
        self._by_lock: dict[bytes, list[bytes]] = {}
        self._locks: dict[bytes, Owner] = {}
        self._of: dict[object, list[bytes]] = {}
        self._hits: list[bytes] = []

    def watch(self, source: object, locks: Mapping[bytes, Owner]) -> None:
        """Replace the locks of ``source`` (a contact, an invite); the whole shelf counts as new for them."""
        for lock in self._of.pop(source, []):
            self._locks.pop(lock, None)
        self._of[source] = list(locks)
        self._locks.update(locks)
        for lock in locks:
            self._hits.extend(self._by_lock.get(lock, []))

    def forget(self, source: object) -> None:
        """Take the locks of ``source`` out."""
        self.watch(source, {})

    def collect(self, now: int) -> None:
        """Look at what is new on the shelf."""
        self._serial, fresh = self._shelf.new_since(self._serial)
        for identity in fresh:
            envelope = self._shelf.get(identity, now)
            if envelope is None:
                continue
            self._by_lock.setdefault(envelope.lock, []).append(identity)
            if envelope.lock in self._locks:
                self._hits.append(identity)

    def open(self, now: int, attempt: Callable[[Envelope, Owner], bool]) -> None:
        """Give ``attempt`` every candidate until nothing new opens; true means that it was for us."""
        while self._hits:
            hits, self._hits = self._hits, []
            for identity in dict.fromkeys(hits):
                envelope = self._shelf.get(identity, now)
                owner = self._locks.get(envelope.lock) if envelope is not None else None
                if envelope is not None and owner is not None:
                    attempt(envelope, owner)

    def unmatched(self) -> Iterable[bytes]:
        """Locks on the shelf that are nobody's: what a deep scan looks through."""
        return [lock for lock in self._by_lock if lock not in self._locks]
