"""Key-value: of two values of one key the later one in the total order holds."""

from collections.abc import Iterator
from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.stores.fold import Store, check
from hedgerow_core.errors import PeerError

_MISSING = object()


class KeyValue(Store):
    """Keys are text; values anything that CBOR has."""

    def _clear(self) -> None:
        # By key (place in the order, whether there is a value, the value); what was deleted stays as that.
        self._held: dict[str, tuple[tuple[int, bytes], bool, Any]] = {}

    def put(self, key: str, value: Any) -> Entry:
        """Set a key. NotAValue."""
        return self._write("put", key, value)

    def delete(self, key: str) -> Entry:
        """Let a key have no value."""
        return self._write("delete", key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""
        self.refresh()
        _, there, value = self._held.get(key, (None, False, None))
        return value if there else default

    def __contains__(self, key: str) -> bool:
        return self.get(key, _MISSING) is not _MISSING

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def items(self) -> Iterator[tuple[str, Any]]:
        """Keys with their values, in order of the keys."""
        self.refresh()
        for key in sorted(self._held):
            _, there, value = self._held[key]
            if there:
                yield key, value

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        if what == "put":
            key, value = check(given, str, object)
            self._set(key, entry.order, True, value)
        elif what == "delete":
            (key,) = check(given, str)
            self._set(key, entry.order, False, None)
        else:
            raise PeerError("an operation that is not known here")

    def _set(self, key: str, order: tuple[int, bytes], there: bool, value: Any) -> bool:
        """Whether it holds: nothing later was here."""
        before = self._held.get(key)
        if before is not None and before[0] >= order:
            return False
        self._held[key] = (order, there, value)
        return True

    def _dump(self) -> Any:
        return [[key, *order, there, value] for key, (order, there, value) in self._held.items()]

    def _restore(self, dumped: Any) -> None:
        for key, clock, entry_id, there, value in dumped:
            self._set(key, (clock, entry_id), there, value)
