"""Event log and feed: what was added, in the total order; of a feed, each may be taken out again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.errors import UnknownEntry
from hedgerow.log.stores.fold import Store, check
from hedgerow_core.errors import PeerError

_ID_BYTES = 32


@dataclass(frozen=True)
class Event:
    """Something that was added; ``id`` is that of its entry."""

    id: bytes
    value: Any
    author: bytes
    clock: int


class EventLog(Store):
    """Values in the order that all replicas agree on."""

    def _clear(self) -> None:
        self._events: dict[bytes, Event] = {}
        self._order: list[tuple[int, bytes]] | None = []

    def add(self, value: Any) -> Entry:
        """Add a value: anything that CBOR has. NotAValue."""
        return self._write("add", value)

    def get(self, entry_id: bytes) -> Any:
        """The value of an entry. UnknownEntry."""
        self.refresh()
        found = self._events.get(entry_id)
        if found is None:
            raise UnknownEntry(entry=entry_id.hex())
        return found.value

    def events(self, newest_first: bool = False) -> Iterator[Event]:
        """All of them."""
        self.refresh()
        if self._order is None:
            self._order = sorted((event.clock, event.id) for event in self._events.values())
        for _, entry_id in reversed(self._order) if newest_first else list(self._order):
            yield self._events[entry_id]

    def values(self) -> list[Any]:
        """The values, oldest first."""
        return [event.value for event in self.events()]

    def __len__(self) -> int:
        self.refresh()
        return len(self._events)

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        if what != "add":
            raise PeerError("an operation that is not known here")
        (value,) = check(given, object)
        self._keep(Event(entry.id, value, entry.author, entry.clock))

    def _keep(self, event: Event) -> None:
        self._events[event.id] = event
        place = (event.clock, event.id)
        if self._order and place < self._order[-1]:
            self._order = None  # late: sorted anew when somebody looks
        elif self._order is not None:
            self._order.append(place)

    def _dump(self) -> Any:
        return [[event.id, event.value, event.author, event.clock] for event in self._events.values()]

    def _restore(self, dumped: Any) -> None:
        for entry_id, value, author, clock in dumped:
            self._keep(Event(entry_id, value, author, clock))


class Feed(EventLog):
    """An event log whose events their authors may take out."""

    def _clear(self) -> None:
        super()._clear()
        # (event, who wants it gone): a wish may come before what it is about.
        self._gone: set[tuple[bytes, bytes]] = set()

    def remove(self, entry_id: bytes) -> Entry:
        """Take out an event of ours. UnknownEntry."""
        self.get(entry_id)
        return self._write("remove", entry_id)

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        if what != "remove":
            super()._take(entry, what, given)
            return
        (target,) = check(given, bytes)
        if len(target) != _ID_BYTES:
            raise PeerError("no id of an entry")
        self._gone.add((target, entry.author))
        event = self._events.get(target)
        if event is not None and event.author == entry.author:
            del self._events[target]
            self._order = None

    def _keep(self, event: Event) -> None:
        if (event.id, event.author) not in self._gone:
            super()._keep(event)

    def _dump(self) -> Any:
        return [super()._dump(), [[*pair] for pair in sorted(self._gone)]]

    def _restore(self, dumped: Any) -> None:
        events, gone = dumped
        self._gone = {(target, author) for target, author in gone}
        super()._restore(events)
