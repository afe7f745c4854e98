"""Documents: maps under the value of one of their fields, with queries and secondary indexes."""

from collections.abc import Callable, Iterator
from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.errors import NotAValue
from hedgerow.log.stores.fold import Source
from hedgerow.log.stores.key_value import KeyValue
from hedgerow_core import cbor

Document = dict[str, Any]


class Documents(KeyValue):
    """``key`` is the field, a text, that a document is found by; ``where`` is fast for the fields of
    ``indexes``."""

    def __init__(self, log: Source, name: str = "", key: str = "_id", indexes: tuple[str, ...] = ()) -> None:
        self.key = key
        self.indexes = indexes
        super().__init__(log, name)

    def _clear(self) -> None:
        super()._clear()
        self._found: dict[str, dict[bytes, dict[str, None]]] = {field: {} for field in self.indexes}

    def add(self, document: Document) -> Entry:
        """Add a document, or replace that of its key. NotAValue where it has none."""
        found = document.get(self.key)
        if not isinstance(found, str):
            raise NotAValue(reason=f"a document needs a text in its field {self.key}")
        return self.put(found, document)

    def all(self) -> Iterator[Document]:
        """Every document, in order of the keys."""
        for _, value in self.items():
            if isinstance(value, dict):
                yield value

    def query(self, test: Callable[[Document], bool]) -> list[Document]:
        """The documents that ``test`` says yes to."""
        return [document for document in self.all() if test(document)]

    def where(self, field: str, value: Any) -> list[Document]:
        """The documents with this value in a field, in order of the keys."""
        self.refresh()
        if field not in self.indexes:
            return self.query(lambda document: field in document and _same(document[field], value))
        keys = self._found[field].get(cbor.encode(value), {})
        return [self._held[key][2] for key in sorted(keys)]

    def _set(self, key: str, order: tuple[int, bytes], there: bool, value: Any) -> bool:
        before = self._held.get(key)
        if not super()._set(key, order, there, value):
            return False
        if before is not None:
            self._index(key, before[2], False)
        self._index(key, value, True)
        return True

    def _index(self, key: str, document: Any, present: bool) -> None:
        for field in self.indexes:
            if isinstance(document, dict) and field in document:
                keys = self._found[field].setdefault(cbor.encode(document[field]), {})
                if present:
                    keys[key] = None
                else:
                    keys.pop(key, None)


def _same(one: Any, other: Any) -> bool:
    # As an index sees it: 1, 1.0 and true are three values.
    return cbor.encode(one) == cbor.encode(other)
