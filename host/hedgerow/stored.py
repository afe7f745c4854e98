"""What the database keeps for us as CBOR lists of a known shape."""

from typing import Any

from hedgerow_core import cbor
from hedgerow_core.errors import PeerError


def write(fields: list[Any]) -> bytes:
    """For the database."""
    return cbor.encode(fields)


def read(data: object, *kinds: type) -> list[Any]:
    """The fields that ``write`` took. PeerError where they are not of these types."""
    if not isinstance(data, bytes):
        raise PeerError("damaged data")
    return check(cbor.decode(data), *kinds)


def read_some(data: object, kind: type) -> list[Any]:
    """The fields that ``write`` took, however many. PeerError where they are not all of this type."""
    found = cbor.decode(data) if isinstance(data, bytes) else None
    return check(found, *[kind] * (len(found) if isinstance(found, list) else 0))


def check(found: object, *kinds: type) -> list[Any]:
    """``found`` where it is a list with one item of each of these types. PeerError otherwise."""
    if not isinstance(found, list) or [type(item) for item in found] != list(kinds):
        raise PeerError("damaged data")
    return found
