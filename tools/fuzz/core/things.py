"""What the targets of core are made with: a key, letters, a small shelf."""

from hedgerow_core import envelope, limits
from hedgerow_core.clock import Clock
from hedgerow_core.shelf import Shelf
from hedgerow_core.store import MemoryStore

KEY = b"k" * 32
SHELF_COUNT = 8
SHELF_BYTES = 4_000


def letter(number: int, size: int = 77, priority: int = 0) -> envelope.Envelope:
    """An envelope that differs by ``number``."""
    return envelope.make(priority, 10, number.to_bytes(limits.LOCK_BYTES, "big"), bytes(size))


def shelf(count: int) -> Shelf:
    """A small shelf with ``count`` letters on it."""
    result = Shelf(MemoryStore(), Clock(0), 0, SHELF_COUNT, SHELF_BYTES, 4)
    for number in range(count):
        result.put(letter(number, 77 + number * 300), 0)
    return result
