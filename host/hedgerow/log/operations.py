"""What an entry of a store is, for stores and for what compacts a log."""

from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

OPERATION = 0x101  # the body is CBOR [store, what, ..]


def store_of(body: bytes) -> str | None:
    """The name of the store that an operation is for; None where it is none."""
    try:
        found = cbor.decode(body)
    except PeerError:
        return None
    if not isinstance(found, list) or len(found) < 2 or not isinstance(found[0], str):
        return None
    return found[0]
