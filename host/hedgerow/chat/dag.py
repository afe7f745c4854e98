"""A conversation as a log of canonical entries, so that it can be looked at, checked, and handed on.

It is a pure function of what was said, in the order that all devices agree on: an entry follows all those of
the clock before its own, and the last of its author. So everybody who has the same entries has the same log.
Where something is missing, the ids of what comes behind it change when it comes (docs/log.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from hedgerow.log import bounds, canonical
from hedgerow.log.log import Log
from hedgerow_core import cbor

KINDS = 0x200  # and the kind of the compact entry


@dataclass(frozen=True)
class Words:
    """What was said: the author's device key, the clock that orders it, and what the entry holds."""

    author: bytes
    clock: int
    kind: int
    body: bytes


def body_of(written_ms: int, text: str) -> bytes:
    """The body of an entry: CBOR [unix ms, text]."""
    return cbor.encode([written_ms, text])


def log_of(name: bytes, said: Iterable[Words]) -> Log:
    """The log, in memory. Its entries are not signed: that was the ratchet's, or the group's, matter."""
    log = Log.open(":memory:", name, signed=False, durable=False)
    last: dict[bytes, list[bytes]] = {}  # all entries of each author
    before: list[bytes] = []
    ordered = sorted(said, key=lambda words: (words.clock, words.author, words.body))
    made = []
    for clock, (_, level) in enumerate(groupby(ordered, key=lambda words: words.clock), 1):
        now = []
        for words in level:
            own = last.setdefault(words.author, [])
            parents = before[: bounds.PARENTS]
            sequence = len(own) + 1
            distances = [1 << power for power in range(1, canonical.reference_count(sequence) + 1)]
            references = [own[-distance] for distance in distances if distance <= len(own)]
            previous = own[-1] if own else None
            entry = canonical.make(
                name,
                words.author,
                sequence,
                clock,
                parents,
                previous,
                references,
                KINDS + words.kind,
                words.body,
                None,
            )
            own.append(entry.id)
            now.append(entry.id)
            made.append(entry)
        before = sorted(now)
    log.join(made)
    return log
