"""Where a shelf keeps its records. Every store has the verbs of ``MemoryStore``."""


class MemoryStore:
    """Records in memory. A place is any integer below 2^32."""

    def __init__(self) -> None:
        self._records: dict[int, bytes] = {}
        self._next = 0

    def attach(self, owner: object) -> None:
        """``owner.holds(place)`` tells what still counts, ``owner.moved(old, new)`` hears of new places."""

    def append(self, record: bytes) -> int:
        """Keep ``record``; its place. OSError where there is no room."""
        self._next += 1
        self._records[self._next] = bytes(record)
        return self._next

    def read(self, place: int) -> bytes:
        """The record at ``place``; empty where it is damaged."""
        return self._records.get(place, b"")

    def drop(self, place: int, note: bool) -> None:
        """Forget the record at ``place``; without ``note`` it may come back after a restart."""
        self._records.pop(place, None)

    def flush(self, minute: int) -> None:
        """Return when what was appended survives a loss of power; ``minute`` is the mesh clock's."""

    def records(self) -> "list[tuple[int, bytes | None]]":
        """(place, record) of everything kept, oldest first; None where the record at ``place`` is gone."""
        return [(place, self._records[place]) for place in sorted(self._records)]
