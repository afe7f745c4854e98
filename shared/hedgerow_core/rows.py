"""Rows of fixed width in a few flat chunks: objects for each row would cost a board too much heap.

The chunks are allocated once, 1 kB each: later on there is no place for new ones, and small ones fill the gaps
that a start leaves in the heap, where large ones would take the room that a link needs in one piece.
"""

_CHUNK_BYTES = 1_024
_FREE = 0xFF


class Rows:
    """At most ``bound`` rows of ``width`` bytes; a slot is the number of a row's place.

    The last byte of a row is the caller's, but never 0xFF: that marks a free slot.
    """

    def __init__(self, width: int, bound: int) -> None:
        self.width = width
        self.per_chunk = _CHUNK_BYTES // width
        self.chunks = [
            bytearray(width * min(self.per_chunk, bound - first)) for first in range(0, bound, self.per_chunk)
        ]
        self._bound = bound
        self._count = 0
        self._used = 0  # slots below were taken once
        self._freed = -1  # the slot freed last, which holds the number of the one freed before

    def __len__(self) -> int:
        return self._count

    def full(self) -> bool:
        """Whether no slot is free."""
        return self._count >= self._bound

    def _at(self, slot: int) -> tuple[bytearray, int]:
        return self.chunks[slot // self.per_chunk], slot % self.per_chunk * self.width

    def add(self, row: bytes) -> int:
        """Put ``row`` into a free slot; which. There must be one."""
        slot = self._freed
        if slot >= 0:
            chunk, at = self._at(slot)
            self._freed = int.from_bytes(chunk[at : at + 4], "big") - 1
        else:
            slot = self._used
            chunk, at = self._at(slot)
            self._used += 1
        chunk[at : at + self.width] = row
        self._count += 1
        return slot

    def free(self, slot: int) -> None:
        """Give the slot of a row back."""
        chunk, at = self._at(slot)
        chunk[at : at + self.width] = bytes(self.width)
        chunk[at : at + 4] = (self._freed + 1).to_bytes(4, "big")
        chunk[at + self.width - 1] = _FREE
        self._freed = slot
        self._count -= 1

    def row(self, slot: int) -> bytes:
        """The row in ``slot``; empty where there is none."""
        if not 0 <= slot < self._used:
            return b""
        chunk, at = self._at(slot)
        return b"" if chunk[at + self.width - 1] == _FREE else bytes(chunk[at : at + self.width])

    def write(self, slot: int, column: int, data: bytes) -> None:
        """Replace the bytes at ``column`` of a row."""
        chunk, at = self._at(slot)
        chunk[at + column : at + column + len(data)] = data

    def find(self, key: bytes, column: int = 0, first: int = 0) -> int:
        """The first slot from ``first`` on with ``key`` at ``column``; -1 where there is none."""
        width = self.width
        index = first // self.per_chunk
        start = first % self.per_chunk * width
        while index < len(self.chunks) and index * self.per_chunk < self._used:
            chunk = self.chunks[index]
            at = chunk.find(key, start + column)
            while at >= 0:
                begin = at - column
                # Elsewhere it is a part of other rows that happens to look like the key.
                if begin % width == 0 and chunk[begin + width - 1] != _FREE:
                    slot = index * self.per_chunk + begin // width
                    return slot if slot < self._used else -1
                at = chunk.find(key, at + 1)
            index += 1
            start = 0
        return -1

    def slots(self, first: int = 0):  # type: ignore[no-untyped-def]
        """Yield the slots that hold a row, from ``first`` on; rows may come and go meanwhile."""
        last = self.width - 1
        slot = first
        while slot < self._used:
            chunk, at = self._at(slot)
            if chunk[at + last] != _FREE:
                yield slot
            slot += 1
