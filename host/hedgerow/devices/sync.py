"""What the devices of one account tell each other, sealed pairwise (docs/protocol.md, "Devices").

A SYNC entry holds a list of these:

    [0, conversation 8, author 4, entry]                                     something that was said
    [1, account_key, device_key, device_dh, certificate, name, verified_ms, blocked_ms, list]   a contact
    [2, device_key, label]                                                   how a device is called

Keys are named by the first bytes of their hash. All are from ourselves, so nothing in them is signed.
"""

import hashlib
from dataclasses import dataclass

from hedgerow import stored
from hedgerow.identity.keys import KEY_BYTES
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

TAG_BYTES = 4
_CONVERSATION_BYTES = 8
_DATA_BYTES = 900
_MOST = 100
_ENTRY, _CONTACT, _LABEL = range(3)


@dataclass(frozen=True)
class Said:
    """An entry of a conversation, by the device that wrote it; ``entry`` as in hedgerow.log.entry."""

    conversation: bytes
    author: bytes
    entry: bytes


@dataclass(frozen=True)
class Person:
    """A contact; times are 0 for never. ``devices`` is their signed list, empty where there is none."""

    account_key: bytes
    device_key: bytes
    device_dh: bytes
    certificate: bytes
    name: str
    verified_ms: int
    blocked_ms: int
    devices: bytes


@dataclass(frozen=True)
class Label:
    """How the user calls one of the devices."""

    device_key: bytes
    label: str


Item = Said | Person | Label


def tag(device_key: bytes) -> bytes:
    """By what a device is named within a conversation, 4 bytes."""
    return hashlib.sha256(device_key).digest()[:TAG_BYTES]


def conversation(account_key: bytes) -> bytes:
    """By what the conversation with somebody is named, 8 bytes."""
    return hashlib.sha256(account_key).digest()[:_CONVERSATION_BYTES]


def encode(items: list[Item]) -> list[bytes]:
    """The data of as few SYNC entries as it takes, each of at most 900 bytes where an item is not larger."""
    found: list[bytes] = []
    waiting: list[list[object]] = []
    for item in items:
        fields = [(Said, Person, Label).index(type(item)), *vars(item).values()]
        if waiting and len(stored.write([*waiting, fields])) > _DATA_BYTES:
            found.append(stored.write(waiting))
            waiting = []
        waiting.append(fields)
    return [*found, stored.write(waiting)] if waiting else found


def decode(data: bytes) -> list[Item]:
    """Read the data of a SYNC entry. PeerError where it is damaged or of a kind unknown here."""
    found = cbor.decode(data)
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST:
        raise PeerError("damaged data")
    return [_decode(item) for item in found]


def _decode(found: object) -> Item:
    if not isinstance(found, list) or not found:
        raise PeerError("damaged data")
    kind, *fields = found
    if kind == _ENTRY:
        said = Said(*stored.check(fields, bytes, bytes, bytes))
        if (len(said.conversation), len(said.author)) != (_CONVERSATION_BYTES, TAG_BYTES):
            raise PeerError("damaged data")
        return said
    if kind == _CONTACT:
        person = Person(*stored.check(fields, *[bytes] * 4, str, int, int, bytes))
        if [len(key) for key in (person.account_key, person.device_key, person.device_dh)] != [KEY_BYTES] * 3:
            raise PeerError("damaged data")
        return person
    if kind == _LABEL:
        return Label(*stored.check(fields, bytes, str))
    raise PeerError("an item of an unknown kind")
