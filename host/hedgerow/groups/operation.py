"""A signed operation on a group's membership (docs/protocol.md, "Groups").

    CBOR [version, kind, group, author, sequence, parents, payload] | signature 64

Whether it is well formed and signed is judged here; whether its author may do it, in ``authority``.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hedgerow.groups import limits
from hedgerow.identity import keys
from hedgerow.identity.account import Card
from hedgerow.identity.keys import Random
from hedgerow_core import cbor
from hedgerow_core.errors import AuthError, LimitError, PeerError, VersionError

CREATE = 1
ADD = 2
REMOVE = 3
PROMOTE = 4
LEAVE = 5
RENAME = 6
REVOKE = 7

ID_BYTES = 32
GROUP_BYTES = 16
_VERSION = 1
_NONCE_BYTES = 16

Lasts = tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, repr=False)
class Operation:
    """``author`` is a device key, ``sequence`` counts what that device signed in the group, ``lasts`` names
    devices with the last sequence of theirs that holds; ``payload`` is what it says besides."""

    kind: int
    group: bytes
    author: bytes
    sequence: int
    parents: tuple[bytes, ...]
    id: bytes
    data: bytes
    name: str = ""
    card: Card | None = None
    start: int = 1
    account: bytes = b""
    lasts: Lasts = ()

    def __repr__(self) -> str:
        return f"Operation(kind={self.kind}, sequence={self.sequence})"

    @property
    def removes(self) -> bool:
        """Whether it ends the membership of a device."""
        return self.kind in (REMOVE, LEAVE, REVOKE)


def create(seed: bytes, sequence: int, name: str, card: Card, random: Random) -> bytes:
    """Begin a group. ``card`` is that of the device with ``seed``."""
    return _sign(seed, CREATE, b"", sequence, (), [name, random(_NONCE_BYTES), card.fields()])


def add(
    seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], card: Card, start: int
) -> bytes:
    """Take a device in; ``start`` is the first sequence of it that holds."""
    return _sign(seed, ADD, group, sequence, parents, [card.fields(), start])


def remove(
    seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], account: bytes, lasts: Lasts
) -> bytes:
    """Put an account out."""
    return _sign(seed, REMOVE, group, sequence, parents, [account, _rows(lasts)])


def leave(
    seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], account: bytes, lasts: Lasts
) -> bytes:
    """Go, with all devices of our account."""
    return _sign(seed, LEAVE, group, sequence, parents, [account, _rows(lasts)])


def revoke(seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], lasts: Lasts) -> bytes:
    """Put one device out; its account stays, if it has others."""
    return _sign(seed, REVOKE, group, sequence, parents, [_rows(lasts)])


def promote(seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], account: bytes) -> bytes:
    """Make an account an admin."""
    return _sign(seed, PROMOTE, group, sequence, parents, [account])


def rename(seed: bytes, group: bytes, sequence: int, parents: tuple[bytes, ...], name: str) -> bytes:
    """Give the group another name."""
    return _sign(seed, RENAME, group, sequence, parents, [name])


def decode(data: bytes) -> Operation:
    """Read an operation and check its signatures.

    PeerError where it is damaged, AuthError where it is not signed, VersionError for another version.
    """
    if not keys.SIGNATURE_BYTES < len(data) <= limits.OPERATION_BYTES:
        raise PeerError("a damaged operation")
    content, signature = data[: -keys.SIGNATURE_BYTES], data[-keys.SIGNATURE_BYTES :]
    fields = cbor.decode(content)
    if not isinstance(fields, list) or not fields or type(fields[0]) is not int:
        raise PeerError("a damaged operation")
    if fields[0] != _VERSION:
        raise VersionError("an operation of another version")
    if [type(field) for field in fields] != [int, int, bytes, bytes, int, list, list]:
        raise PeerError("a damaged operation")
    _, kind, group, author, sequence, parents, payload = fields
    if not CREATE <= kind <= REVOKE or len(author) != keys.KEY_BYTES:
        raise PeerError("a damaged operation")
    if not 1 <= sequence <= limits.NUMBER_MAX or len(parents) > limits.PARENTS:
        raise PeerError("a damaged operation")
    if any(type(parent) is not bytes or len(parent) != ID_BYTES for parent in parents):
        raise PeerError("a damaged operation")
    if any(one >= other for one, other in pairwise(parents)):
        raise PeerError("an operation whose parents are out of order")
    if (kind == CREATE) != (not parents) or len(group) != (0 if kind == CREATE else GROUP_BYTES):
        raise PeerError("a damaged operation")
    told = _payload(kind, author, payload)
    if not keys.verify(author, signature, _signed(content)):
        raise AuthError("an operation that its author did not sign")
    operation_id = _id(content)
    group = operation_id[:GROUP_BYTES] if kind == CREATE else group
    return Operation(kind, group, author, sequence, tuple(parents), operation_id, data, **told)


def _payload(kind: int, author: bytes, payload: list[Any]) -> dict[str, Any]:
    kinds = [type(item) for item in payload]
    if kind == CREATE and kinds == [str, bytes, list] and len(payload[1]) == _NONCE_BYTES:
        card = _card(payload[2])
        if card.device_key != author:
            raise PeerError("a group that somebody else began")
        return {"name": _name(payload[0]), "card": card, "account": card.account_key}
    if kind == ADD and kinds == [list, int] and 1 <= payload[1] <= limits.NUMBER_MAX:
        card = _card(payload[0])
        return {"card": card, "start": payload[1], "account": card.account_key}
    if kind in (REMOVE, LEAVE) and kinds == [bytes, list] and len(payload[0]) == keys.KEY_BYTES:
        return {"account": payload[0], "lasts": _lasts(payload[1], limits.ACCOUNT_DEVICES)}
    if kind == REVOKE and kinds == [list]:
        return {"lasts": _lasts(payload[0], 1)}
    if kind == PROMOTE and kinds == [bytes] and len(payload[0]) == keys.KEY_BYTES:
        return {"account": payload[0]}
    if kind == RENAME and kinds == [str]:
        return {"name": _name(payload[0])}
    raise PeerError("a damaged operation")


def _card(found: object) -> Card:
    card = Card.read(found)
    _name(card.name)
    return card


def _name(name: str) -> str:
    # Bytes, not characters: what can be printed differs from one Python to the next, and all must agree.
    if not 1 <= len(name.encode()) <= limits.NAME_BYTES:
        raise PeerError("a name out of its bounds")
    return name


def _lasts(rows: list[Any], most: int) -> Lasts:
    if not 1 <= len(rows) <= most:
        raise PeerError("a damaged operation")
    for row in rows:
        if not isinstance(row, list) or [type(item) for item in row] != [bytes, int]:
            raise PeerError("a damaged operation")
        if len(row[0]) != keys.KEY_BYTES or not 0 <= row[1] <= limits.NUMBER_MAX:
            raise PeerError("a damaged operation")
    if any(one[0] >= other[0] for one, other in pairwise(rows)):
        raise PeerError("an operation whose devices are out of order")
    return tuple((device, last) for device, last in rows)


def _rows(lasts: Lasts) -> list[list[object]]:
    return [[device, last] for device, last in sorted(lasts)]


def _sign(
    seed: bytes, kind: int, group: bytes, sequence: int, parents: tuple[bytes, ...], payload: list[Any]
) -> bytes:
    author = keys.signing_public(seed)
    fields = [_VERSION, kind, group, author, sequence, sorted(parents), payload]
    content = cbor.encode(fields)
    data = content + keys.sign(seed, _signed(content))
    if len(data) > limits.OPERATION_BYTES:
        raise LimitError("an operation above the limit")
    return data


def _signed(content: bytes) -> bytes:
    return b"hedgerow group operation" + content


def _id(content: bytes) -> bytes:
    # Without the signature: its author could make many for one content.
    return hashlib.sha256(b"hedgerow group operation id" + content).digest()
