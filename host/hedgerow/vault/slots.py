"""A small file kept twice and overwritten in place: a crash leaves one whole, and what was is not left over.

The slots are those of ``hedgerow_core.slots``, filled up to one size: length 2 | content | zeros.
"""

import os
from pathlib import Path

from hedgerow_core import slots

SLOT_BYTES = 1024
_LENGTH_BYTES = 2
_ROOM = SLOT_BYTES - len(slots.seal(0, b"")) - _LENGTH_BYTES


class SlotFile:
    """``NAME-a`` and ``NAME-b`` in the folder ``home``. OSError where the disk refuses."""

    def __init__(self, home: Path, name: str) -> None:
        self.paths = (home / f"{name}-a", home / f"{name}-b")

    def exists(self) -> bool:
        """Whether there is at least one of the files."""
        return any(path.exists() for path in self.paths)

    def read(self) -> tuple[bytes | None, bytes | None]:
        """What both slots hold; None for one that is damaged, half written or missing."""
        first, second = [_content(slot) for slot in self._slots()]
        return first, second

    def newest(self) -> bytes | None:
        """What the newest whole slot holds; None where there is none."""
        found = self._slots()
        at = slots.newest(found)
        return None if at < 0 else _content(found[at])

    def write(self, content: bytes, slot: int | None = None) -> int:
        """Write over a slot, the older one where none is named; which one that was: 0 or 1. It is on the disk
        when this returns."""
        found = self._slots()
        at = slots.newest(found)
        generation = 0 if at < 0 else slots.generation(found[at])
        if slot is None:
            slot = 1 if at == 0 else 0
        filled = len(content).to_bytes(_LENGTH_BYTES, "big") + content.ljust(_ROOM, b"\0")
        overwrite(self.paths[slot], slots.seal(generation + 1, filled))
        return slot

    def write_both(self, content: bytes) -> None:
        """Nothing of what was before is left, but for a moment there is one of each."""
        self.write(content)
        self.write(content)

    def _slots(self) -> list[bytes]:
        found = []
        for path in self.paths:
            try:
                found.append(path.read_bytes()[:SLOT_BYTES])
            except FileNotFoundError:
                found.append(b"")
        return found


def _content(slot: bytes) -> bytes | None:
    if len(slot) != SLOT_BYTES or slots.generation(slot) < 0:
        return None
    filled = slots.content(slot)
    return filled[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(filled[:_LENGTH_BYTES], "big")]


def overwrite(path: Path, data: bytes) -> None:
    """Put ``data`` into the very blocks where the file lay before, as far as the disk lets us."""
    new = not path.exists()
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(file, data[written:], written)
        os.fsync(file)
    finally:
        os.close(file)
    if new:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A file that is new, or gone, stays so after a loss of power."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # folders cannot be opened everywhere
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
