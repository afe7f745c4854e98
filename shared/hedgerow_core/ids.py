"""A list of ids in one piece: as objects of their own, ids take a board four times the room."""

from hedgerow_core import limits

_SIZE = limits.ID_BYTES


class Ids:
    """Ids of 8 bytes in the order in which they came, at first those in ``flat``, one behind the other."""

    def __init__(self, flat: bytes = b"") -> None:
        self._flat = bytearray(flat)

    def __len__(self) -> int:
        return len(self._flat) // _SIZE

    def __contains__(self, identity: object) -> bool:
        return isinstance(identity, bytes) and self._where(identity) >= 0

    def _where(self, identity: bytes) -> int:
        at = self._flat.find(identity)
        # Elsewhere it is a part of two ids that happens to look like it.
        while at >= 0 and at % _SIZE:
            at = self._flat.find(identity, at + 1)
        return at

    def add(self, identity: bytes) -> None:
        """Add an id at the end."""
        self._flat.extend(identity)

    def remove(self, identity: bytes) -> None:
        """Take an id out, where it is here."""
        at = self._where(identity)
        if at >= 0:
            self._flat[at : at + _SIZE] = b""

    def first(self) -> bytes:
        """The first id; empty where there is none."""
        return bytes(self._flat[:_SIZE])

    def take(self, count: int) -> bytes:
        """Take the first ``count`` ids out, or as many as there are."""
        flat = bytes(self._flat[: count * _SIZE])
        self._flat[: count * _SIZE] = b""
        return flat

    def join(self, flat: bytes) -> None:
        """Add the ids in ``flat`` at the end."""
        self._flat.extend(flat)
