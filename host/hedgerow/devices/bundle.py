"""Envelopes as one file, or one message, for a device that no board reaches: all in it is sealed.

"hedgerow letters" 0A | ( length 2 | envelope ) ..
"""

from hedgerow_core.envelope import Envelope, decode
from hedgerow_core.errors import PeerError

MAGIC = b"hedgerow letters\n"
BYTES = 16 << 20
_LENGTH_BYTES = 2


def pack(envelopes: list[Envelope]) -> bytes:
    """One bundle of all."""
    whole = bytearray(MAGIC)
    for envelope in envelopes:
        data = envelope.encode()
        whole += len(data).to_bytes(_LENGTH_BYTES, "big") + data
    return bytes(whole)


def unpack(whole: bytes) -> list[Envelope]:
    """The envelopes of a bundle. PeerError where it is damaged, or no bundle."""
    if not whole.startswith(MAGIC) or len(whole) > BYTES:
        raise PeerError("no bundle of letters")
    found = []
    at = len(MAGIC)
    while at < len(whole):
        size = int.from_bytes(whole[at : at + _LENGTH_BYTES], "big")
        data = whole[at + _LENGTH_BYTES : at + _LENGTH_BYTES + size]
        if len(data) != size or not size:
            raise PeerError("a damaged bundle of letters")
        found.append(decode(data))
        at += _LENGTH_BYTES + size
    return found
