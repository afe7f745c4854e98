"""Ids as CIDs (version 1, dag-cbor, sha2-256, base32), so that tools of IPFS can name our entries."""

import base64
import binascii

from hedgerow.log.bounds import ID_BYTES
from hedgerow_core.errors import PeerError

_PREFIX = bytes((0x01, 0x71, 0x12, ID_BYTES))  # CIDv1, dag-cbor, sha2-256, its length
_BASE32 = "b"
_TEXT_LENGTH = 59


def to_bytes(entry_id: bytes) -> bytes:
    """The binary CID, 36 bytes."""
    return _PREFIX + entry_id


def to_text(entry_id: bytes) -> str:
    """The CID as text: ``bafyrei`` and 52 more characters."""
    return _BASE32 + base64.b32encode(_PREFIX + entry_id).decode().rstrip("=").lower()


def from_text(text: str) -> bytes:
    """The id that a CID names. PeerError where it names anything but an entry."""
    if len(text) != _TEXT_LENGTH or text[:1] != _BASE32 or text != text.lower() or not text.isascii():
        raise PeerError("not the id of an entry")
    digits = text[1:].upper()
    try:
        data = base64.b32decode(digits + "=" * (-len(digits) % 8))
    except binascii.Error:
        raise PeerError("not the id of an entry") from None
    if data[: len(_PREFIX)] != _PREFIX or to_text(data[len(_PREFIX) :]) != text:
        raise PeerError("not the id of an entry")
    return data[len(_PREFIX) :]
