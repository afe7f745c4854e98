"""Add-wins set (observed-remove): a removal takes out what its author had seen, and nothing that was added
meanwhile."""

from typing import Any

from hedgerow.log.canonical import Entry
from hedgerow.log.stores.fold import Store, check
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

_ID_BYTES = 32
_AT_ONCE = 1_024  # additions that one removal names
_HEAD_BYTES = 96  # of an operation, with the name of its store


class AddWinsSet(Store):
    """Members are anything that CBOR has; two are one where their CBOR is."""

    def _clear(self) -> None:
        self._adds: dict[bytes, dict[bytes, None]] = {}  # by member, in CBOR: the entries that added it
        self._removed: set[bytes] = set()  # a removal may come before what it removes

    def add(self, member: Any) -> Entry:
        """Put something in. NotAValue."""
        return self._write("add", member)

    def remove(self, member: Any) -> list[Entry]:
        """Take something out, as far as we have seen it put in."""
        self.refresh()
        seen = sorted(self._adds.get(cbor.encode(member), {}))
        most = min(_AT_ONCE, (self.log.body_bytes - _HEAD_BYTES) // _ID_BYTES)
        parts = [seen[at : at + most] for at in range(0, len(seen), most)]
        return [self._write("remove", b"".join(part)) for part in parts]

    def __contains__(self, member: Any) -> bool:
        self.refresh()
        return bool(self._adds.get(cbor.encode(member)))

    def __len__(self) -> int:
        self.refresh()
        return sum(1 for adds in self._adds.values() if adds)

    def members(self) -> list[Any]:
        """All that is in, in order of its CBOR."""
        self.refresh()
        return [cbor.decode(member) for member in sorted(self._adds) if self._adds[member]]

    def _take(self, entry: Entry, what: str, given: list[Any]) -> None:
        if what == "add":
            (member,) = check(given, object)
            if entry.id not in self._removed:
                self._adds.setdefault(cbor.encode(member), {})[entry.id] = None
        elif what == "remove":
            (joined,) = check(given, bytes)
            if not joined or len(joined) % _ID_BYTES or len(joined) > _AT_ONCE * _ID_BYTES:
                raise PeerError("no ids of entries")
            gone = {joined[at : at + _ID_BYTES] for at in range(0, len(joined), _ID_BYTES)}
            self._removed |= gone
            for adds in self._adds.values():
                for entry_id in gone & adds.keys():
                    del adds[entry_id]
        else:
            raise PeerError("an operation that is not known here")

    def _dump(self) -> Any:
        return [
            [[member, sorted(adds)] for member, adds in self._adds.items() if adds],
            sorted(self._removed),
        ]

    def _restore(self, dumped: Any) -> None:
        adds, removed = dumped
        self._adds = {member: dict.fromkeys(ids) for member, ids in adds}
        self._removed = set(removed)
