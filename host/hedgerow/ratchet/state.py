"""The state of one ratchet: a value that no call changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hedgerow import stored
from hedgerow.identity import keys
from hedgerow_core.errors import PeerError

_NUMBER_BYTES = 2  # a chain has at most 25,000 messages
_OLD_KEYS = 10  # what was stored before the public key was


class Place(NamedTuple):
    """Message ``number`` of the chain with ``header_key``."""

    header_key: bytes
    number: int

    def __repr__(self) -> str:
        return "Place()"


@dataclass(frozen=True, repr=False)
class State:
    """The variables of the specification (section 4.3); empty bytes stand for None.

    ``dhs`` and ``dhp`` are our private and public ratchet key, ``dhr`` their public one; ``hks``, ``hkr``,
    ``nhks``, ``nhkr`` the header keys; ``ad`` is bound into every message. ``skipped`` has the keys of
    messages that were jumped over, the oldest first.
    """

    ad: bytes
    rk: bytes
    dhs: bytes
    dhp: bytes
    dhr: bytes = b""
    cks: bytes = b""
    ckr: bytes = b""
    hks: bytes = b""
    hkr: bytes = b""
    nhks: bytes = b""
    nhkr: bytes = b""
    ns: int = 0
    nr: int = 0
    pn: int = 0
    skipped: Mapping[Place, bytes] = field(default_factory=dict)

    def changed(self, **changes: Any) -> "State":
        """A copy with some fields changed; quicker than ``dataclasses.replace``."""
        copy = object.__new__(State)
        object.__setattr__(copy, "__dict__", {**self.__dict__, **changes})
        return copy

    def to_cbor(self) -> bytes:
        """For the database; 34 bytes for each key that was skipped, and 40 for each chain with such keys."""
        return stored.write(self.fields())

    def fields(self) -> list[Any]:
        """Three lists: keys, counts, skipped keys by chain."""
        mine = [self.ad, self.rk, self.dhs, self.dhp, self.dhr, self.cks, self.ckr]
        mine += [self.hks, self.hkr, self.nhks, self.nhkr]
        # The messages of one chain stand together: a chain is left for good.
        chains: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
        for (header_key, number), message_key in self.skipped.items():
            numbers, kept = chains.setdefault(header_key, ([], []))
            numbers.append(number.to_bytes(_NUMBER_BYTES, "big"))
            kept.append(message_key)
        rows = [[chain, b"".join(numbers), b"".join(kept)] for chain, (numbers, kept) in chains.items()]
        return [mine, [self.ns, self.nr, self.pn], rows]

    @classmethod
    def from_cbor(cls, data: bytes) -> "State":
        """Read what ``to_cbor`` wrote, now or before. PeerError where it is damaged."""
        return cls.read(stored.read(data, list, list, list))

    @classmethod
    def read(cls, found: object) -> "State":
        """The state of ``fields``. PeerError where they are damaged."""
        mine, counts, rows = stored.check(found, list, list, list)
        old = len(mine) == _OLD_KEYS
        stored.check(mine, *[bytes] * (_OLD_KEYS if old else _OLD_KEYS + 1))
        stored.check(counts, int, int, int)
        if old:
            if len(mine[2]) != keys.KEY_BYTES:
                raise PeerError("damaged data")
            mine = [*mine[:3], keys.dh_public(mine[2]), *mine[3:]]
        skipped = _read_old(rows) if old else _read_skipped(rows)
        values: list[Any] = [*mine, *counts, skipped]
        return cls(*values)


def _read_skipped(rows: list[Any]) -> dict[Place, bytes]:
    skipped = {}
    for row in rows:
        header_key, numbers, kept = stored.check(row, bytes, bytes, bytes)
        count, rest = divmod(len(numbers), _NUMBER_BYTES)
        if rest or len(kept) != count * keys.KEY_BYTES:
            raise PeerError("damaged data")
        for at in range(count):
            number = int.from_bytes(numbers[at * _NUMBER_BYTES : (at + 1) * _NUMBER_BYTES], "big")
            message_key = kept[at * keys.KEY_BYTES : (at + 1) * keys.KEY_BYTES]
            skipped[Place(header_key, number)] = message_key
    return skipped


def _read_old(rows: list[Any]) -> dict[Place, bytes]:
    """Each key that was skipped was a list of its own."""
    skipped = {}
    for row in rows:
        header_key, number, message_key = stored.check(row, bytes, int, bytes)
        skipped[Place(header_key, number)] = message_key
    return skipped
