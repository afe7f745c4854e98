"""Introductions: a contact of two people brings them together (docs/protocol.md, "Introductions").

    1 | id 8 | account key 32 | device key 32 | name     to A: would you like to know B?
    2 | id 8 | invite                                     A's answer: a one-time invite that only B can use
    3 | id 8 | invite                                     to B: A would like to know you

The invite is the content of its URI, as it was handed over; nothing is sent where somebody says no.
"""

from dataclasses import dataclass

from hedgerow_core.errors import PeerError

ID_BYTES = 8
ASK, OFFER, PASS = 1, 2, 3
_KEY_BYTES = 32


@dataclass(frozen=True)
class Flight:
    """``step`` is ASK, with keys and name of the other person, or OFFER or PASS, with an invite."""

    step: int
    id: bytes
    account_key: bytes = b""
    device_key: bytes = b""
    name: str = ""
    uri: str = ""


def encode(flight: Flight) -> str:
    """As the text of an entry: fields in hexadecimal, and behind a space what is a text."""
    head = bytes((flight.step,)) + flight.id + flight.account_key + flight.device_key
    return f"{head.hex()} {flight.name or flight.uri}"


def decode(text: str) -> Flight:
    """Read a flight. PeerError where it is damaged."""
    spelled, space, rest = text.partition(" ")
    try:
        head = bytes.fromhex(spelled)
    except ValueError:
        raise PeerError("a damaged introduction") from None
    step, identity, keys = head[:1], head[1 : 1 + ID_BYTES], head[1 + ID_BYTES :]
    if head.hex() != spelled or not space or len(identity) != ID_BYTES or not rest:
        raise PeerError("a damaged introduction")
    if step == bytes((ASK,)) and len(keys) == 2 * _KEY_BYTES:
        return Flight(ASK, identity, keys[:_KEY_BYTES], keys[_KEY_BYTES:], name=rest)
    if step in (bytes((OFFER,)), bytes((PASS,))) and not keys:
        return Flight(step[0], identity, uri=rest)
    raise PeerError("a damaged introduction")
