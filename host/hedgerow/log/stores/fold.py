"""What all stores share: operations as entries of a log, folded as they come.

An operation is the body of an entry of kind ``OPERATION``: CBOR [store, what, ..]. Folds do not depend on the
order in which entries come: what came late changes the same as if it had come in time. So a new entry costs
one step; only where entries left the order, or came back into it, all is folded anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from hedgerow.log.canonical import Entry
from hedgerow.log.errors import NotAValue
from hedgerow.log.operations import OPERATION
from hedgerow_core import cbor
from hedgerow_core.errors import HedgerowError, PeerError

_NAME_BYTES = 64


class Source(Protocol):
    """What a store stands on: a ``Log``, or a conversation."""

    @property
    def body_bytes(self) -> int:
        """The most that the body of one entry has."""

    def append(self, body: bytes, kind: int = ...) -> Entry:
        """Write an entry."""

    def changes(self, place: int, epoch: int) -> tuple[int, Iterable[tuple[int, Entry]]]:
        """(epoch, entries with places) that came after ``place``; all where the epoch is another one."""

    def base_fold(self, key: str) -> bytes | None:
        """The state of a store behind the snapshot of the log, where there is one."""

    def kept_fold(self, key: str) -> tuple[int, int, bytes] | None:
        """(place, epoch, state) of a snapshot, where there is one that holds."""

    def keep_fold(self, key: str, place: int, epoch: int, state: bytes) -> None:
        """Keep a snapshot."""


class Store(ABC):
    """The store ``name`` of a log; several may stand on one. Every reading call takes in what is new."""

    def __init__(self, log: Source, name: str = "") -> None:
        if len(name.encode()) > _NAME_BYTES:
            raise NotAValue(reason="the name of a store is longer than 64 bytes")
        self.log = log
        self.name = name
        self._place = 0
        self._epoch = -1
        self._clear()
        self._load()

    # What a store is

    @abstractmethod
    def _clear(self) -> None:
        """Begin with nothing."""

    @abstractmethod
    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        """One operation. PeerError where it is not one of this store's: it changes nothing."""

    @abstractmethod
    def _dump(self) -> Any:
        """All of the state, for CBOR."""

    @abstractmethod
    def _restore(self, dumped: Any) -> None:
        """What ``_dump`` gave."""

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
        epoch, entries = self.log.changes(self._place, self._epoch)
        if epoch != self._epoch:
            self._begin()
            self._epoch = epoch
        for place, entry in entries:
            self._place = place
            if entry.kind == OPERATION:
                self._step(entry)

    def _begin(self) -> None:
        """The state behind the log's snapshot, or nothing."""
        self._clear()
        base = self.log.base_fold(self.label)
        if base is not None:
            self._restore(cbor.decode(base))

    def fold(self, entries: Iterable[Entry]) -> bytes:
        """The state behind the log's snapshot and ``entries``, for a further snapshot."""
        self._begin()
        for entry in entries:
            if entry.kind == OPERATION:
                self._step(entry)
        state = cbor.encode(self._dump())
        self._place, self._epoch = 0, -1
        return state

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
        self.log.keep_fold(self.label, self._place, self._epoch, cbor.encode(self._dump()))

    def _load(self) -> None:
        kept = self.log.kept_fold(self.label)
        if kept is None:
            return
        try:
            self._restore(cbor.decode(kept[2]))
        except (PeerError, TypeError, ValueError, KeyError, AttributeError):
            self._clear()  # damaged: the log has all of it
            return
        self._place, self._epoch = kept[0], kept[1]

    @property
    def label(self) -> str:
        """By what its state is kept."""
        return f"{type(self).__name__} {self.name}"


def check(given: list[Any], *kinds: type) -> list[Any]:
    """The operands, one of each of these types (``object``: any). PeerError otherwise."""
    if len(given) != len(kinds):
        raise PeerError("an operation with other operands")
    for value, kind in zip(given, kinds, strict=True):
        if kind is not object and type(value) is not kind:
            raise PeerError("an operation with other operands")
    return given
