"""Sketches of sets of ids: a rateless invertible Bloom lookup table.

L. Yang, Y. Gilad, M. Alizadeh, "Practical Rateless Set Reconciliation" (arXiv 2402.02668). An id lies in cell
0 and then in ever fewer ones. The XOR of two sketches is that of the difference, which is peeled out of its
first cells: 1.4 to 2 of them an element, however large the sets are.

Unlike there, a cell has no count: whose an id is shows whoever peels by a look at its own set. The places
come from the larger of two numbers of 12 bits, which is distributed as a square root is, so all is integers.
They and the checksum come from SHA-256 under a key that only members have: a stranger cannot make ids that
do not decode.
"""

from hedgerow_core import limits
from hedgerow_core.mac import sha256

CHECK_BYTES = 4
CELL_BYTES = limits.ID_BYTES + CHECK_BYTES
_STEPS = 1 << 12
_CHUNK_CELLS = 32  # in one piece
_EMPTY = bytes(CELL_BYTES)
_FRESH = b"\x01"


def digest(key: bytes, identity: bytes) -> bytes:
    """What the checksum and the places of an id come from."""
    return sha256(key + identity)


def places(seed: bytes, end: int) -> list[int]:
    """The cells below ``end`` that an id with this ``digest`` lies in, rising."""
    found = []
    cell = 0
    at = CHECK_BYTES
    while cell < end:
        found.append(cell)
        if at + 3 > len(seed):
            seed = sha256(seed)
            at = 0
        middle = seed[at + 1]
        # sqrt(u) for a random u, in steps: P(max(a, b) < x) = x^2
        root = max(seed[at] << 4 | middle >> 4, (middle & 15) << 8 | seed[at + 2]) + 1
        at += 3
        # i + ceil((i + 3/2) (1 / sqrt(u) - 1))
        cell += max(((2 * cell + 3) * (_STEPS - root) + 2 * root - 1) // (2 * root), 1)
    return found


class Cells:
    """``count`` cells, in pieces for which a board finds room."""

    def __init__(self, count: int) -> None:
        self.count = count
        pieces = range(0, count, _CHUNK_CELLS)
        self._chunks = [bytearray(CELL_BYTES * min(_CHUNK_CELLS, count - first)) for first in pieces]

    def get(self, cell: int) -> bytes:
        """The id and the checksum in ``cell``."""
        at = cell % _CHUNK_CELLS * CELL_BYTES
        return bytes(self._chunks[cell // _CHUNK_CELLS][at : at + CELL_BYTES])

    def toggle(self, cell: int, item: bytes) -> None:
        """Put an item in, or take it out."""
        chunk = self._chunks[cell // _CHUNK_CELLS]
        at = cell % _CHUNK_CELLS * CELL_BYTES
        mixed = int.from_bytes(chunk[at : at + CELL_BYTES], "big") ^ int.from_bytes(item, "big")
        chunk[at : at + CELL_BYTES] = mixed.to_bytes(CELL_BYTES, "big")


class Sketch(Cells):
    """The first ``count`` cells of a set that changes. ``changes`` counts how often it did; ``decoder`` is
    the one at work."""

    def __init__(self, key: bytes, count: int) -> None:
        Cells.__init__(self, count)
        self.key = key
        self.changes = 0
        self.decoder: Decoder | None = None

    def change(self, identity: bytes) -> None:
        """``identity`` came, or went."""
        seed = digest(self.key, identity)
        item = identity + seed[:CHECK_BYTES]
        for cell in places(seed, self.count):
            self.toggle(cell, item)
        self.changes += 1

    def part(self, first: int, most: int) -> bytes:
        """At most ``most`` cells from ``first`` on."""
        return b"".join([self.get(cell) for cell in range(first, min(first + most, self.count))])


class Decoder(Cells):
    """The difference of our set and one that comes in parts; our set must not change meanwhile.

    ``found`` are the ids peeled so far, 8 bytes each; ``received`` counts cells.
    """

    def __init__(self, sketch: Sketch, owner: object = None) -> None:
        Cells.__init__(self, 0)
        self.owner = owner
        self.changes = sketch.changes
        self.found = b""
        self.received = 0
        self._sketch = sketch

    @property
    def complete(self) -> bool:
        """Whether nothing is left: all of the difference lies in cell 0."""
        return self.received > 0 and self.get(0) == _EMPTY

    def receive(self, part: bytes) -> None:
        """The next cells of the other set: whole ones, and no more than our sketch has."""
        ours = self._sketch
        first = self.received
        self.received += len(part) // CELL_BYTES
        self.count = self.received
        self._grow()
        for cell in range(first, self.received):
            at = (cell - first) * CELL_BYTES
            self.toggle(cell, part[at : at + CELL_BYTES])
            self.toggle(cell, ours.get(cell))
        fresh = bytearray(_FRESH * self.received)
        for at in range(0, len(self.found), limits.ID_BYTES):
            self._take_out(self.found[at : at + limits.ID_BYTES], first, fresh)
        self._peel(fresh)

    def _grow(self) -> None:
        chunks = self._chunks
        while len(chunks) * _CHUNK_CELLS < self.received:
            chunks.append(bytearray(CELL_BYTES * _CHUNK_CELLS))

    def _take_out(self, identity: bytes, first: int, fresh: bytearray) -> None:
        """Take an id out of the cells from ``first`` on, and mark those in ``fresh``."""
        seed = digest(self._sketch.key, identity)
        for cell in places(seed, self.received):
            if cell >= first:
                self.toggle(cell, identity + seed[:CHECK_BYTES])
                fresh[cell] = 1

    def _peel(self, fresh: bytearray) -> None:
        """Look at each cell whose byte in ``fresh`` is 1, and at those that change by that."""
        key = self._sketch.key
        while True:
            cell = fresh.find(_FRESH)
            if cell < 0:
                return
            fresh[cell] = 0
            item = self.get(cell)
            if item == _EMPTY:
                continue
            identity = item[: limits.ID_BYTES]
            seed = digest(key, identity)
            if seed[:CHECK_BYTES] != item[limits.ID_BYTES :] or cell not in places(seed, cell + 1):
                continue
            # Each cell gives one id at most, or somebody made cells that go round in circles.
            if len(self.found) >= self.received * limits.ID_BYTES:
                return
            self.found += identity
            self._take_out(identity, 0, fresh)
