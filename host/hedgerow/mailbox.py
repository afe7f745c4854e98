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
        # Dictionaries where only keys count: sets that keep their order.
        self._by_lock: dict[bytes, dict[bytes, None]] = {}
        self._locks: dict[bytes, tuple[object, Owner]] = {}
        self._of: dict[object, list[bytes]] = {}
        self._hits: dict[bytes, None] = {}
        self._new: dict[bytes, None] = {}

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
            self._hits.update(self._by_lock.get(lock, {}))

    def watch_once(self, source: object, locks: Callable[[], Mapping[bytes, Owner]]) -> None:
        """``watch`` where ``source`` is not watched yet: for locks that stay as they are."""
        if source not in self._of:
            self.watch(source, locks())

    def forget(self, source: object) -> None:
        """Take the locks of ``source`` out."""
        self.watch(source, {})

    def collect(
        self,
        now: int,
        on_envelope: Callable[[Envelope], None] = lambda envelope: None,
        on_proof: Callable[[bytes], None] = lambda proof: None,
    ) -> bool:
        """Look at what is new on the shelf; whether there was anything.

        Where a callback raises, it is called with the same again the next time.
        """
        self._serial, fresh = self._shelf.new_since(self._serial)
        self._new.update(dict.fromkeys(self._shelf.ids() if fresh is None else fresh))
        anything = bool(self._new)
        while self._new:
            identity = next(iter(self._new))
            envelope = self._shelf.get(identity, now)
            if envelope is not None:
                self._by_lock.setdefault(envelope.lock, {})[identity] = None
                if envelope.lock in self._locks:
                    self._hits[identity] = None
                on_envelope(envelope)
            else:
                proof = self._shelf.proof(identity)
                if proof is not None:
                    on_proof(proof)
            del self._new[identity]
        return anything

    def open(self, now: int, attempt: Callable[[Envelope, Owner], bool]) -> None:
        """Give ``attempt`` every candidate until nothing new opens; true means that it was for us.

        What it raises leaves the candidate for the next time.
        """
        while self._hits:
            identity = next(iter(self._hits))
            envelope = self._shelf.get(identity, now)
            found = self._locks.get(envelope.lock) if envelope is not None else None
            if envelope is not None and found is not None:
                attempt(envelope, found[1])
            self._hits.pop(identity, None)

    def retry(self) -> None:
        """Try once more what lies under locks of ours: what it needs may have come meanwhile."""
        for lock in self._by_lock.keys() & self._locks.keys():
            self._hits.update(self._by_lock[lock])

    def unmatched(self) -> Iterable[bytes]:
        """Locks on the shelf that are nobody's: what a deep scan looks through."""
        for lock, identities in list(self._by_lock.items()):
            self._by_lock[lock] = {identity: None for identity in identities if self._shelf.has(identity)}
            if not self._by_lock[lock]:
                del self._by_lock[lock]
        return [lock for lock in self._by_lock if lock not in self._locks]
