"""Reading a log from a file: the good entries are joined, whatever is wrong with the rest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from hedgerow.log import bounds, canonical
from hedgerow.log.canonical import Entry
from hedgerow.log.errors import FileDamaged, NoEntries
from hedgerow.log.interchange import car, jsonl
from hedgerow.log.log import Joined, Log
from hedgerow_core.errors import PeerError, VersionError


@dataclass
class Loaded:
    """What became of a file. ``damage`` says where it broke off; what stood before that is joined."""

    joined: Joined = field(default_factory=Joined)
    unreadable: int = 0
    damage: FileDamaged | None = None


def load(
    stream: IO[bytes], open_log: Callable[[bytes, bool], Log], told: Callable[[int], None] | None = None
) -> Loaded:
    """Join the entries of a file, JSON lines or CAR, to the log that ``open_log`` gives for (name, signed).

    ``told`` is called with how many were read. FileDamaged, or NoEntries, where there is not one entry in it.
    """
    found = Loaded()
    log: Log | None = None
    batch: list[Entry] = []
    count = 0
    for entry in _entries(stream, found):
        if log is None:
            log = open_log(entry.log, bool(entry.signature))
        batch.append(entry)
        count += 1
        if len(batch) >= bounds.JOIN_ENTRIES:
            _join(log, batch, found)
            batch = []
            if told is not None:
                told(count)
    if log is None:
        raise found.damage or NoEntries()
    _join(log, batch, found)
    if told is not None:
        told(count)
    return found


def _join(log: Log, batch: list[Entry], found: Loaded) -> None:
    joined = log.join(batch)
    found.joined.added += joined.added
    found.joined.duplicates += joined.duplicates
    found.joined.pruned += joined.pruned
    found.joined.refused += joined.refused


def _entries(stream: IO[bytes], found: Loaded) -> Iterator[Entry]:
    first = stream.read(1)
    whole = _Again(first, stream)
    if first == b"{":
        while line := whole.readline(jsonl.LINE_BYTES):
            try:
                yield jsonl.read(line)
            except PeerError:
                found.unreadable += 1
        return
    try:
        for _, block in car.read(whole):
            try:
                yield canonical.decode(block)
            except (PeerError, VersionError):
                found.unreadable += 1  # a block of something else, or of a later version
    except FileDamaged as damage:
        found.damage = damage


class _Again:
    """A stream of which the first byte was read already."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int) -> bytes:
        first, self._first = self._first, b""
        return first + self._stream.read(size - len(first)) if size else b""

    def readline(self, size: int) -> bytes:
        first, self._first = self._first, b""
        return first + self._stream.readline(size - len(first))
