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
        self._locks: dict[bytes, tuple[object, Owner]] = {}
        self._of: dict[object, list[bytes]] = {}
        self._hits: list[bytes] = []

    def watch(self, source: object, locks: Mapping[bytes, Owner]) -> None:
        """Replace the locks of ``source`` (a contact, an invite); the whole shelf counts as new for them."""
        for lock in self._of.pop(source, []):
            # Another source may have taken the lock over.
            if lock in self._locks and self._locks[lock][0] == source:
                del self._locks[lock]
        if locks:
            self._of[source] = list(locks)
        for lock, owner in locks.items():
            self._locks[lock] = (source, owner)
            self._hits.extend(self._by_lock.get(lock, []))

    def forget(self, source: object) -> None:
        """Take the locks of ``source`` out."""
        self.watch(source, {})

    def collect(self, now: int) -> None:
        """Look at what is new on the shelf."""
        self._serial, fresh = self._shelf.new_since(self._serial)
        for identity in self._shelf.ids() if fresh is None else fresh:
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
                found = self._locks.get(envelope.lock) if envelope is not None else None
                if envelope is not None and found is not None:
                    attempt(envelope, found[1])

    def unmatched(self) -> Iterable[bytes]:
        """Locks on the shelf that are nobody's: what a deep scan looks through."""
        for lock, identities in list(self._by_lock.items()):
            identities[:] = [identity for identity in identities if self._shelf.has(identity)]
            if not identities:
                del self._by_lock[lock]
        return [lock for lock in self._by_lock if lock not in self._locks]
