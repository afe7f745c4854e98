"""What all stores share: operations as entries of a log, folded as they come.

An operation is the body of an entry of kind ``OPERATION``: CBOR [store, what, ..]. Folds do not depend on the
order in which entries come: what came late changes the same as if it had come in time. So a new entry costs
one step; only where entries left the order, or came back into it, all is folded anew.
"""

from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.errors import NotAValue
from hedgerow.log.log import Log
from hedgerow_core import cbor
from hedgerow_core.errors import HedgerowError, PeerError

OPERATION = 0x101
_NAME_BYTES = 64


class Store:
    """The store ``name`` of a log; several may stand on one. Every reading call takes in what is new."""

    def __init__(self, log: Log, name: str = "") -> None:
        if len(name.encode()) > _NAME_BYTES:
            raise NotAValue(reason="the name of a store is longer than 64 bytes")
        self.log = log
        self.name = name
        self._place = 0
        self._epoch = -1
        self._clear()
        self._load()

    # What a store is

    def _clear(self) -> None:
        """Begin with nothing."""
        raise NotImplementedError

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        """One operation. PeerError where it is not one of this store's: it changes nothing."""
        raise NotImplementedError

    def _dump(self) -> Any:
        """All of the state, for CBOR."""
        raise NotImplementedError

    def _restore(self, dumped: Any) -> None:
        """What ``_dump`` gave."""
        raise NotImplementedError

    # Writing

    def _write(self, what: str, *given: Any) -> Entry:
        try:
            body = cbor.encode([self.name, what, *given])
        except (HedgerowError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise NotAValue(reason=str(error)) from None
        return self.log.append(body, OPERATION)

    # Reading

    def refresh(self) -> None:
        """Take in what is new in the log."""
        meta = self.log.meta
        if meta.epoch != self._epoch:
            self._clear()
            self._place, self._epoch = 0, meta.epoch
        for record in self.log.rows.newer(self._place, "AND state < 2 ORDER BY place"):
            self._place = record.place
            if record.readable and record.entry.kind == OPERATION:
                self._step(record.entry)

    def _step(self, entry: Entry) -> None:
        try:
            found = cbor.decode(entry.body)
            if not isinstance(found, list) or len(found) < 2 or found[0] != self.name:
                return
            if isinstance(found[1], str):
                self._take(entry, found[1], found[2:])
        except PeerError:
            return  # somebody's mistake: it stands in the log, and changes no store

    def snapshot(self) -> None:
        """Keep the state, so that the next program need not fold the log from its beginning."""
        self.refresh()
        table = self.log.table
        state = table.cipher.seal(cbor.encode(self._dump()), self._label())
        with table.transaction():
            table.run(
                "INSERT OR REPLACE INTO log_folds (log, name, place, epoch, state) VALUES (?, ?, ?, ?, ?)",
                self.log.number,
                self._key(),
                self._place,
                self._epoch,
                state,
            )

    def _load(self) -> None:
        row = self.log.table.row(
            "SELECT place, epoch, state FROM log_folds WHERE log = ? AND name = ?",
            self.log.number,
            self._key(),
        )
        if row is None or row[1] != self.log.meta.epoch:
            return
        try:
            self._restore(cbor.decode(self.log.table.cipher.open(row[2], self._label())))
        except (PeerError, TypeError, ValueError, KeyError, AttributeError):
            self._clear()  # damaged: the log has all of it
            return
        self._place, self._epoch = row[0], row[1]

    def _key(self) -> str:
        return f"{type(self).__name__} {self.name}"

    def _label(self) -> bytes:
        return self.log.name + self._key().encode()


def check(given: list[Any], *kinds: type) -> list[Any]:
    """The operands, one of each of these types (``object``: any). PeerError otherwise."""
    if len(given) != len(kinds):
        raise PeerError("an operation with other operands")
    for value, kind in zip(given, kinds, strict=True):
        if kind is not object and type(value) is not kind:
            raise PeerError("an operation with other operands")
    return given
