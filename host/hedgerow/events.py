"""What a node tells, and the rows that it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Connected:
    """``name`` is a contact now: letters go both ways."""

    name: str


@dataclass(frozen=True)
class Received:
    """A letter from ``name`` was opened."""

    name: str
    text: str
    sequence: int
    hops: int
    written_ms: int
    envelope: bytes


@dataclass(frozen=True)
class Contact:
    """A row of ``hedgerow contacts``."""

    name: str
    connected: bool
    account_key: bytes


@dataclass(frozen=True)
class Letter:
    """A row of ``hedgerow inbox``; ``received_ms`` is None for our own, ``sent`` false while it waits."""

    id: int
    name: str
    mine: bool
    text: str
    written_ms: int
    received_ms: int | None
    sent: bool
